"""Steps as written."""

import pytest
from written import fault, read

from flowrunner.nodes import Scalar
from flowrunner.pipeline import InputRef, Pick, PickRule, Step, StepRef


def step(text: str, more: str = "") -> Step:
    return read(
        f"{more}axes: {{size: [small], colour: [red]}}\nsteps: {{b: {{model: m}}, a: {{model: m, {text}}}}}"
    ).steps["a"]


def test_a_step_keeps_what_is_written() -> None:
    found = step(
        "provider: onemin, with: {prompt: x}, timeout: 20, description: why, after: [b], across: [size, colour]"
    )
    assert (found.id, found.provider, found.timeout, found.description) == ("a", "onemin", 20.0, "why")
    assert isinstance(found.model, Scalar)
    assert [name for name, _ in found.after] == ["b"]
    assert found.across == ("size", "colour")
    assert list(found.params) == ["prompt"]


def test_one_name_stands_for_a_list_of_one() -> None:
    found = step("across: size, after: b")
    assert (found.across, [name for name, _ in found.after]) == (("size",), ["b"])


@pytest.mark.parametrize(
    ("text", "rule", "number"),
    [
        ("first", PickRule.FIRST, 1),
        ("human", PickRule.HUMAN, 1),
        ("3", PickRule.NUMBER, 3),
        ("16", PickRule.NUMBER, 16),
    ],
)
def test_who_picks_is_read(text: str, rule: PickRule, number: int) -> None:
    pick = step(f"pick: {text}").pick
    assert (pick.rule, pick.number) == (rule, number)


def test_the_first_candidate_is_picked_where_nothing_is_said() -> None:
    assert step("variants: 4").pick == Pick(PickRule.FIRST, 1)


@pytest.mark.parametrize("number", [1, 2, 16])
def test_variants_are_read(number: int) -> None:
    assert step(f"variants: {number}").variants == number


@pytest.mark.parametrize("text", ["inputs.x == 'a'", "axis.size is defined and not false", "'true'"])
def test_when_is_a_bare_expression(text: str) -> None:
    assert step(f'when: "{text}"', "inputs: {x: }\n").when is not None


@pytest.mark.parametrize("text", ["true", "false"])
def test_when_may_be_a_plain_truth(text: str) -> None:
    found = step(f"when: {text}").when
    assert found is not None
    assert found.compiled.render({}) is (text == "true")


def test_else_is_one_reference() -> None:
    assert isinstance(step("when: false, else: $b").otherwise, StepRef)
    assert isinstance(step("when: false, else: $b.2").otherwise, StepRef)
    assert isinstance(step("when: false, else: $inputs.logo", "inputs: {logo: {type: image}}\n").otherwise, InputRef)


def test_overrides_keep_ids_as_they_are_written() -> None:
    (found,) = step("overrides: [{at: {size: 1e3, colour: red}, with: {seed: 1}}]").overrides
    assert found.at == {"size": "1e3", "colour": "red"}
    assert found.places["size"].text == "1e3"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("variants: 0", "range"),
        ("variants: 17", "range"),
        ("variants: 2.5", "range"),
        ("variants: two", "range"),
        ("pick: 0", "pick"),
        ("pick: best", "pick"),
        ("pick: true", "pick"),
        ("timeout: 0", "range"),
        ("timeout: 4000", "range"),
        ("timeout: 5m", "range"),
        ('when: "{{ vars.x }}"', "template-syntax"),
        ("when: [a]", "type"),
        ("when: 3", "type"),
        ("else: $b", "else"),
        ("when: false, else: $b.*", "else"),
        ("when: false, else: $b.images", "else"),
        ("when: false, else: b.png", "else"),
        ("when: false, else: [$b]", "else"),
        ("across: [size, size]", "across"),
        ("across: sizes", "unknown-axis"),
        ("across: 3", "type"),
        ("after: [3]", "type"),
        ("overrides: {}", "type"),
        ("overrides: [x]", "type"),
        ("overrides: [{with: {}}]", "override"),
        ("overrides: [{at: {size: ~}, with: {}}]", "override"),
        ("overrides: [{at: {size: [small]}, with: {}}]", "override"),
        ("overrides: [{at: {}, with: {}, when: x}]", "unknown-key"),
        ("with: [a]", "type"),
        ("provider: 3", "type"),
        ("description: 3", "type"),
    ],
)
def test_what_does_not_fit_a_step_is_a_problem(text: str, code: str) -> None:
    assert fault(f"axes: {{size: [small]}}\nsteps: {{b: {{model: m}}, a: {{model: m, {text}}}}}").code == code
