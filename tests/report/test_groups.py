import re
from pathlib import Path

import pytest
from support import cli, project

SIZE = "image_size: {width: 512, height: 512}"


def shown(folder: Path, *words: str) -> list[str]:
    out = cli("plan", *words, cwd=folder).out
    return [" ".join(line.split()) for line in out.splitlines()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    text = f"""\
    flowrunner: 1
    provider: aimlapi
    axes:
      p: {{a: {{name: Ash}}, b: {{name: Birch}}, c: {{name: Cedar}}, d: {{name: Dogwood}}, e: {{name: Elm}}}}
    steps:
      one: {{across: p, model: blackforestlabs/flux-2, with: {{prompt: "{{{{ axis.p.name }}}} table", {SIZE}}}}}
      two: {{across: p, model: image/resize, with: {{image: $one, width: 32}}}}
    """
    return project(tmp_path, {"trees.yaml": text})


def test_the_same_change_in_many_cells_is_one_line_with_its_place(folder: Path) -> None:
    cli("run", "trees.yaml", "--simulate", cwd=folder)
    path = folder / "trees.yaml"
    path.write_text(path.read_text().replace("table", "desk"))
    assert "run one 5 cells 5 calls simulated $0.063 prompt: table → desk (trees.yaml:6)" in shown(
        folder, "trees.yaml", "--simulate"
    )


def test_changes_that_differ_in_their_words_share_a_line_that_quotes_the_first(folder: Path) -> None:
    cli("run", "trees.yaml", "--simulate", cwd=folder)
    path = folder / "trees.yaml"
    path.write_text(path.read_text().replace("{{ axis.p.name }} table", "table of {{ axis.p.name }}"))
    lines = shown(folder, "trees.yaml", "--simulate")
    line = next(line for line in lines if line.startswith("run one 5 cells"))
    assert re.search(r"prompt changed \(trees.yaml:\d\), first one/a: Ash table → table of Ash$", line)


def test_a_few_cells_that_changed_stand_apart_from_those_that_did_not(folder: Path) -> None:
    cli("run", "trees.yaml", "--simulate", cwd=folder)
    path = folder / "trees.yaml"
    path.write_text(path.read_text().replace("Birch", "Beech"))
    lines = shown(folder, "trees.yaml", "--simulate")
    assert "run one/b 1 call simulated $0.013 prompt: Birch → Beech (trees.yaml:4)" in lines
    assert "reuse one 4 cells locked" in lines


@pytest.mark.slow
def test_a_pipeline_of_many_steps_still_fits_on_a_screen(tmp_path: Path) -> None:
    steps = "\n".join(
        f"  s{n}: {{model: image/mask, with: {{width: {n + 8}, height: 8, box: [0, 0, 1, 1]}}}}" for n in range(60)
    )
    folder = project(tmp_path, {"long.yaml": f"flowrunner: 1\nsteps:\n{steps}\n"})
    lines = shown(folder, "long.yaml")
    assert len(lines) < 40
    assert "… and 30 more lines: --cells shows every cell" in lines
    assert len(shown(folder, "long.yaml", "--cells")) > 60
    assert cli("run", "long.yaml", cwd=folder).exit_code == 0
    assert "reuse 60 steps 60 cells locked" in shown(folder, "long.yaml")
