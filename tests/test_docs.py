"""What the documents show works as shown: pipelines are sound, code runs, commands print what stands below them."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from flowrunner import api, cli, settings
from flowrunner.loading.document import parse
from flowrunner.providers.registry import PROVIDERS
from flowrunner.source import Source

ROOT = Path(__file__).parents[1]
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / ".github").glob("*.md")))
README = (ROOT / "README.md").read_text(encoding="utf-8")
BROKEN = ("pipelines/shared/brand.yaml", "height: 608", "height: 600")
"""The mistake that the README shows: file, before, after."""


def blocks(language: str, *documents: Path) -> list[str]:
    """The fenced blocks of a language; those of all documents unless some are named."""
    texts = [path.read_text(encoding="utf-8") for path in documents or DOCUMENTS]
    return [
        block for text in texts for block in re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    ]


def pipelines() -> list[str]:
    return [block for block in blocks("yaml") if "\nsteps:" in block]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(ROOT / "pipelines", tmp_path / "pipelines", ignore=shutil.ignore_patterns("*.lock.yaml"))
    (tmp_path / "flowrunner.toml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in PROVIDERS:
        for suffix in ("API_KEY", "BASE_URL", "PROXY"):
            monkeypatch.delenv(f"{name.upper()}_{suffix}", raising=False)
    monkeypatch.delenv("FLOWRUNNER_STORE", raising=False)
    return tmp_path


def test_the_readme_shows_a_plain_pipeline_and_one_over_axes() -> None:
    assert ["across:" in block for block in pipelines()[:2]] == [False, True]


@pytest.mark.parametrize("block", blocks("yaml"))
def test_yaml_in_the_documents_is_yaml_without_a_lint(block: str) -> None:
    lints: list[object] = []
    parse(Source("block.yaml", block), lints=lints)  # type: ignore[arg-type]
    assert lints == []


@pytest.mark.parametrize("block", pipelines())
def test_a_pipeline_in_the_documents_is_sound(project: Path, block: str) -> None:
    path = project / "pipelines" / "shown.yaml"
    path.write_text(block, encoding="utf-8")
    assert api.validate(path, environment={}, strict=True) == []


def test_the_first_pipeline_of_the_readme_runs(project: Path) -> None:
    path = project / "pipelines" / "shown.yaml"
    path.write_text(pipelines()[0], encoding="utf-8")
    result = api.run(path, environment={}, simulate=True)
    assert (result.status.value, result.calls) == ("done", 3)
    assert {(image.width, image.height) for cell in result.results.values() for image in cell.candidates if image} == {
        (1472, 512)
    }


def test_python_in_the_readme_runs(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = blocks("python", ROOT / "README.md")
    exec(compile(block, "README.md", "exec"), {})
    said = capsys.readouterr().out
    assert said.startswith("portrait run new\n")
    assert "done 3 [" in said


@pytest.mark.parametrize("block", blocks("console"))
def test_a_command_in_the_documents_prints_what_stands_below_it(
    project: Path, capsys: pytest.CaptureFixture[str], block: str
) -> None:
    command, _, shown = block.partition("\n")
    file, before, after = BROKEN
    if after in shown:
        text = (project / file).read_text(encoding="utf-8")
        (project / file).write_text(text.replace(before, after), encoding="utf-8")
    program, *words = shlex.split(command.removeprefix("$ "))
    assert program == "flowrunner"
    cli.main(words)
    said = capsys.readouterr()
    assert said.out + said.err == shown


def test_the_drawing_in_the_readme_is_that_of_the_example(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = blocks("mermaid")
    assert cli.main(["graph", "pipelines/spring-hero.yaml"]) == 0
    assert capsys.readouterr().out == block


def test_settings_in_the_documents_are_settings(tmp_path: Path) -> None:
    (block,) = blocks("toml")
    (tmp_path / settings.NAME).write_text(block, encoding="utf-8")
    found = settings.load(tmp_path, providers=PROVIDERS, environment={})
    assert (found.pace("aimlapi").concurrency, len(found.prices)) == (4, 1)


def test_the_readme_lists_every_command() -> None:
    assert re.findall(r"^\| `([a-z]+)[^|]*` \|", README.partition("## Commands")[2], re.MULTILINE) == list(cli.COMMANDS)


def test_the_readme_lists_every_example() -> None:
    shown = set(re.findall(r"\(pipelines/([\w-]+)\.yaml\)", README))
    assert shown == {path.stem for path in (ROOT / "pipelines").glob("*.yaml")}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", document.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (document.parent / link).exists()] == []


def test_every_module_has_a_place_in_the_architecture() -> None:
    text = (ROOT / ".github" / "ARCHITECTURE.md").read_text(encoding="utf-8")
    modules = {path.stem for path in (ROOT / "flowrunner").iterdir() if path.suffix == ".py" or path.is_dir()}
    named = set(re.findall(r"`(\w+?)(?:\.py|/)?`", text))
    assert sorted(name for name in modules - named if not name.startswith("_")) == []
