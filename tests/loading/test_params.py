"""What is a template, what is a reference, what is literal."""

import pytest
from written import fault, faults, read

from flowrunner.loading.params import reference
from flowrunner.nodes import Scalar
from flowrunner.pipeline import (
    AxisRef,
    InputRef,
    ListParam,
    MapParam,
    Selector,
    SizeOf,
    StepRef,
    Template,
    TextFile,
    leaves,
    references,
    templates,
)
from flowrunner.source import Source, Span

NOWHERE = Span(Source("a.yaml", ""), 0, 0)


def param(text: str) -> object:
    pipeline = read(f"steps: {{a: {{model: m, with: {{p: {text}}}}}, base: {{model: m}}}}")
    return pipeline.steps["a"].params["p"].param


@pytest.mark.parametrize(
    ("text", "step", "selector", "number"),
    [
        ("$base", "base", Selector.PICKED, 0),
        ("$two-words_3", "two-words_3", Selector.PICKED, 0),
        ("$base.3", "base", Selector.CANDIDATE, 3),
        ("$base.16", "base", Selector.CANDIDATE, 16),
        ("$base.images", "base", Selector.IMAGES, 0),
        ("$base.*", "base", Selector.GATHER, 0),
    ],
)
def test_a_text_refers_to_images_of_a_step(text: str, step: str, selector: Selector, number: int) -> None:
    found = reference(text, NOWHERE)
    assert found == StepRef(step=step, selector=selector, number=number, span=NOWHERE)
    assert str(found) == text


@pytest.mark.parametrize("text", ["$inputs.logo", "$inputs.a_1"])
def test_a_text_refers_to_an_input(text: str) -> None:
    found = reference(text, NOWHERE)
    assert isinstance(found, InputRef)
    assert str(found) == text


@pytest.mark.parametrize(
    ("text", "fields"), [("$axis.product.photo", ("photo",)), ("$axis.product.photos.front", ("photos", "front"))]
)
def test_a_text_refers_to_a_field_of_an_axis(text: str, fields: tuple[str, ...]) -> None:
    found = reference(text, NOWHERE)
    assert isinstance(found, AxisRef)
    assert (found.axis, found.fields, str(found)) == ("product", fields, text)


_TEXTS = """$ $$ $Base $base.0 $base.-1 $base.image $base.*.1 $axis.product $inputs.Logo $inputs.logo.x ${base}
$base.1.2 $9lives $base.00001 $base.99999"""


@pytest.mark.parametrize("text", [*_TEXTS.split(), "$5 off", "a $base", "$base ", "$base\n", "$axis.product.a b"])
def test_any_other_text_that_begins_with_a_dollar_is_text(text: str) -> None:
    assert reference(text, NOWHERE) is None or text in ("$axis", "$inputs")


def test_a_doubled_dollar_is_the_text_of_a_reference() -> None:
    for text, value in (("$$base", "$base"), ("$$base.*", "$base.*"), ("$$5", "$$5"), ("$$$base", "$$$base")):
        found = param(f"'{text}'")
        assert isinstance(found, Scalar)
        assert found.value == value


def test_each_kind_of_value_is_told_apart() -> None:
    assert isinstance(param("plain"), Scalar)
    assert isinstance(param("12"), Scalar)
    assert isinstance(param("$base"), StepRef)
    assert isinstance(param('"{{ vars.x }}"'), Template)
    assert isinstance(param('"a {% if true %}b{% endif %}"'), Template)
    assert isinstance(param("[a, $base]"), ListParam)
    assert isinstance(param("{a: $base}"), MapParam)
    assert isinstance(param("{file: a.md}"), TextFile)
    assert isinstance(param("{size_of: $base}"), SizeOf)
    assert isinstance(param("{file: [a]}"), MapParam)


def test_keys_are_never_templates() -> None:
    found = param('{"{{ x }}": 1}')
    assert isinstance(found, MapParam)
    assert list(found.entries) == ["{{ x }}"]


def test_references_and_templates_are_found_at_any_depth() -> None:
    pipeline = read('steps: {a: {model: m, with: {p: [{x: ["{{ vars.a }}", $base.2]}, {size_of: $b}]}}}')
    found = pipeline.steps["a"].params["p"].param
    assert [(str(ref), sized) for ref, sized in references(found)] == [("$base.2", False), ("$b", True)]
    assert [template.scalar.value for template in templates(found)] == ["{{ vars.a }}"]
    assert len(list(leaves(found))) == 3


@pytest.mark.parametrize(
    ("text", "code", "marked"),
    [
        ('"{{ vars.x"', "template-syntax", 'x"'),
        ('"{{ vars.x.y() }}"', "template-construct", "vars.x.y"),
        ('"{{ vars.x * 2 }}"', "template-construct", "vars.x * 2"),
        ('"{% for a in vars.x %}{% endfor %}"', "template-construct", "for a in"),
        ("{size_of: base}", "size-of", "base"),
        ("{size_of: $base.*}", "size-of", "$base.*"),
        ("{size_of: 12}", "size-of", "12"),
        ("{width: 3, size_of: $base}", "size-of", "size_of"),
        ('{file: "{{ vars.x }}"}', "file", '"{{'),
        ("{file: 12}", "type", "12"),
    ],
)
def test_a_value_that_is_wrong_in_itself_is_told_at_its_place(text: str, code: str, marked: str) -> None:
    found = fault(f"vars: {{x: y}}\nsteps: {{a: {{model: m, with: {{p: {text}}}}}}}")
    assert found.code == code
    assert found.span is not None
    assert found.span.source.text[found.span.start :].startswith(marked)


def test_every_faulty_template_is_told() -> None:
    found = faults('steps: {a: {model: m, with: {p: "{{ x", q: ["{{ y", "{{ 1 ** 2 }}"]}}}')
    assert [one.code for one in found] == ["template-syntax", "template-syntax", "template-construct"]
