"""Samples of one request without a seed: equal requests, pictures of their own."""

from pathlib import Path

from flowrunner import api

TEXT = """\
flowrunner: 1
steps:
  scene: {model: blackforestlabs/flux-2-pro, variants: 3, with: {prompt: A lamp, image_size: {width: 512, height: 512}}}
"""


def digests(folder: Path) -> list[str]:
    folder.mkdir()
    (folder / "flowrunner.toml").touch()
    (folder / "a.yaml").write_text(TEXT)
    found = api.run(folder / "a.yaml", environment={}, simulate=True).results["scene"].candidates
    return [artifact.sha256 for artifact in found if artifact]


def test_each_sample_has_a_picture_of_its_own_and_every_machine_the_same(tmp_path: Path) -> None:
    one = digests(tmp_path / "one")
    assert len(set(one)) == 3
    assert digests(tmp_path / "two") == one
