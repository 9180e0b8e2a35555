"""The provider of the benchmarks: runs send to it, and it counts."""

from pathlib import Path

import pytest
from support import pipeline

from bench.instant import ENVIRONMENT, Provider
from flowrunner import api
from flowrunner.store.records import RunStatus

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
