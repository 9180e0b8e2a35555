"""The doors: load, plan and run whole pipelines."""

from pathlib import Path

from support import pipeline
from wire import Wire

from flowrunner import api

CHAIN = """
steps:
  a: {model: blackforestlabs/flux-2-pro, with: {prompt: one, seed: 1}}
  b: {model: blackforestlabs/flux-2-edit, with: {prompt: two, image_urls: [$a], image_size: square}}
"""


def test_a_second_run_makes_no_request_and_changes_no_byte(tmp_path: Path, wire: Wire) -> None:
    path = pipeline(tmp_path, CHAIN)
    assert api.run(path, simulate=True).exit_code == 0
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file() and "ledger" not in file.name}
    assert wire.prompts == ["one", "two"]
    assert api.run(path, simulate=True).exit_code == 0
    assert wire.prompts == ["one", "two"]
    assert before == {file: file.read_bytes() for file in before}
