"""From steps to cells: combinations, models, merged parameters, `when`, and names that nothing declares."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from written import CATALOG, Memory, graph

from flowrunner.graph import Graph, draw
from flowrunner.loading import read
from flowrunner.loading.scope import Scope, Value
from flowrunner.nodes import Scalar
from flowrunner.pipeline import MapParam
from flowrunner.problems import Problem

PRO = "blackforestlabs/flux-2-pro"
AXES = "axes: {product: {lamp: {name: Lamp}, vase: {name: Vase}}, size: [small, large]}\n"


def steps(text: str, head: str = "") -> Graph:
    return graph(f"{head}steps:\n  {text}")


def faults(text: str, files: dict[str, str | bytes] | None = None) -> list[Problem]:
    """What the graph finds wrong, the reading included."""
    pipeline, problems = read(Memory({"show.yaml": f"flowrunner: 1\n{text}", **(files or {})}), "show.yaml")
    values = {name: Value(data=spec.default.value) for name, spec in pipeline.inputs.items() if spec.default}
    return [*problems, *draw(pipeline, Scope(pipeline, values), CATALOG)[1]]


def sent(of: Graph, cell: str) -> dict[str, object]:
    """The literal parameters of a cell, merged."""
    found = {name: given.param for name, given in of.cells[cell].params.items()}
    return {name: param.value for name, param in found.items() if isinstance(param, Scalar)}


# Combinations


def test_a_step_without_axes_is_one_cell() -> None:
    assert list(steps(f"a: {{model: {PRO}}}").cells) == ["a"]


def test_a_step_across_axes_has_a_cell_for_each_combination_the_last_axis_fastest() -> None:
    found = steps(f"a: {{model: {PRO}, across: [product, size]}}", AXES)
    assert list(found.cells) == ["a/lamp/small", "a/lamp/large", "a/vase/small", "a/vase/large"]
    assert found.cells["a/lamp/large"].coordinates == {"product": "lamp", "size": "large"}


def test_ids_are_slugs_in_the_order_of_across() -> None:
    found = steps(f"a: {{model: {PRO}, across: [size, p]}}", "axes: {size: [Big One], p: ['v1.5']}\n")
    assert list(found.cells) == ["a/big-one/v1.5"]
    assert found.cells["a/big-one/v1.5"].coordinates == {"size": "Big One", "p": "v1.5"}


@given(st.lists(st.sampled_from("abcdefgh"), min_size=1, unique=True), st.sampled_from("xyz"), st.integers(0, 8))
def test_inserting_a_value_renames_nothing(values: list[str], new: str, at: int) -> None:
    def ids(names: list[str]) -> set[str]:
        return set(steps(f"s: {{model: {PRO}, across: a}}", f"axes: {{a: [{', '.join(names)}]}}\n").cells)

    assert ids([*values[:at], new, *values[at:]]) == ids(values) | {f"s/{new}"}


# Parameters


def test_defaults_the_step_and_overrides_are_merged_parameter_by_parameter() -> None:
    text = f"""a:
    model: {PRO}
    across: [product, size]
    with: {{prompt: x, seed: 1, output_format: png}}
    overrides:
      - {{at: {{product: vase}}, with: {{seed: 2}}}}
      - {{at: {{size: large}}, with: {{seed: 3, output_format: ~}}}}
      - {{at: {{size: large, product: vase}}, with: {{prompt: y}}}}
