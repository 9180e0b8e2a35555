"""Opening a project and its pipelines."""

import json
from pathlib import Path

import pytest
from support import picture, pipeline, project
from wire import Wire

from flowrunner import api
from flowrunner.errors import InvalidPipeline, UsageError
from flowrunner.limits import names
from flowrunner.planning import Decision
from flowrunner.project import Options, open_pipeline, open_project, pipelines_below
from flowrunner.store.workspace import Edition

PRO = "blackforestlabs/flux-2-pro"
STEP = "steps: {a: {model: blackforestlabs/flux-2, with: {prompt: x}}}\n"
PIPELINE = f"flowrunner: 1\n{STEP}"


def below(folder: Path) -> list[str]:
    return [path.name for path in pipelines_below(folder)]


def test_the_pipelines_of_a_folder_are_those_that_say_so(tmp_path: Path) -> None:
    files = {
        "a.yaml": PIPELINE,
        "b.yml": PIPELINE,
        "quoted.yaml": "\"flowrunner\": 1\n'steps' : {}\n",
        "windows.yaml": "\ufeff" + PIPELINE.replace("\n", "\r\n"),
        "a.lock.yaml": "lock: 1\nflowrunner: 1\nsteps: 1\n",
        ".hidden.yaml": PIPELINE,
        "brand.yaml": "flowrunner: 1\nvars: {steps: 1}\n",
        "data.yaml": "name: x\ntext: |\n  flowrunner: 1\n  steps: 2\n",
        "notes.txt": PIPELINE,
        "below/c.yaml": PIPELINE,
    }
    project(tmp_path, files)
    assert below(tmp_path) == ["a.yaml", "b.yml", "quoted.yaml", "windows.yaml"]
    assert pipelines_below(tmp_path / "a.yaml") == [tmp_path / "a.yaml"]


def test_a_folder_without_pipelines_and_a_path_that_is_not_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no pipelines in"):
        pipelines_below(tmp_path)
    with pytest.raises(UsageError, match="does not exist"):
        pipelines_below(tmp_path / "a.yaml")


def test_a_link_to_nothing_is_told_as_one(tmp_path: Path) -> None:
    project(tmp_path, {"a.yaml": PIPELINE})
    (tmp_path / "x.yaml").symlink_to("gone.yaml")
    with pytest.raises(UsageError, match=r"x\.yaml is a link to gone\.yaml, which does not exist"):
        open_pipeline(open_project(tmp_path, {}), tmp_path / "x.yaml")


def test_two_pipelines_of_one_stem_are_an_error_that_names_both(tmp_path: Path) -> None:
    project(tmp_path, {"show.yaml": PIPELINE, "show.yml": PIPELINE})
    for name in ("show.yaml", "show.yml"):
        (found,) = api.validate(tmp_path / name, environment={})
        assert (found.code, found.file) == ("twins", name)
        assert {"show.yaml", "show.yml"} <= set(found.message.split())


def test_a_pipeline_that_is_not_there_is_no_twin_of_the_one_that_is(tmp_path: Path) -> None:
    project(tmp_path, {"show.yaml": PIPELINE})
    with pytest.raises(UsageError, match=r"show\.yml does not exist") as caught:
        open_pipeline(open_project(tmp_path, {}), tmp_path / "show.yml")
    assert caught.value.hint == f"did you mean {tmp_path / 'show.yaml'}?"


@pytest.mark.parametrize(("mark", "root"), [("flowrunner.toml", ""), (".git", ""), (None, "deep/down")])
def test_the_root_is_the_nearest_folder_with_a_mark_else_the_pipelines_own(
    tmp_path: Path, mark: str | None, root: str
) -> None:
    path = tmp_path / "deep/down/show.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(PIPELINE)
    if mark:
        (tmp_path / mark).touch()
    assert open_project(path, {}).root == tmp_path / root


def test_a_pipeline_behind_a_link_belongs_to_the_project_in_which_it_lies(tmp_path: Path) -> None:
    project(tmp_path / "real", {"show.yaml": PIPELINE})
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert api.load(tmp_path / "link/show.yaml", environment={}).opened.pipeline.file == "show.yaml"


