"""Templates, texts from files, nulls and unknown inputs in a bound request."""

from typing import Any

import pytest
from binding_cases import MANY, PRO, Binding
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ('"{{ vars.word }} and {{ vars.word }}"', "dawn and dawn"),
        ('"{{ pipeline.name }}"', "show"),
        ('"{{ inputs.x }}"', "given"),
        ('"{{ vars.words.de }}"', "morgen"),
        ('"{{ vars.words[vars.key] }}"', "hello"),
        ('"1.10 is {{ vars.version }}"', "1.10 is 1.10"),
        ("'{{ \"$base\" }}'", "$base"),
        ("$$a", "$a"),
        ("$5 off", "$5 off"),
        ('"{{ vars.braces }}"', "{{ vars.word }}"),
        ('"{{ vars.dollar }}"', "$a"),
        ('"e\u0301"', "é"),
        ('"{{ vars.nfd }}"', "é"),
    ],
)
def test_a_text_becomes(text: str, value: str) -> None:
    step = f"steps: {{a: {{model: {PRO}, with: {{prompt: {text}}}}}}}"
    head = """inputs: {x: {default: given}}
vars: {word: dawn, words: {de: morgen, en: hello}, key: en, version: '1.10', dollar: $a, nfd: "e\u0301",
  braces: "{{ vars.word }}"}
"""
    bound = Binding(head + step)
    assert [problem.code for problem in bound.problems] in ([], ["var-template"])
    assert bound.bound["a"].params["prompt"] == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"{{ vars.seed }}"', 7),
        ('"{{ vars.seed + 1 }}"', 8),
        ('" {{ vars.seed }}"', " 7"),
        ('"{{ vars.half }}"', 2.5),
        ('"{{ vars.whole }}"', 3),
        ('"{{ vars.yes }}"', True),
        ('"{{ vars.list }}"', [1, "a"]),
        ('"{{ vars.map }}"', {"a": {"b": 1}}),
        ("3.0", 3),
        ("1e3", 1000),
        ("[1, ~, 2]", [1, 2]),
        ('[1, "{{ vars.nothing }}", 2]', [1, 2]),
        ("{a: ~, b: 1}", {"b": 1}),
        ('{a: {b: ["{{ vars.seed }}"]}}', {"a": {"b": [7]}}),
    ],
)
def test_one_whole_expression_keeps_its_type_and_null_is_dropped(text: str, value: Any) -> None:
    head = "vars: {seed: 7, half: 2.5, whole: 3.0, yes: true, list: [1, ~, a], map: {a: {b: 1}, c: ~}, nothing: ~}\n"
    bound = Binding(f"{head}steps: {{a: {{model: {PRO}, with: {{prompt: x, mood: {text}}}}}}}").bound["a"]
    assert bound.params["mood"] == value
    assert type(bound.params["mood"]) is type(value)


@pytest.mark.parametrize("text", ["~", '"{{ vars.nothing }}"', '"{{ none }}"', '"{{ inputs.seed }}"'])
def test_a_parameter_that_comes_out_null_is_not_sent(text: str) -> None:
    head = "vars: {nothing: ~}\ninputs: {seed: {type: integer, default: ~}}\n"
    bound = Binding(f"{head}steps: {{a: {{model: {PRO}, with: {{prompt: x, seed: {text}}}}}}}")
    assert bound.params("a") == {"prompt": "x"}


def test_axis_values_are_seen_with_their_ids() -> None:
    head = "axes: {size: [Big One, 12], p: {lamp: {name: Lamp, n: {deep: 1}}}}\n"
    text = "{{ axis.size }}|{{ axis.size.id }}|{{ axis.p.name }}|{{ axis.p.id }}|{{ axis.p.n.deep }}"
    bound = Binding(f'{head}steps: {{a: {{model: {PRO}, across: [size, p], with: {{prompt: "{text}"}}}}}}')
    assert bound.params("a/big-one/lamp")["prompt"] == "Big One|Big One|Lamp|lamp|1"
    assert bound.params("a/12/lamp")["prompt"] == "12|12|Lamp|lamp|1"