"""
    found = steps(text, AXES + "defaults: {with: {seed: 9, safety_tolerance: '3', guidance_scale: 4}}\n")
    assert sent(found, "a/lamp/small") == {"safety_tolerance": "3", "prompt": "x", "seed": 1, "output_format": "png"}
    assert sent(found, "a/vase/small")["seed"] == 2
    assert sent(found, "a/lamp/large") == {"safety_tolerance": "3", "prompt": "x", "seed": 3}
    assert sent(found, "a/vase/large") == {"safety_tolerance": "3", "prompt": "y", "seed": 3}


def test_null_takes_a_default_away() -> None:
    found = steps(f"a: {{model: {PRO}, with: {{prompt: x, seed: ~}}}}", "defaults: {with: {seed: 9}}\n")
    assert sent(found, "a") == {"prompt": "x"}


def test_a_parameter_is_replaced_as_a_whole() -> None:
    text = f"a: {{model: {PRO}, across: size, with: {{image_size: {{width: 512, height: 512}}}}"
    found = steps(f"{text}, overrides: [{{at: {{size: large}}, with: {{image_size: {{width: 1024}}}}}}]}}", AXES)
    size = found.cells["a/large"].params["image_size"].param
    assert isinstance(size, MapParam)
    assert list(size.entries) == ["width"]


def test_a_default_goes_to_models_that_have_it_only() -> None:
    head = "defaults: {with: {guidance_scale: 4}}\n"
    found = steps(f"a: {{model: {PRO}}}\n  b: {{model: blackforestlabs/flux-2}}", head)
    assert (sent(found, "a"), sent(found, "b")) == ({}, {"guidance_scale": 4})


def test_a_default_that_no_step_takes_is_told() -> None:
    (found,) = faults(f"defaults: {{with: {{sede: 1}}}}\nsteps: {{a: {{model: {PRO}}}}}")
    assert (found.code, found.is_error) == ("unused-default", False)


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ("{size: medium}", "no value medium"),
        ("{colour: red}", "no axis colour"),
        ("{size: Small}", "did you mean small?"),
    ],
)
def test_an_override_that_matches_no_cell_is_told(at: str, words: str) -> None:
    (found,) = faults(
        f"{AXES}steps: {{a: {{model: {PRO}, across: size, overrides: [{{at: {at}, with: {{seed: 1}}}}]}}}}"
    )
    assert found.code == "override"
    assert words in found.message + found.hint


def test_at_is_the_id_as_written_and_not_the_slug() -> None:
    head = "axes: {size: ['Big One', 1e3]}\n"
    text = f"a: {{model: {PRO}, across: size, overrides: [{{at: {{size: Big One}}, with: {{seed: 1}}}}]}}"
    assert sent(steps(text, head), "a/big-one") == {"seed": 1}
    assert sent(steps(text.replace("Big One", "1e3"), head), "a/1e3") == {"seed": 1}


# Models


def test_a_model_may_follow_from_an_axis() -> None:
    found = steps(
        'a: {across: brush, model: "blackforestlabs/{{ axis.brush }}"}', "axes: {brush: [flux-2, flux-2-pro]}\n"
    )
    assert [cell.model.short for cell in found.cells.values() if cell.model] == ["flux-2", "flux-2-pro"]


def test_every_model_of_an_axis_is_looked_up() -> None:
    text = 'axes: {b: [flux-2, flux-9, flux-8]}\nsteps: {a: {across: b, model: "blackforestlabs/{{ axis.b }}"}}'
    assert [found.message for found in faults(text)] == [
        "no model blackforestlabs/flux-9",
        "no model blackforestlabs/flux-8",
    ]


def test_a_model_that_waits_for_an_input_is_not_known_yet() -> None:
    found = steps('a: {model: "{{ inputs.m }}"}', "inputs: {m: }\n")
    assert found.cells["a"].model is None


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("steps: {a: {model: flux-2-pro}}", "unknown-model", "did you mean blackforestlabs/flux-2-pro?"),
        ("steps: {a: {model: black-forest-labs/flux-2-pro}}", "unknown-model", "stands for 2 models"),
        (f"steps: {{a: {{model: {PRO}, provider: onemin}}}}", "unknown-model", "aimlapi has it"),
        (f"steps: {{a: {{model: {PRO}, provider: nobody}}}}", "unknown-provider", "no provider nobody"),
        (f"provider: nobody\nsteps: {{a: {{model: {PRO}}}}}", "unknown-provider", "no provider nobody"),
        ('vars: {m: 3}\nsteps: {a: {model: "{{ vars.m }}"}}', "model", "named by text"),
        ('vars: {m: [x]}\nsteps: {a: {model: "x{{ vars.m }}"}}', "template-value", "is a list"),
    ],
)
def test_a_model_that_is_not_there_is_told(text: str, code: str, words: str) -> None:
    (found,) = faults(text)
    assert found.code == code
    assert words in f"{found.message} {found.hint}"


def test_a_model_is_looked_up_at_the_steps_provider_then_the_pipelines_then_the_only_one() -> None:
    text = "provider: onemin\nsteps: {a: {model: blackforestlabs/flux-2}, b: {model: image/resize}}"
    assert faults(text) == []


# When


@pytest.mark.parametrize(
    ("condition", "wanted"),
    [
        ("true", {"a/small", "a/large"}),
        ("axis.size == 'small'", {"a/small"}),
        ("axis.size in ['large', 'huge']", {"a/large"}),
        ("inputs.night and axis.size != 'small'", {"a/large"}),
        ("not inputs.night", set()),
        ("vars.sizes[axis.size] is defined", {"a/small"}),
        ("axis.size.id == 'small'", {"a/small"}),
        ("inputs.unknown == 'x'", {"a/small", "a/large"}),
    ],
)
def test_when_says_which_cells_are_wanted(condition: str, wanted: set[str]) -> None:
    head = "inputs: {night: {type: boolean, default: true}, unknown: }\nvars: {sizes: {small: 1}}\n" + AXES
    found = steps(f'a: {{model: {PRO}, across: size, when: "{condition}"}}', head)
    assert {name for name in found.cells if name not in found.skipped} == wanted


# Names


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('with: {prompt: "{{ vars.lihgt }}"}', "did you mean vars.light?"),
        ('with: {prompt: "{{ inputs.x }}"}', "inputs.x is not defined"),
        ('with: {prompt: "{{ axis.product }}"}', "add product to across of a"),
        ('with: {prompt: "{{ pipeline.nam }}"}', "did you mean pipeline.name?"),
        ('with: {prompt: "{{ light }}"}', "did you mean vars.light?"),
        ('with: {prompt: "{{ vars.lihgt is defined }}"}', "did you mean vars.light?"),
        ("with: {prompt: \"{{ vars.lihgt | default('x') }}\"}", "did you mean vars.light?"),
        ('when: "vars.nope"', "vars.nope is not defined"),
        ('overrides: [{at: {}, with: {prompt: "{{ vars.nope }}"}}]', "vars.nope is not defined"),
    ],
)
def test_a_name_that_nothing_declares_is_told_even_where_it_is_guarded(text: str, words: str) -> None:
    (found,) = faults(f"{AXES}vars: {{light: dawn}}\nsteps: {{a: {{model: {PRO}, {text}}}}}")
    assert found.code == "undefined"
    assert words in f"{found.message} {found.hint}"


def test_a_missing_part_below_a_declared_name_may_be_guarded() -> None:
    text = "{{ vars.words.de | default('x') }}{{ 'y' if vars.words.fr is defined else 'z' }}"
    assert faults(f'vars: {{words: {{en: hi}}}}\nsteps: {{a: {{model: {PRO}, with: {{prompt: "{text}"}}}}}}') == []


def test_names_of_outputs_are_those_of_their_step() -> None:
    head = f"{AXES}steps: {{a: {{model: {PRO}, across: size}}}}\n"
    assert faults(head + 'outputs: {x: {from: $a.*, as: "{{ axis.size }}"}}') == []
    (found,) = faults(head + 'outputs: {x: {from: $a.*, as: "{{ axis.product }}"}}')
    assert found.hint == "add product to across of a"


# Limits


def test_too_many_cells_are_refused_before_they_are_made() -> None:
    from flowrunner.errors import InvalidPipeline

    values = ", ".join(f"v{n}" for n in range(400))
    with pytest.raises(InvalidPipeline) as caught:
        faults(f"axes: {{a: [{values}], b: [{values}]}}\nsteps: {{s: {{model: {PRO}, across: [a, b]}}}}")
    (found,) = caught.value.problems
    assert found.code == "too-many-cells"
    assert "a × b" in found.message
