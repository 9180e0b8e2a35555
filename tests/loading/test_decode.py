"""A pipeline file: keys, types, names, includes, budgets, outputs."""

import pytest
from written import HEAD, STEP, Memory, fault, faults, read

from flowrunner.errors import InvalidPipeline
from flowrunner.loading import load
from flowrunner.loading import read as read_all
from flowrunner.nodes import plain
from flowrunner.pipeline import Selector, Template

WORDS_OF_OTHER_TOOLS = {
    "needs": "after",
    "if": "when",
    "matrix": "across",
    "foreach": "across",
    "params": "with",
    "parameters": "with",
    "args": "with",
    "uses": "model",
    "n": "variants",
    "samples": "variants",
}


def test_the_top_of_a_pipeline_is_read() -> None:
    text = 'name: Spring\ndescription: One.\nbudget: {max_usd: 5, total_usd: "20.25"}\n'
    shared = "vars: {light: dawn, n: [1, {a: 2}]}\ndefaults: {timeout: 60, with: {seed: 1}}\n"
    pipeline = read(text + shared + STEP)
    assert (pipeline.name, pipeline.description, pipeline.provider) == ("Spring", "One.", "aimlapi")
    assert pipeline.file == "show.yaml"
    assert (pipeline.budget.max_usd, pipeline.budget.total_usd) == (5_000_000_000, 20_250_000_000)
    assert {name: plain(node) for name, node in pipeline.vars.items()} == {"light": "dawn", "n": [1, {"a": 2}]}
    assert (pipeline.timeout, list(pipeline.defaults)) == (60.0, ["seed"])


def test_a_pipeline_is_called_like_its_file_where_it_has_no_name() -> None:
    assert read(STEP, at="shows/spring.hero.yaml").name == "spring.hero"


def test_a_pipeline_without_optional_parts_has_none() -> None:
    pipeline = read(STEP)
    assert (pipeline.vars, pipeline.inputs, pipeline.axes, pipeline.defaults, pipeline.outputs) == ({}, {}, {}, {}, {})
    assert (pipeline.timeout, pipeline.budget.max_usd, pipeline.budget.total_usd) == (None, None, None)


@pytest.mark.parametrize(("theirs", "ours"), WORDS_OF_OTHER_TOOLS.items())
def test_a_word_of_another_tool_gets_ours(theirs: str, ours: str) -> None:
    found = fault(f"steps: {{a: {{model: m, {theirs}: x}}}}")
    assert (found.code, found.hint) == ("unknown-key", f"here it is called {ours}")


def test_extends_is_called_include() -> None:
    assert fault(f"extends: x.yaml\n{STEP}").hint == "here it is called include"


@pytest.mark.parametrize("key", ["modell", "variant", "overide", "time-out", "descripton"])
def test_an_unknown_key_gets_the_nearest(key: str) -> None:
    found = fault(f"steps: {{a: {{model: m, {key}: x}}}}")
    assert found.code == "unknown-key"
    assert found.hint.startswith("did you mean ")


@pytest.mark.parametrize("key", ["fallback", "use", "range"])
def test_a_step_key_that_is_kept_for_later_says_so(key: str) -> None:
    assert fault(f"steps: {{a: {{model: m, {key}: x}}}}").code == "reserved-key"


@pytest.mark.parametrize("side", ["{}", "63", "1025", "384.5", "large", "true"])
def test_previews_have_a_longest_side_in_pixels(side: str) -> None:
    assert fault(f"previews: {side}\n{STEP}").message == "previews is a whole number from 64 to 1024"


@pytest.mark.parametrize("name", ["inputs", "axis", "vars", "A", "1a", "a b", "a.b", "ä", "_a", "a" * 65])
def test_a_step_cannot_be_called_so(name: str) -> None:
    assert fault(f"steps: {{'{name}': {{model: m}}}}").code == "name"


@pytest.mark.parametrize("name", ["a", "a-b_c9", "a" * 64])
def test_a_step_can_be_called_so(name: str) -> None:
    assert list(read(f"steps: {{{name}: {{model: m}}}}").steps) == [name]


