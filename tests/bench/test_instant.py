"""The provider of the benchmarks: runs send to it, and it counts."""

from pathlib import Path

import pytest
from support import pipeline

from bench.dags import pipeline as graph
from bench.instant import ENVIRONMENT, Provider
from flowrunner import api
from flowrunner.money import parse
from flowrunner.store.records import RunStatus

CREDIT = parse("0.0000005")
"""To which AIML API rounds up; the benchmarks' provider does not."""
THREE = """
steps:
  a: {model: blackforestlabs/flux-2-pro, with: {prompt: one}}
  b: {model: blackforestlabs/flux-2-pro, with: {prompt: two}}
  c: {model: blackforestlabs/flux-2-pro-edit, with: {prompt: three, image_urls: [$a, $b]}}
"""


@pytest.mark.parametrize(("inline", "gets"), [(False, 3), (True, 0)])
def test_a_live_run_pays_the_provider_of_the_benchmarks(tmp_path: Path, inline: bool, gets: int) -> None:
    provider = Provider(inline=inline, latency=lambda body: 0.001 * len(body["prompt"]))
    path = pipeline(tmp_path, THREE)
    with provider.installed():
        result = api.run(path, environment=ENVIRONMENT)
        again = api.run(path, environment=ENVIRONMENT)
    assert (result.status, result.notes, again.calls) == (RunStatus.DONE, (), 0)
    assert (provider.posts, provider.gets, provider.most) == (3, gets, 2)
    assert len({found.candidates for found in result.results.values()}) == 3


@pytest.mark.parametrize(("shape", "count"), [("wide", 2), ("chain", 3), ("uneven", 2)])
def test_the_provider_of_the_benchmarks_charges_what_was_reserved(tmp_path: Path, shape: str, count: int) -> None:
    path = tmp_path / "show.yaml"
    path.write_text(graph(shape, count))
    with Provider().installed():
        result = api.run(path, environment=ENVIRONMENT)
    for found in result.results.values():
        (charge,) = found.charges
        assert charge is not None
        assert found.price is not None
        assert 0 <= found.price - charge <= CREDIT
