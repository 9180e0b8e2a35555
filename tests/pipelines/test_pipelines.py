"""The example pipelines: sound, planned, run without a provider, and not run again."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from flowrunner import api, picking
from flowrunner.imagehead import head
from flowrunner.planning import Decision
from flowrunner.store.records import RunStatus

HOME = Path(__file__).parents[2] / "pipelines"
SQUARE, BANNER, STORY = (1024, 1024), (1920, 608), (736, 1312)
CARDS = [(640, 480), (960, 320), (480, 640), (320, 320)]
Sizes = dict[str, list[tuple[int, int]] | None]

OUTPUTS: dict[str, Sizes] = {
    "bake-off": {"table": None},
    "five-edits": {"filmstrip": None, "final": [(1024, 768)]},
    "new-label": {"files": [SQUARE] * 3},
    "local-only": {"pictures": CARDS * 3, "overview": None},
    "optional-steps": {"shop-window": [(1024, 768)]},
    "quickstart": {"postcard": [(1024, 768)], "storyboard": None},
    "retouch": {"files": [(512, 640), (640, 512), (640, 640)], "before-after": None},
    "showroom": {"showroom": [(1344, 768)]},
    "spring-hero": {
        "heroes": [SQUARE, BANNER, STORY] + [SQUARE, SQUARE, BANNER, BANNER, STORY, STORY] * 2,
        "sheets": None,
    },
    "sprites": {"sprites": [(128, 128)] * 6, "overview": None},
    "t-rex-cafe": {"picture": [(1024, 768)]},
    "t-rex-cafe-generated": {"picture": [(1024, 768)]},
    "two-providers": {"comparison": None},
}
"""What each gives: the sizes of an output's pictures, None where they follow from the layout of a sheet."""

LARGE = ("bake-off", "five-edits", "local-only", "new-label", "spring-hero", "sprites", "two-providers")
RUNS = [pytest.param(name, marks=pytest.mark.slow if name in LARGE else ()) for name in OUTPUTS]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copytree(HOME, tmp_path / "pipelines", ignore=shutil.ignore_patterns("*.lock.yaml"))
    (tmp_path / "flowrunner.toml").touch()
    return tmp_path / "pipelines"


def load(folder: Path, name: str, **options: Any) -> api.PipelineFile:
    return api.load(folder / f"{name}.yaml", environment={}, simulate=True, **options)


def run(folder: Path, name: str, **options: Any) -> api.RunResult:
    """A simulated run to its end; whoever is asked takes the last candidate."""
    result = api.run(load(folder, name, **options))
    while result.status is RunStatus.WAITING:
        pipeline = load(folder, name, **options)
        asked = picking.waiting(pipeline)
        assert asked
        picking.record(pipeline, [picking.Wish(cell=one.cell, number=len(one.candidates)) for one in asked])
        result = api.run(load(folder, name, **options))
    return result


def sizes(paths: list[Path]) -> list[tuple[int, int]]:
    found = [head(path.read_bytes()) for path in paths]
    return [(image.width, image.height) for image in found]


def test_the_table_has_every_example() -> None:
    assert sorted(OUTPUTS) == sorted(path.stem for path in HOME.glob("*.yaml"))


@pytest.mark.parametrize("name", OUTPUTS)
def test_an_example_begins_with_its_schema_and_tells_reviewers_what_it_is(name: str) -> None:
    first = (HOME / f"{name}.yaml").read_text(encoding="utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=../schemas/pipeline.schema.json"
    assert api.load(HOME / f"{name}.yaml", environment={}).opened.pipeline.description


@pytest.mark.parametrize("name", OUTPUTS)
def test_an_example_is_sound_without_a_warning(name: str) -> None:
    assert api.validate(HOME / f"{name}.yaml", environment={}, strict=True) == []


@pytest.mark.parametrize("name", OUTPUTS)
def test_everything_of_an_example_is_planned_to_run(project: Path, name: str) -> None:
    found = api.plan(load(project, name))
    assert not found.of(Decision.REUSE, Decision.MISSING)
    assert len(found.of(Decision.RUN, Decision.AWAIT, Decision.SKIP)) == len(found.cells)


def test_the_examples_use_every_model_that_the_providers_show() -> None:
    used = {cell.model.id for name in OUTPUTS for cell in load(HOME, name).opened.graph.cells.values() if cell.model}
    family = ("flux-2", "flux-2-edit", "flux-2-lora", "flux-2-lora-edit", "flux-2-pro", "flux-2-pro-edit", "flux-2-max")
    assert {f"blackforestlabs/{name}" for name in family} <= used
    assert {f"black-forest-labs/flux-2-pro/{name}" for name in ("edit", "generate")} <= used


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_an_example_runs_to_its_end_and_is_not_run_again(project: Path, name: str) -> None:
    result = run(project, name)
    assert result.status is RunStatus.DONE
    assert result.outputs.keys() == OUTPUTS[name].keys()
    for output, asked in OUTPUTS[name].items():
        found = sizes(result.outputs[output])
        assert found
        assert asked is None or found == asked
    lock = result.opened.lock_file.path.read_bytes()
    again = api.run(load(project, name))
    assert (again.status, again.calls, again.lock_written) == (RunStatus.DONE, 0, False)
    assert again.opened.lock_file.path.read_bytes() == lock


@pytest.mark.parametrize("show", ["chair", "lamp"])
def test_each_show_has_a_lock_and_outputs_of_its_own(project: Path, show: str) -> None:
    result = run(project, "showroom", inputs_file=project / "shows" / f"{show}.yaml")
    assert result.status is RunStatus.DONE
    assert result.opened.lock_file.path.name == f"showroom@{show}.lock.yaml"
    assert [path.parent.name for path in result.outputs["showroom"]] == [f"showroom@{show}"]


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ({}, ["window", "sign"]),
        ({"season": "winter"}, ["window", "dressed", "sign"]),
        ({"palette": "products/vase.jpg"}, ["window", "coloured", "sign"]),
        ({"palette": "products/vase.jpg", "season": "spring"}, ["window", "coloured", "dressed", "sign"]),
    ],
)
def test_a_step_that_is_left_out_hands_its_picture_on(
    project: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], made: list[str]
) -> None:
    monkeypatch.chdir(project)
    found = api.plan(load(project, "optional-steps", inputs=given))
    assert [name for name in found.cells if name not in {cell.cell.id for cell in found.of(Decision.SKIP)}] == made


def test_an_edit_of_the_second_step_leaves_the_first_alone(project: Path) -> None:
    run(project, "quickstart")
    path = project / "quickstart.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("linen suit", "wool suit"), encoding="utf-8")
    found = api.plan(load(project, "quickstart"))
    assert {name: cell.decision.value for name, cell in found.cells.items()} == {
        "portrait": "reuse",
        "dressed": "run",
        "evening": "await",
        "strip": "await",
    }