@pytest.mark.parametrize("part", ["vars", "inputs", "axes"])
def test_inputs_vars_and_axes_have_no_hyphen_in_their_names(part: str) -> None:
    codes = {one.code for one in faults(f"{part}: {{a-b: {{}}}}\n{STEP}")}
    assert "name" in codes


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("steps: []", "type"),
        ("steps: {}", "no-steps"),
        ("name: x", "no-steps"),
        ("steps: {a: {with: {}}}", "model"),
        ("steps: {a: {model: 3}}", "type"),
        ("steps: {a: x}", "type"),
        (f"vars: [a]\n{STEP}", "type"),
        (f"budget: 5\n{STEP}", "type"),
        (f"budget: {{max_usd: free}}\n{STEP}", "money"),
        (f"budget: {{max_usd: true}}\n{STEP}", "money"),
        (f"budget: {{max: 5}}\n{STEP}", "unknown-key"),
        (f"defaults: {{seed: 5}}\n{STEP}", "unknown-key"),
        (f"defaults: {{timeout: 0.5}}\n{STEP}", "range"),
        (f"include: {{a: b}}\n{STEP}", "type"),
        (f"include: nowhere.yaml\n{STEP}", "file"),
        (f"include: ../up.yaml\n{STEP}", "path"),
        (f"include: https://example.com/a.yaml\n{STEP}", "file"),
        (f"name: [a]\n{STEP}", "type"),
        ("- a", "yaml"),
    ],
)
def test_what_does_not_fit_is_a_problem(text: str, code: str) -> None:
    assert fault(text).code == code


@pytest.mark.parametrize("version", ["2", "0", '"1"', "true", "[1]", "v1"])
def test_only_version_one_is_read(version: str) -> None:
    with pytest.raises(InvalidPipeline) as caught:
        load(Memory({"a.yaml": f"flowrunner: {version}\n{STEP}"}), "a.yaml")
    assert [problem.code for problem in caught.value.problems] == ["version"]


def test_a_missing_pipeline_is_named_without_a_place() -> None:
    with pytest.raises(InvalidPipeline) as caught:
        load(Memory({}), "nowhere.yaml")
    (problem,) = caught.value.problems
    assert (problem.span, problem.file, problem.message) == (None, "nowhere.yaml", "nowhere.yaml does not exist")


def test_faults_of_several_parts_are_told_together_and_do_not_breed_others() -> None:
    text = "vars: {A: 1}\naxes: {size: []}\nsteps:\n  a: {model: m, across: size, variants: 99, pick: 20}\n"
    codes = [problem.code for problem in faults(f"{text}  b: {{wiht: x}}\n")]
    assert codes == ["name", "empty-axis", "range", "model", "unknown-key"]


def test_a_faulty_part_stands_in_for_itself() -> None:
    text = HEAD + 'steps:\n  a: {model: m, with: {prompt: "{{ x", seed: 1}}\n  b: just text\n'
    pipeline, problems = read_all(Memory({"a.yaml": text}), "a.yaml")
    assert list(pipeline.steps) == ["a", "b"]
    assert list(pipeline.steps["a"].params) == ["prompt", "seed"]
    assert [problem.code for problem in problems] == ["template-syntax", "type"]


# Includes

BRAND = "flowrunner: 1\nvars: {light: dawn}\naxes: {size: [small]}\ndefaults: {timeout: 50, with: {seed: 3}}\n"


def test_an_include_brings_vars_axes_and_defaults() -> None:
    pipeline = read(f"include: [shared/brand.yaml]\n{STEP}", {"shared/brand.yaml": BRAND})
    assert plain(pipeline.vars["light"]) == "dawn"
    assert pipeline.vars["light"].span.file == "shared/brand.yaml"
    assert [value.id for value in pipeline.axes["size"].values] == ["small"]
    assert (pipeline.timeout, pipeline.defaults["seed"].key.file) == (50.0, "shared/brand.yaml")