def test_an_id_that_is_a_number_is_text_and_the_scalar_keeps_its_type() -> None:
    text = 'mood: "{{ axis.n }}", tone: "{{ axis.n.id }}"'
    bound = Binding(f"axes: {{n: [2.50]}}\nsteps: {{a: {{model: {PRO}, across: n, with: {{prompt: x, {text}}}}}}}")
    params = bound.bound["a/2.50"].params
    assert (params["mood"], params["tone"]) == (2.5, "2.50")


def test_a_value_that_is_sent_as_a_whole_holds_its_fields_and_not_its_id() -> None:
    head = "axes: {size: {wide: {width: 1024, height: 512}}}\n"
    text = 'image_size: "{{ axis.size }}", prompt: "{{ axis.size.id }}"'
    bound = Binding(f"{head}steps: {{a: {{model: {PRO}, across: size, with: {{{text}}}}}}}")
    assert bound.params("a/wide") == {"prompt": "wide", "image_size": {"width": 1024, "height": 512}}


# Texts beside the pipeline


def test_a_text_may_lie_beside_the_file_that_names_it() -> None:
    files: dict[str, str | bytes] = {"shows/prompts/hero.md.j2": "Line one\n{{ vars.x }}\n\n"}
    text = f"vars: {{x: two}}\nsteps: {{a: {{model: {PRO}, with: {{prompt: {{file: prompts/hero.md.j2}}}}}}}}"
    assert Binding(text, files, at="shows/show.yaml").params("a")["prompt"] == "Line one\ntwo\n"


def test_a_text_of_an_include_lies_beside_the_include() -> None:
    files = {
        "shared/brand.yaml": "flowrunner: 1\ndefaults: {with: {prompt: {file: p.md}}}\n",
        "shared/p.md": "from the brand\n",
    }
    bound = Binding(f"include: shared/brand.yaml\nsteps: {{a: {{model: {PRO}}}}}", files)
    assert bound.params("a")["prompt"] == "from the brand"


def test_a_fault_in_a_text_file_is_told_at_its_place_in_it() -> None:
    files = {"p.md": "First line\nand {{ vars.nope }}\n"}
    found = Binding(f"steps: {{a: {{model: {PRO}, with: {{prompt: {{file: p.md}}}}}}}}", files).fault
    assert found.span is not None
    assert (found.span.file, found.span.line, found.span.column, found.span.text) == ("p.md", 2, 8, "vars.nope")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{{ vars.nope | default('x') }}", "undefined"),
        ("{{ vars.x is defined }}{{ axis.size }}", "undefined"),
        ("{{ vars.x", "template-syntax"),
        ("{{ vars.x.y() }}", "template-construct"),
    ],
)
def test_a_text_file_is_held_to_the_rules_of_templates(text: str, code: str) -> None:
    head = f"vars: {{x: 1}}\naxes: {{size: [a]}}\nsteps: {{a: {{model: {PRO}, with: {{prompt: {{file: p.md}}}}}}}}"
    assert Binding(head, {"p.md": text}).fault.code == code


def test_a_text_file_is_told_once_however_many_cells_read_it() -> None:
    from flowrunner.problems import tidy

    text = f"axes: {{size: [a, b]}}\nsteps: {{s: {{model: {PRO}, across: size, with: {{prompt: {{file: p.md}}}}}}}}"
    (found,) = tidy(Binding(text, {"p.md": "{{ vars.x }}"}).problems)
    assert (found.cells, found.of) == (("s/a", "s/b"), 2)


@pytest.mark.parametrize(
    ("text", "code"),
    [("seed: {file: p.md}", "file"), ("prompt: {file: nowhere.md}", "file"), ("prompt: {file: ../up.md}", "path")],
)
def test_a_text_file_that_cannot_be_is_told(text: str, code: str) -> None:
    codes = {
        problem.code for problem in Binding(f"steps: {{a: {{model: {PRO}, with: {{{text}}}}}}}", {"p.md": "x"}).problems
    }
    assert code in codes


# Unknown inputs


