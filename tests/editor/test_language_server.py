"""What an editor shows, asked of yaml-language-server itself. It needs node; YAML_LANGUAGE_SERVER names its program."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowrunner.resources import folder

sys.path.insert(0, str(Path(__file__).parent))
from editor_client import LanguageServer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.environ.get("YAML_LANGUAGE_SERVER"), reason="YAML_LANGUAGE_SERVER names no program"),
]
TEXT = """\
flowrunner: 1
steps:
  portrait:
    model: blackforestlabs/flux-2-pro
    with:
      prompt: A T-Rex
      im
  dressed:
    model: blackforestlabs/flux-2-pro-edit
    with: {prompt: A suit, output_format: FORMAT, image_urls: [$portrait], image_size: "{{ axis.size.px }}"}
"""
SOUND = TEXT.replace("      im\n", "").replace("FORMAT", "webp")


@pytest.fixture
def server() -> Iterator[LanguageServer]:
    running = LanguageServer(Path(os.environ["YAML_LANGUAGE_SERVER"]), folder("schemas") / "pipeline.schema.json")
    yield running
    running.close()


def test_image_size_is_completed_inside_with_of_flux_2_pro(server: LanguageServer, tmp_path: Path) -> None:
    assert "image_size" in server.completions(tmp_path / "a.yaml", TEXT, 6, 8)


def test_models_are_completed(server: LanguageServer, tmp_path: Path) -> None:
    text = "flowrunner: 1\nsteps:\n  a:\n    model: "
    assert "blackforestlabs/flux-2-pro-edit" in server.completions(tmp_path / "a.yaml", text, 3, 11)


def test_a_gif_is_marked_at_its_place(server: LanguageServer, tmp_path: Path) -> None:
    found = server.diagnostics(tmp_path / "a.yaml", SOUND.replace("webp", "gif"))
    assert [(one["range"]["start"]["line"], one["range"]["start"]["character"]) for one in found] == [(8, 42)]


def test_templates_and_references_are_accepted(server: LanguageServer, tmp_path: Path) -> None:
    assert server.diagnostics(tmp_path / "a.yaml", SOUND) == []


def test_hovering_a_parameter_tells_what_it_is(server: LanguageServer, tmp_path: Path) -> None:
    assert "4000 characters" in server.hover(tmp_path / "a.yaml", SOUND, 5, 8)


@pytest.mark.parametrize("path", sorted(folder("pipelines").glob("*.yaml")), ids=lambda path: path.name)
def test_no_pipeline_of_ours_is_marked(server: LanguageServer, tmp_path: Path, path: Path) -> None:
    if not path.name.endswith(".lock.yaml"):
        text = "\n".join(line for line in path.read_text().splitlines() if not line.startswith("# yaml-language"))
        assert server.diagnostics(tmp_path / path.name, text) == []