def test_a_plan_tells_what_is_wrong_with_an_else(tmp_path: Path) -> None:
    text = f"""
    inputs: {{on: {{type: boolean, default: true}}}}
    steps:
      base: {{model: {PRO}, variants: 2, with: {{prompt: b}}}}
      fix: {{when: inputs.on, else: $base.3, model: {PRO}, with: {{prompt: q}}}}
      use: {{model: image/resize, with: {{image: $fix, width: 64}}}}
    outputs: {{final: $fix}}
    """
    path = pipeline(tmp_path, text)
    (found,) = api.validate(path, environment={})
    assert (found.code, found.span and found.span.text) == ("candidate", "$base.3")
    for on, only in ((True, ()), (False, ()), (False, ("use",))):
        with pytest.raises(InvalidPipeline, match="base has 2"):
            api.plan(path, inputs={"on": on}, only=only, environment={})


def hidden(more: str = "default: false", when: str = "inputs.on") -> str:
    return f"""
    inputs: {{on: {{type: boolean, {more}}}}}
    axes: {{n: {{one: {{word: x}}, two: ~}}}}
    vars: {{m: {{x: 1}}}}
    steps:
      base: {{model: {PRO}, with: {{prompt: b}}}}
      a:
        across: n
        when: {when}
        model: {PRO}
        with: {{promt: y, prompt: "{{{{ vars.m.zz }}}}", image_size: {{width: 3, height: 512}}, safety_tolerance: 2}}
      b: {{model: image/resize, across: n, with: {{image: $a, with: 3}}}}
      c: {{model: image/resize, with: {{image: $base.2, width: 3}}}}
    """


def told(path: Path) -> list[tuple[str, tuple[str, ...]]]:
    return [(found.message, found.cells) for found in api.validate(path, environment={})]


def test_validate_looks_at_what_is_skipped_only_as_long_as_an_input_says_so(tmp_path: Path) -> None:
    """As it does where the input has no value."""
    with_value, without = (
        pipeline(tmp_path / more[:8], hidden(more)) for more in ("default: false", "description: no")
    )
    assert told(with_value) == told(without)
    assert [message for message, cells in told(with_value) if cells == ("a/one", "a/two")] == [
        "flux-2-pro does not define promt",
        "vars.m.zz is not defined",
        "width 3 is under the smallest, 512",
        "safety_tolerance is the number 2, not text",
    ]


def test_what_no_input_changes_stays_unlooked_at(tmp_path: Path) -> None:
    path = pipeline(tmp_path, hidden(when="inputs.on and axis.n.word is defined"))
    assert {cells for _, cells in told(path)} == {("a/one",), ("b/one",), ("c",)}


def test_an_input_that_makes_the_pipeline_too_large_is_told(tmp_path: Path) -> None:
    many = ", ".join(f"v{number}" for number in range(500))
    text = f"""
    inputs: {{on: {{type: boolean, default: false}}}}
    axes: {{n: [{many}], m: [{many}]}}
    steps:
      a: {{model: {PRO}, across: n, when: inputs.on, with: {{prompt: x}}}}
      b: {{model: image/contact-sheet, across: m, with: {{images: [$a.*]}}}}
    """
    assert [found.code for found in api.validate(pipeline(tmp_path, text), environment={})] == ["too-many-edges"]


def test_what_is_wrong_with_a_skipped_cell_is_in_nobodys_way(tmp_path: Path) -> None:
    path = pipeline(tmp_path, hidden().replace("$base.2", "$base"))
    loaded = api.load(path, environment={})
    assert api.plan(loaded).cells["a/one"].decision is Decision.SKIP
    with pytest.raises(InvalidPipeline):
        api.load(path, environment={}, inputs={"on": True})


INPUTS = """
inputs: {mood: {default: calm}, logo: {type: image}, size: {type: integer, default: 1024}}
steps:
  a:
    model: blackforestlabs/flux-2-edit
    with: {prompt: "{{ inputs.mood }}", image_urls: [$inputs.logo], image_size: square}
"""


def test_a_missing_input_is_no_fault_until_one_plans(tmp_path: Path) -> None:
    path = pipeline(tmp_path, INPUTS)
    assert api.validate(path, environment={}) == []
    with pytest.raises(UsageError, match="input logo has no value") as told:
        api.plan(path, environment={})
    assert told.value.hint.startswith("give it: -i logo=…, or a default at show.yaml:")


def edition(path: Path, **options: object) -> Edition:
    options = {"inputs": {"logo": str(path.parent / "photo.png")}, **options}
    return open_pipeline(open_project(path, {}), path, Options(**options)).edition  # type: ignore[arg-type]