def test_the_pipelines_own_names_win() -> None:
    own = "vars: {light: dusk, more: x}\naxes: {size: [large]}\ndefaults: {timeout: 60, with: {seed: 4}}\n"
    pipeline = read(f"include: brand.yaml\n{own}{STEP}", {"brand.yaml": BRAND})
    assert {name: plain(node) for name, node in pipeline.vars.items()} == {"light": "dusk", "more": "x"}
    assert [value.id for value in pipeline.axes["size"].values] == ["large"]
    assert pipeline.timeout == 60.0
    assert pipeline.defaults["seed"].key.file == "show.yaml"


@pytest.mark.parametrize(
    "part", ["vars: {x: 1}", "axes: {x: [a]}", "defaults: {timeout: 9}", "defaults: {with: {x: 1}}"]
)
def test_two_includes_with_the_same_name_are_an_error_unless_the_pipeline_says_which(part: str) -> None:
    files: dict[str, str | bytes] = dict.fromkeys(("one.yaml", "two.yaml"), f"flowrunner: 1\n{part}\n")
    found = fault(f"include: [one.yaml, two.yaml]\n{STEP}", files)
    assert found.code == "include-clash"
    assert found.span is not None
    assert found.span.file == "two.yaml"
    assert "one.yaml:2:" in found.hint
    assert faults(f"include: [one.yaml, two.yaml]\n{part}\n{STEP}", files) == []


@pytest.mark.parametrize("again", ["brand.yaml", "./brand.yaml"])
def test_an_include_that_is_listed_twice_is_told_as_that(again: str) -> None:
    found = fault(f"include: [brand.yaml, {again}]\n{STEP}", {"brand.yaml": BRAND})
    assert (found.message, found.span and found.span.column) == (f"{again} is listed twice", 23)
    assert found.hint == "it stands first at show.yaml:3:11"


@pytest.mark.parametrize("key", ["steps", "include", "inputs", "outputs", "name", "provider", "budget"])
def test_an_include_holds_nothing_else(key: str) -> None:
    found = fault(f"include: a.yaml\n{STEP}", {"a.yaml": f"flowrunner: 1\n{key}: x\n"})
    assert found.code == "unknown-key"
    assert found.span is not None
    assert found.span.file == "a.yaml"


def test_an_include_says_which_language_it_is() -> None:
    assert fault(f"include: a.yaml\n{STEP}", {"a.yaml": "vars: {x: 1}"}).code == "version"


def test_a_name_is_not_told_to_be_missing_while_an_include_is() -> None:
    text = 'include: a.yaml\nsteps: {a: {model: m, across: size, with: {prompt: "{{ vars.light }}"}}}'
    assert [problem.code for problem in faults(text)] == ["file"]


def test_vars_are_data_and_braces_in_them_are_told() -> None:
    found = fault(f'vars: {{x: "{{{{ y }}}}"}}\n{STEP}')
    assert (found.code, found.is_error) == ("var-template", False)


# Outputs


def test_outputs_are_references_with_names() -> None:
    text = 'outputs: {x: $a, y: {from: $a.images, as: plain.png}, z: {from: $a.2, as: "{{ vars.x }}"}}'
    found = read(f"vars: {{x: y}}\nsteps: {{a: {{model: m}}}}\n{text}").outputs
    assert [spec.ref.selector for spec in found.values()] == [Selector.PICKED, Selector.IMAGES, Selector.CANDIDATE]
    assert found["x"].name_as is None
    assert isinstance(found["z"].name_as, Template)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{a: $a}", "output"),
        ("{x: photo.png}", "output"),
        ("{x: $inputs.logo}", "output"),
        ("{x: {as: y}}", "output"),
        ("{x: {from: $a, name: y}}", "unknown-key"),
        ("{x: {from: $a, as: 3}}", "type"),
        ('{x: {from: $a, as: "{{ x"}}', "template-syntax"),
        ("{X: $a}", "name"),
        ("[a]", "type"),
    ],
)
def test_an_output_that_means_nothing_is_a_problem(text: str, code: str) -> None:
    assert fault(f"steps: {{a: {{model: m}}}}\noutputs: {text}").code == code
