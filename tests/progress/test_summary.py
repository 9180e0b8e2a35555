from pathlib import Path

import pytest
from support import cli, project

from flowrunner.store.objects import Objects

SIZE = "image_size: {width: 512, height: 512}"
MANY = f"""\
flowrunner: 1
provider: aimlapi
axes: {{n: [{", ".join(f"v{number}" for number in range(12))}]}}
steps:
  one: {{across: n, model: blackforestlabs/flux-2, with: {{prompt: "{{{{ axis.n }}}}", {SIZE}, seed: 1}}}}
  small: {{across: n, pick: human, model: image/resize, with: {{image: $one, width: 32}}}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return project(tmp_path, {"many.yaml": MANY})


@pytest.mark.slow
def test_a_long_list_is_cut_and_counted(folder: Path) -> None:
    result = cli("run", "many.yaml", "--simulate", cwd=folder)
    assert result.exit_code == 4
    waits = [line for line in result.out.splitlines() if line.startswith("wait")]
    assert len(waits) == 9
    assert waits[-1] == "wait  … and 4 more cells"


def forget(folder: Path) -> None:
    """The project as a fresh clone has it: the lock is here, what it names is not."""
    for path in (folder / ".flowrunner/objects").rglob("*"):
        if path.is_file():
            path.unlink()
    (folder / ".flowrunner/ledger.db").unlink()


@pytest.mark.slow
def test_a_picture_that_is_not_here_is_named_and_nothing_is_made_anew_for_it(folder: Path) -> None:
    cli("run", "many.yaml", "--simulate", cwd=folder)
    forget(folder)
    text = MANY.replace("width: 32", "width: 48")
    result = cli("run", "many.yaml", "--simulate", cwd=project(folder, {"many.yaml": text}))
    assert result.exit_code == 3
    assert "lack  one/v0, one/v1, one/v2 and 9 more  its locked picture is not here\n" in result.out
    assert "      = pay simulated $0.152 for different pictures with --force\n" in result.out
    assert result.out.endswith("next  flowrunner run many.yaml --force one --simulate\n")


@pytest.mark.parametrize("verb", ["plan", "run"])
def test_the_next_command_names_all_that_would_have_to_be_made_anew(folder: Path, verb: str) -> None:
    line = ["many.yaml", "--simulate", "--only", "n=v1", "--only", "n=v3"]
    made = cli("run", *line, "--format", "json", cwd=folder).json["cells"]
    for cell in made:
        if cell["cell"].startswith("one/"):
            Objects(folder / ".flowrunner").path(cell["images"][0]["sha256"]).unlink()
    project(folder, {"many.yaml": MANY.replace("width: 32", "width: 48")})
    forced = "--force one/v1 --force one/v3"
    said = cli(verb, *line, cwd=folder).out
    assert said.endswith(f"  flowrunner run many.yaml {forced} --simulate --only n=v1 --only n=v3\n")


def test_cells_that_share_a_request_share_its_missing_picture(folder: Path) -> None:
    text = MANY.replace("{{ axis.n }}", "the same")
    cli("run", "many.yaml", "--simulate", cwd=project(folder, {"many.yaml": text}))
    forget(folder)
    project(folder, {"many.yaml": text.replace("width: 32", "width: 48")})
    result = cli("run", "many.yaml", "--simulate", cwd=folder)
    assert result.exit_code == 3
    assert "lack  small/v1, small/v2, small/v3 and 8 more  the picture of small/v0 is not here\n" in result.out