def test_other_values_than_the_defaults_make_a_trial_unless_the_lock_is_to_hold_them(tmp_path: Path) -> None:
    path = pipeline(tmp_path, INPUTS)
    logo = {"logo": str(tmp_path / "photo.png")}
    assert edition(path).trial is None
    assert edition(path, inputs={**logo, "mood": "calm"}).trial is None
    first, second = (edition(path, inputs={**logo, "mood": mood}).trial for mood in ("wild", "bright"))
    assert None not in (first, second)
    assert first != second
    assert edition(path, inputs={**logo, "mood": "wild"}, lock=True).trial is None


def test_a_file_of_inputs_has_a_lock_of_its_own(tmp_path: Path) -> None:
    path = pipeline(tmp_path, INPUTS)
    project(tmp_path, {"shows/lamp.yaml": "logo: ../photo.png\nmood: wild\n"})
    opened = open_pipeline(open_project(path, {}), path, Options(inputs_file=tmp_path / "shows/lamp.yaml"))
    assert opened.lock_name == "show@lamp.lock.yaml"
    assert opened.graph.scope.values["mood"].data == "wild"


def test_a_trial_reuses_what_its_inputs_do_not_touch(tmp_path: Path, wire: Wire) -> None:
    text = """
inputs: {mood: {default: calm}}
steps:
  a: {model: blackforestlabs/flux-2, with: {prompt: hills}}
  b: {model: blackforestlabs/flux-2, with: {prompt: "{{ inputs.mood }}"}}
"""
    path = pipeline(tmp_path, text)
    api.run(path, environment={}, simulate=True)
    found = api.plan(path, environment={}, simulate=True, inputs={"mood": "wild"})
    assert [cell.decision for cell in found.cells.values()] == [Decision.REUSE, Decision.RUN]
    assert api.run(path, environment={}, simulate=True, inputs={"mood": "wild"}).exit_code == 0
    assert wire.prompts[2:] == ["wild"]


def test_a_projects_own_model_stands_beside_the_others(tmp_path: Path) -> None:
    request = {"type": "object", "properties": {"prompt": {"type": "string"}}}
    model = {"id": "painter", "provider": "aimlapi", "title": "Painter", "path": "/paint", "request": request}
    step = PIPELINE.replace("blackforestlabs/flux-2", "painter")
    project(tmp_path, {"schemas/aimlapi/painter.json": json.dumps(model), "show.yaml": step})
    assert api.validate(tmp_path / "show.yaml", environment={}) == []


def test_what_is_wrong_at_every_stage_is_told_together(tmp_path: Path) -> None:
    text = """
axes: {size: {}}
steps:
  a: {model: blackforestlabs/flux-2, wth: 1, with: {prompt: x, seed: 0}}
  b: {model: blackforestlabs/flux-2-edit, with: {prompt: x, image_urls: [$c], image_size: square}}
outputs: {a: $b}
"""
    codes = {problem.code for problem in api.validate(pipeline(tmp_path, text), environment={})}
    assert codes == {"empty-axis", "unknown-key", "too-small", "unknown-step", "output"}
    with pytest.raises(InvalidPipeline):
        api.load(tmp_path / "show.yaml", environment={})


def test_a_warning_is_an_error_where_one_is_strict(tmp_path: Path) -> None:
    path = pipeline(tmp_path, "steps: {a: {model: blackforestlabs/flux-2, with: {prompt: x, mood: calm}}}")
    (found,) = api.validate(path, environment={})
    assert not found.is_error
    (found,) = api.validate(path, environment={}, strict=True)
    assert found.is_error
    assert api.load(path, environment={}).problems


def test_a_picture_from_outside_the_project_is_planned_with(tmp_path: Path) -> None:
    path = pipeline(tmp_path / "project", INPUTS)
    logo = picture(tmp_path / "elsewhere.png")
    found = api.plan(path, environment={}, inputs={"logo": str(logo)})
    assert found.cells["a"].decision is Decision.RUN


@pytest.mark.parametrize(
    ("cells", "said"),
    [(["a"], "a"), (["a", "b", "c"], "a, b, c"), (["a", "b", "c", "d", "e"], "a, b, c and 2 more")],
)
def test_a_few_cells_are_named(cells: list[str], said: str) -> None:
    assert names(cells) == said
