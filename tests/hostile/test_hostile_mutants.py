"""Valid projects, changed at random: `validate` gives problems or none, `plan` a plan or a refusal, nothing else."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml
from hostile_mutants import mutant, torn
from hostile_watch import check_shown
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wire import png

from flowrunner import api, problems
from flowrunner.errors import FlowError

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SMALL = (HERE / "whole.yaml").read_text()
LOCK = (HERE / "whole.lock.yaml").read_text()
MODEL = json.loads((ROOT / "schemas/aimlapi/blackforestlabs/flux-2-edit.json").read_text())
SETTINGS = """
timeout = 60
[providers.aimlapi]
concurrency = 4
[prices]
"aimlapi:x" = {per = "image", first = "0.1"}
[store]
path = "elsewhere"
"""
DATA = {"n.csv": "k,b\nx,1\ny,2\n", "n.json": '{"x": {"b": "1"}}', "n.yaml": "x: {b: 1}\n", "n.md": "A {{ vars.x }}\n"}
MANY = settings(max_examples=120, suppress_health_check=list(HealthCheck))
Draw: TypeAlias = Callable[[st.SearchStrategy[Any]], Any]
Try: TypeAlias = Callable[[Path, Draw], None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One project, whose files are written again and again."""
    root = tmp_path_factory.mktemp("mutants") / "project"
    shutil.copytree(ROOT / "pipelines", root)
    (root / "flowrunner.toml").touch()
    (root / "photo.png").write_bytes(png(64, 64))
    return root


def check(folder: Path, files: Mapping[str, str], **options: Any) -> None:
    """Looks at the project with these files, and leaves it as it was."""
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content.encode("utf-8", "surrogatepass"))
    try:
        for look in (api.validate, lambda path: api.plan(path, **options).problems):
            check_told(look, folder / "show.yaml")
    finally:
        for name in files:
            (folder / name).unlink()
        (folder / "flowrunner.toml").touch()


def check_told(look: Any, path: Path) -> None:
    try:
        found = look(path)
    except FlowError as fault:
        found = getattr(fault, "problems", [])
    check_shown(problems.as_text(found))
    assert json.loads(problems.dump(found))
    assert all(len(problems.as_text([problem])) <= 4096 for problem in found)


def crossed(name: str) -> str:
    """A pipeline of a step across what a data file holds."""
    axis = f"{{from: {name}, key: k}}" if name == "n.csv" else f"{{from: {name}}}"
    step = "{across: n, model: blackforestlabs/flux-2-pro, with: {prompt: '{{ axis.n.id }}'}}"
    return f"{{flowrunner: 1, provider: aimlapi, axes: {{n: {axis}}}, steps: {{a: {step}}}}}"


def test_what_is_changed_here_is_sound(folder: Path) -> None:
    (folder / "whole.yaml").write_text(SMALL)
    (folder / "whole.lock.yaml").write_text(LOCK)
    assert api.validate(folder / "whole.yaml") == []
    assert api.plan(folder / "whole.yaml").cells


def _changed_pipeline(folder: Path, draw: Draw) -> None:
    examples = sorted(path for path in folder.glob("*.yaml") if not path.name.endswith(".lock.yaml"))
    text = draw(st.sampled_from([SMALL, *(path.read_text() for path in examples)]))
    check(folder, {"show.yaml": json.dumps(mutant(draw, yaml.load(text, yaml.BaseLoader)))})


def _changed_lock(folder: Path, draw: Draw) -> None:
    check(folder, {"show.yaml": SMALL, "show.lock.yaml": json.dumps(mutant(draw, yaml.safe_load(LOCK)))})


def _changed_model(folder: Path, draw: Draw) -> None:
    check(folder, {"show.yaml": SMALL, "schemas/own.json": json.dumps(mutant(draw, MODEL))})


def _torn(name: str, text: str) -> Try:
    return lambda folder, draw: check(folder, {"show.yaml": SMALL, name: torn(draw, text)})


def _torn_data(folder: Path, draw: Draw) -> None:
    name = draw(st.sampled_from(sorted(DATA)))
    check(folder, {"show.yaml": crossed(name), name: torn(draw, DATA[name])})


def _given_value(folder: Path, draw: Draw) -> None:
    value, name = draw(st.text(max_size=30)), draw(st.sampled_from(["x", "n", "logo"]) | st.text(max_size=9))
    check(folder, {"show.yaml": SMALL}, inputs={name: value})


def _selector(folder: Path, draw: Draw) -> None:
    words = st.sampled_from(["a/", "/", "*", "a/*", "n=", "=x", "n=lamp", "a//lamp", "A"])
    selector = (draw(st.text(max_size=20) | words),)
    check(folder, {"show.yaml": SMALL}, **{draw(st.sampled_from(["only", "force"])): selector})


TRIES: Mapping[str, Try] = {
    "a changed pipeline": _changed_pipeline,
    "a changed lock": _changed_lock,
    "a changed model file": _changed_model,
    "a torn pipeline": _torn("show.yaml", SMALL),
    "a torn lock": _torn("show.lock.yaml", LOCK),
    "a torn model file": _torn("schemas/own.json", json.dumps(MODEL)),
    "torn settings": _torn("flowrunner.toml", SETTINGS),
    "torn data": _torn_data,
    "a given value": _given_value,
    "a selector": _selector,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TRIES)
@MANY
@given(data=st.data())
def test_whatever_is_changed_is_told(folder: Path, name: str, data: st.DataObject) -> None:
    TRIES[name](folder, data.draw)