def test_what_depends_on_an_input_without_a_value_is_checked_by_name_and_type_only() -> None:
    head = "inputs: {word: , n: {type: integer}, b: {type: boolean}, i: {type: image}}\n"
    text = 'with: {prompt: "{{ inputs.word }}", seed: "{{ inputs.n }}", enable_safety_checker: "{{ inputs.b }}"}'
    bound = Binding(f"{head}steps: {{a: {{model: {PRO}, {text}}}}}")
    assert (bound.problems, bound.bound["a"].calls, bound.bound["a"].pending) == ([], (), ())


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ('seed: "{{ inputs.word }}"', ["wrong-type"]),
        ('seed: "{{ inputs.word ~ 1 }}"', []),
        ('output_format: "{{ inputs.word }}"', []),
        ('seed: "{{ inputs.n }}"', []),
        ('prompt: "{{ inputs.n }}"', ["wrong-type"]),
        ('prompt: "{{ inputs.n }} lamps"', []),
        ('promt: "{{ inputs.word }}"', ["unknown-parameter"]),
        ('image_size: {width: "{{ inputs.n }}", height: 500}', ["too-small"]),
    ],
)
def test_the_type_of_an_unknown_input_is_checked(text: str, codes: list[str]) -> None:
    head = "inputs: {word: , n: {type: integer}}\n"
    prompt = "" if text.startswith("prompt") else "prompt: x, "
    bound = Binding(f"{head}steps: {{a: {{model: {PRO}, with: {{{prompt}{text}}}}}}}")
    assert [problem.code for problem in bound.problems] == codes


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            'safety_tolerance: "{{ inputs.n }}"',
            "safety_tolerance is an input of type integer, not text",
            "write '{{ inputs.n ~ \"\" }}'",
        ),
        (
            "seed: '{{- inputs.word | default(1) }}'",
            "seed is an input of type string, not a whole number",
            "write '{{ inputs.word | default(1) | int }}'",
        ),
        (
            "enable_safety_checker: '{{ inputs.n }}'",
            "enable_safety_checker is an input of type integer, not true or false",
            "give the input another type",
        ),
        ("image_size: '{{ inputs.n }}'", "image_size is an input of type integer", "image_size takes {width, height}"),
    ],
)
def test_no_value_stands_in_a_message_for_one_that_is_not_given(text: str, message: str, hint: str) -> None:
    head = "inputs: {word: , n: {type: integer}}\n"
    found = Binding(f"{head}steps: {{a: {{model: {PRO}, with: {{prompt: x, {text}}}}}}}").fault
    assert found.message == message
    assert found.hint.startswith(hint)


def test_a_model_that_is_not_known_yet_breeds_no_faults() -> None:
    text = (
        'inputs: {m: }\nsteps: {a: {model: "{{ inputs.m }}", with: {prompt: x, image_urls: [$b, photo.png], seed: 0}},'
    )
    text += (
        f" b: {{model: {PRO}, with: {{prompt: x}}}}, c: {{model: {MANY}-edit, with: {{prompt: x, image_size: square,"
    )
    bound = Binding(text + " image_urls: [$a.3]}}}")
    assert bound.problems == []


def test_an_unknown_count_makes_no_candidate_wrong() -> None:
    a = f'{{model: {MANY}, pick: 3, with: {{prompt: x, num_images: "{{{{ inputs.n }}}}"}}}}'
    b = f"{{model: {MANY}-edit, with: {{prompt: x, image_size: square, image_urls: [$a.4]}}}}"
    bound = Binding(f"inputs: {{n: {{type: integer}}}}\nsteps: {{a: {a}, b: {b}}}")
    assert bound.problems == []


# What is sent is what is hashed


def key(text: str) -> str:
    (call,) = Binding(f"steps: {{a: {{model: {PRO}, with: {text}}}}}").bound["a"].calls
    return call.key


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("{prompt: x, seed: 1}", "{seed: 1, prompt: x}"),
        ("{prompt: x, seed: 1}", "{prompt: 'x', seed: 1.0}"),
        ("{prompt: x, mood: 7.50}", "{prompt: x, mood: 7.5}"),
        ('{prompt: "e\u0301"}', '{prompt: "é"}'),
        ("{prompt: x}", "{prompt: x, seed: ~}"),
        ('{prompt: "a\\nb"}', "{prompt: 'a\n\n  b'}"),
    ],
)
def test_requests_that_say_the_same_have_one_key(one: str, two: str) -> None:
    assert key(one) == key(two)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("{prompt: x}", "{prompt: y}"),
        ("{prompt: x}", "{prompt: 'x '}"),
        ("{prompt: x}", "{prompt: x, output_format: png}"),
        ("{prompt: x, seed: 1}", "{prompt: x, seed: 2}"),
        ("{prompt: x, mood: 1}", "{prompt: x, mood: '1'}"),
        ("{prompt: x, mood: 1}", "{prompt: x, mood: true}"),
        ("{prompt: x, mood: []}", "{prompt: x}"),
    ],
)
def test_requests_that_differ_have_different_keys(one: str, two: str) -> None:
    assert key(one) != key(two)


