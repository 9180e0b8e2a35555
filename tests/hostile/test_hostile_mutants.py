"""Valid projects, changed at random: `validate` gives problems or none, `plan` a plan or a refusal, nothing else."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
FEW = settings(max_examples=40, suppress_health_check=list(HealthCheck))
MANY = settings(FEW, max_examples=4000)


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


@FEW
@given(data=st.data())
def test_a_changed_pipeline_is_told(folder: Path, data: st.DataObject) -> None:
    check(folder, {"show.yaml": json.dumps(mutant(data.draw, yaml.safe_load(SMALL)))})


@pytest.mark.slow
@MANY
@given(data=st.data())
def test_any_changed_pipeline_is_told(folder: Path, data: st.DataObject) -> None:
    examples = sorted(path for path in folder.glob("*.yaml") if not path.name.endswith(".lock.yaml"))
    text = data.draw(st.sampled_from([SMALL, *(path.read_text() for path in examples)]))
    check(folder, {"show.yaml": json.dumps(mutant(data.draw, yaml.load(text, yaml.BaseLoader)))})


@FEW
@given(data=st.data())
def test_a_changed_lock_is_told(folder: Path, data: st.DataObject) -> None:
    check(folder, {"show.yaml": SMALL, "show.lock.yaml": json.dumps(mutant(data.draw, yaml.safe_load(LOCK)))})


@FEW
@given(data=st.data())
def test_a_changed_model_file_is_told(folder: Path, data: st.DataObject) -> None:
    check(folder, {"show.yaml": SMALL, "schemas/own.json": json.dumps(mutant(data.draw, MODEL))})


@FEW
@given(data=st.data())
def test_a_torn_pipeline_is_told(folder: Path, data: st.DataObject) -> None:
    check(folder, {"show.yaml": torn(data.draw, SMALL)})


@FEW
@given(data=st.data())
def test_a_torn_lock_is_told(folder: Path, data: st.DataObject) -> None:
    check(folder, {"show.yaml": SMALL, "show.lock.yaml": torn(data.draw, LOCK)})


@FEW
@given(data=st.data())
def test_torn_data_is_told(folder: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(DATA)))
    check(folder, {"show.yaml": crossed(name), name: torn(data.draw, DATA[name])})


@FEW
@given(data=st.data())
def test_torn_settings_are_told(folder: Path, data: st.DataObject) -> None:
    check(folder, {"show.yaml": SMALL, "flowrunner.toml": torn(data.draw, SETTINGS)})


@FEW
@given(value=st.text(max_size=30), number=st.text(max_size=12))
def test_any_given_value_is_told(folder: Path, value: str, number: str) -> None:
    for inputs in ({"x": value}, {"n": number}, {"logo": value}, {value: number}):
        check(folder, {"show.yaml": SMALL}, inputs=inputs)


@FEW
@given(selector=st.text(max_size=20) | st.sampled_from(["a/", "/", "*", "a/*", "n=", "=x", "n=lamp", "a//lamp", "A"]))
def test_any_selector_is_told(folder: Path, selector: str) -> None:
    check(folder, {"show.yaml": SMALL}, only=(selector,))
    check(folder, {"show.yaml": SMALL}, force=(selector,))


@pytest.mark.slow
@MANY
@given(data=st.data())
def test_any_torn_file_is_told(folder: Path, data: st.DataObject) -> None:
    whole = {"show.yaml": SMALL, "show.lock.yaml": LOCK, "schemas/own.json": json.dumps(MODEL)}
    name = data.draw(st.sampled_from(sorted(whole)))
    check(folder, {**whole, name: torn(data.draw, whole[name])})