@given(st.permutations(["prompt: x", "seed: 3", "output_format: png", "image_size: {width: 512, height: 512}"]))
def test_the_order_of_keys_is_no_part_of_the_key(order: list[str]) -> None:
    assert key("{" + ", ".join(order) + "}") == key(
        "{prompt: x, seed: 3, output_format: png, image_size: {height: 512, width: 512}}"
    )


def test_the_name_of_a_step_is_no_part_of_the_key() -> None:
    bound = Binding(f"steps: {{a: {{model: {PRO}, with: {{prompt: x}}}}, b: {{model: {PRO}, with: {{prompt: x}}}}}}")
    assert bound.bound["a"].calls[0].key == bound.bound["b"].calls[0].key


# Samples


def test_seeds_tell_samples_apart_where_there_is_one() -> None:
    bound = Binding(f"steps: {{a: {{model: {PRO}, variants: 3, with: {{prompt: x, seed: 42}}}}}}")
    calls = bound.bound["a"].calls
    assert [call.params["seed"] for call in calls] == [42, 43, 44]
    assert {call.sample for call in calls} == {0}
    assert len({call.key for call in calls}) == 3


def test_a_seed_with_a_fraction_counts_up_as_any_other() -> None:
    generator = "black-forest-labs/flux-2-pro/generate"
    calls = (
        Binding(f"steps: {{a: {{model: {generator}, variants: 2, with: {{prompt: x, seed: 7.5}}}}}}").bound["a"].calls
    )
    assert [call.params["seed"] for call in calls] == [7.5, 8.5]


def test_numbers_tell_samples_apart_where_there_is_no_seed() -> None:
    calls = Binding(f"steps: {{a: {{model: {PRO}, variants: 3, with: {{prompt: x}}}}}}").bound["a"].calls
    assert [call.sample for call in calls] == [0, 1, 2]
    assert [dict(call.params) for call in calls] == [{"prompt": "x"}] * 3
    assert len({call.key for call in calls}) == 3


def test_more_variants_keep_the_keys_of_those_that_were() -> None:
    def keys(variants: int) -> list[str]:
        text = f"steps: {{a: {{model: {PRO}, variants: {variants}, with: {{prompt: x, seed: 5}}}}}}"
        return [call.key for call in Binding(text).bound["a"].calls]

    assert keys(4)[:2] == keys(2)


def test_an_aspect_ratio_is_sent_as_it_is_written() -> None:
    text = "steps: {a: {model: black-forest-labs/flux-2-pro/generate, with: {prompt: x, aspect_ratio: 16:9}}}"
    assert Binding(text).params("a")["aspect_ratio"] == "16:9"


def test_a_fault_is_shown_where_the_winning_value_stands() -> None:
    files = {"brand.yaml": "flowrunner: 1\ndefaults: {with: {seed: 0}}\nvars: {size: {width: 500, height: 512}}\n"}
    head = "include: brand.yaml\naxes: {p: [a, b]}\n"
    given = 'with: {prompt: x, image_size: "{{ vars.size }}"}, overrides: [{at: {p: b}, with: {seed: -1}}]'
    text = f"{head}steps: {{s: {{model: {PRO}, across: p, {given}}}}}"
    places = {(p.message.split(" is ")[0], p.span.file, p.cells) for p in Binding(text, files).problems if p.span}
    assert places == {
        ("seed 0", "brand.yaml", ("s/a",)),
        ("seed -1", "show.yaml", ("s/b",)),
        ("width 500", "brand.yaml", ("s/a",)),
        ("width 500", "brand.yaml", ("s/b",)),
    }
