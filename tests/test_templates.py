"""Templates as the rest of flowrunner uses them: what they give, what they refuse, what they report."""

import string
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.templates import Compiled, TemplateProblem, Unknown, UsesUnknown, expression, parse, undeclared

SCOPE: dict[str, Any] = {
    "inputs": {"note": None, "photo": Unknown("image"), "count": 3, "bold": True},
    "vars": {"light": "soft light", "tags": ["warm", "calm"], "empty": [], "items": "an item", "keys": {"a": 1}},
    "axis": {
        "product": {"id": "lamp", "name": "Lamp", "headline": {"en": "Glow"}},
        "locale": "en",
        "locale.id": "en",
        "ratio": 1.5,
        "ratio.id": "1.50",
    },
    "pipeline": {"name": "spring"},
}
DECLARED = {
    "inputs": SCOPE["inputs"],
    "vars": SCOPE["vars"],
    "axis": ["product", "locale", "ratio"],
    "pipeline": ["name"],
}


def fault(text: str, scope: dict[str, Any] = SCOPE) -> TemplateProblem:
    with pytest.raises(TemplateProblem) as caught:
        parse(text).render(scope)
    return caught.value


def marked(text: str) -> str:
    """The part of the text that its problem points at."""
    found = fault(text)
    return text[found.start : found.end]


def test_text_around_an_expression_makes_text() -> None:
    assert parse("{{ axis.product.name }} in {{ vars.light }}\n").render(SCOPE) == "Lamp in soft light\n"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{{ inputs.count }}", 3),
        ("{{ inputs.count + 2 }}", 5),
        ("{{ inputs.bold }}", True),
        ("{{ inputs.note }}", None),
        ("{{ axis.ratio }}", 1.5),
        ("{{ vars.tags }}", ["warm", "calm"]),
        ("{{ vars.keys }}", {"a": 1}),
        ("{{ '1.10' }}", "1.10"),
        ("{{ vars.light }}{# a comment #}", "soft light"),
    ],
)
def test_one_whole_expression_keeps_its_type(text: str, value: object) -> None:
    rendered = parse(text).render(SCOPE)
    assert (rendered, type(rendered)) == (value, type(value))


def test_space_beside_an_expression_makes_text_of_it() -> None:
    assert parse("{{ inputs.count }} ").render(SCOPE) == "3 "
    assert not parse("{{ inputs.count }} ").whole


def test_scalars_stand_in_text_as_yaml_writes_them() -> None:
    assert (
        parse("{{ inputs.bold }} {{ axis.ratio }} {{ inputs.count }} {{ false }}").render(SCOPE) == "true 1.5 3 false"
    )


def test_null_in_text_is_a_mistake_that_names_its_remedy() -> None:
    found = fault("Note: {{ inputs.note }}")
    assert found.message == "inputs.note is null here"
    assert 'inputs.note | default("…", true)' in found.hint
    assert parse('Note: {{ inputs.note | default("-", true) }}').render(SCOPE) == "Note: -"


def test_a_mapping_in_text_names_its_fields() -> None:
    assert fault("a {{ axis.product }}").hint == "name one of its fields: id, name, headline"


def test_a_list_in_text_is_offered_join() -> None:
    assert 'vars.tags | join(", ")' in fault("a {{ vars.tags }}").hint


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("{{ axis.product.name }}", ("axis", "product", "name")),
        ('{{ axis.product["name"] }}', ("axis", "product", "name")),
        ("{{ vars.tags[0] }}", ("vars", "tags", "0")),
        ("{{ axis.product.headline[axis.locale] }}", None),
        ("{{ axis.product.name | upper }}", None),
        ("a {{ axis.product.name }}", None),
    ],
)
def test_a_pure_path_is_told_apart(text: str, path: tuple[str, ...] | None) -> None:
    assert parse(text).path == path


def test_every_path_is_listed_in_order_with_its_place() -> None:
    text = "{{ vars.light }} {{ axis.product.headline[axis.locale.id] | default(inputs.note) }}"
    found = [(use.path, text[use.start : use.end], use.guarded, use.complete) for use in parse(text).paths]
    assert found == [
        (("vars", "light"), "vars.light", False, True),
        (("axis", "product", "headline"), "axis.product.headline[axis.locale.id]", True, False),
        (("axis", "locale", "id"), "axis.locale.id", True, True),
        (("inputs", "note"), "inputs.note", False, True),
    ]


def test_paths_of_branches_not_taken_are_listed_too() -> None:
    compiled = parse("{% if false %}{{ vars.light }}{% elif inputs.bold %}{% else %}{{ pipeline.name }}{% endif %}")
    assert [use.path[1] for use in compiled.paths] == ["light", "bold", "name"]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("{{ ligth }}", "names begin with inputs., vars., axis., pipeline."),
        ("{{ light }}", "did you mean vars.light?"),
        ("{{ product.name }}", "did you mean axis.product.name?"),
        ("{{ input.count }}", "did you mean inputs.count?"),
        ("{{ vars.ligth }}", "did you mean vars.light?"),
        ("{{ vars.ligth | default(1) }}", "did you mean vars.light?"),
        ("{{ axis.prodct.name is defined }}", "did you mean axis.product.name?"),
        ("{{ pipeline.zzz }}", "pipeline has name"),
        ("{{ null }}", "null is written none"),
    ],
)
def test_an_undeclared_name_is_found_guarded_or_not(text: str, hint: str) -> None:
    (found,) = undeclared(parse(text), DECLARED)
    assert (found.code, found.hint) == ("undefined", hint)
    assert found.message.endswith("is not defined")


def test_declared_names_are_no_problem_whatever_stands_below_them() -> None:
    assert undeclared(parse("{{ axis.product.nothing }} {{ vars[axis.locale.id] is defined }}"), DECLARED) == []


def test_a_bare_expression_gives_its_value() -> None:
    assert expression("axis.product.headline[axis.locale.id] is defined").render(SCOPE) is True
    assert expression("inputs.count > 2 and axis.locale == 'de'").render(SCOPE) is False


def test_braces_around_a_bare_expression_get_the_fix() -> None:
    with pytest.raises(TemplateProblem) as caught:
        expression("{{ axis.locale }} == 'en'")
    assert caught.value.hint == "write axis.locale == 'en'"
    assert (caught.value.start, caught.value.end) == (0, 2)


@pytest.mark.parametrize("text", ["", "axis.locale axis.locale", "inputs.count >", "a }} b", "{% if x %}", "x = 1"])
def test_what_is_no_expression_is_a_problem(text: str) -> None:
    with pytest.raises(TemplateProblem):
        expression(text)


def test_a_whole_path_to_an_input_without_value_gives_the_unknown() -> None:
    assert parse("{{ inputs.photo }}").render(SCOPE) == Unknown("image")
    assert parse("{{ inputs.photo | default('x', true) }}").render(SCOPE) == Unknown("image")
    assert parse("{{ inputs.photo if inputs.bold else 1 }}").render(SCOPE) == Unknown("image")


def test_an_input_without_value_is_defined() -> None:
    assert parse("{{ inputs.photo is defined }}").render(SCOPE) is True


@pytest.mark.parametrize(
    "text",
    [
        "a {{ inputs.photo }}",
        "a {{ inputs.photo | default('x') }}",
        "{{ inputs.photo | upper }}",
        "{{ inputs.photo == 'x' }}",
        "{{ 'x' in inputs.photo }}",
        "{{ 1 if inputs.photo else 2 }}",
        "{{ not inputs.photo }}",
        "{{ inputs.photo or 1 }}",
        "{{ inputs.photo ~ 'x' }}",
        "{{ vars.keys[inputs.photo] }}",
        "{{ vars.keys[inputs.photo] is defined }}",
        "{% if inputs.photo %}{% endif %}",
    ],
)
def test_a_result_that_needs_a_value_not_given_says_so(text: str) -> None:
    with pytest.raises(UsesUnknown, match=r"inputs\.photo has no value yet"):
        parse(text).render(SCOPE)


def test_a_condition_on_an_input_without_value_is_unknown() -> None:
    with pytest.raises(UsesUnknown):
        expression("inputs.photo").render(SCOPE)


@pytest.mark.parametrize(
    "text",
    [
        "inputs.photo and vars.light is not defined",
        "vars.light is not defined and inputs.photo",
        "inputs.photo == 'x' and (not vars.light or vars.light == 1)",
        "not (inputs.photo or vars.light)",
        "(inputs.photo and false) or vars.light == 1",
    ],
)
def test_a_condition_that_no_input_makes_true_is_false(text: str) -> None:
    assert expression(text).render(SCOPE) is False


@pytest.mark.parametrize(
    "text", ["inputs.photo and vars.light", "inputs.photo or vars.light == 1", "inputs.photo and vars.light > 1"]
)
def test_a_condition_that_an_input_decides_is_unknown(text: str) -> None:
    with pytest.raises(UsesUnknown):
        expression(text).render(SCOPE)


HOSTILE = [
    "{{ ''|attr('__class__') }}",
    "{{ ''|attr('\\x5f\\x5fclass\\x5f\\x5f') }}",
    "{{ [''] | map(attribute='__class__') | list }}",
    "{{ ''.__class__.__mro__ }}",
    "{{ ''['__class__'] }}",
    "{{ vars.light.__class__ }}",
    "{{ vars['__class__'] }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ namespace.__init__.__globals__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ lipsum }}{{ range }}{{ dict }}{{ joiner }}",
    "{{ at0 }}{{ scope }}{{ result }}",
    "{{ '{x.__class__}'.format_map({'x':1}) }}",
    "{% set f = '{0.__class__}'.format %}{{ [f]|map('string')|list }}",
    "{{ ('{0.__class__.__mro__}'|attr('format'))(steps) }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}",
    "{% extends 'x' %}",
    "{% debug %}",
    "{{ vars.values }}",
    "{{ vars.keys() }}",
    "{{ [1,2,3]|random }}",
    "{{ vars.clear() }}",
    "{{ 10**5000 }}",
    "{{ " + "9" * 5000 + " }}",
    "{{ 1e999 }}",
    "{% macro m(n) %}{{ m(n+1) }}{% endmacro %}{{ m(0) }}",
    "{{ [1]|slice(100000000)|list|length }}",
    "{{ [1]|batch(100000000,0)|list|length }}",
    "{{ 'x'|center(999999999) }}",
    "{{ ('a'*5000)|replace('a','b'*5000)|replace('b','c'*50)|length }}",
    "{% if 1 %}" * 150 + "{% endif %}" * 150,
    "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "{{ " + "not " * 5000 + "1 }}",
    "{{ " + "-" * 3000 + "1 }}",
    "{{ " + "1 if 1 else " * 1000 + "1 }}",
    "{{ vars" + ".a" * 100_000 + " }}",
    "{{ '" + "a" * 70_000 + "' ~ '' }}",
    "{{ 'ab'" + "|replace('a', 'aaaaaaaaaaaaaaaa')" * 15 + " }}",
    '{{constructor.constructor("alert(1)")()}}',
    "{{" * 50_000,
    "{#" * 50_000,
    "{{ '\ud800' }}",
    "{{ '\\ud800' }}",
    "{{ '\\N{BULLET}' }}",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_template_renders_to_nothing(text: str) -> None:
    assert fault(text).message


def test_a_key_named_like_a_method_is_just_a_key() -> None:
    assert parse("{{ vars.items }}").render(SCOPE) == "an item"


def test_what_comes_out_of_a_value_is_no_template() -> None:
    assert parse("a {{ vars.x }}").render({"vars": {"x": "{{ vars.y }}"}}) == "a {{ vars.y }}"


WORDS = [
    *("{{", "}}", "{%", "%}", "{#", "#}", "{%-", "-%}", "{{-", "-}}", "(", ")", "[", "]", "{", "}", "|", ".", ",", ":"),
    *(
        "if",
        "elif",
        "else",
        "endif",
        "for",
        "in",
        "not",
        "is",
        "and",
        "or",
        "set",
        "raw",
        "endraw",
        "true",
        "none",
        "\n",
    ),
    *("axis.product", "vars.light", "vars.tags", "inputs.count", "x", "upper", "join", "default", "defined", "round"),
    *(
        "==",
        "<",
        "+",
        "-",
        "*",
        "**",
        "~",
        "%",
        "/",
        "=",
        "!",
        "&",
        "'a'",
        '"',
        "'",
        "\\",
        "0",
        "1.5",
        "1e9",
        "é",
        "\0",
    ),
]


def outcome(read: Callable[[str], Compiled], text: str) -> TemplateProblem | None:
    try:
        compiled = read(text)
        undeclared(compiled, DECLARED)
        compiled.render(SCOPE)
    except TemplateProblem as found:
        return found
    return None


@given(st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join))
def test_a_soup_of_tokens_gives_a_result_or_a_problem_inside_the_text(soup: str) -> None:
    for read, text in ((parse, soup), (parse, f"{{{{ {soup} }}}}"), (expression, soup)):
        found = outcome(read, text)
        if found is not None:
            assert found.start is not None
            assert found.end is not None
            assert 0 <= found.start <= found.end <= len(text)


@given(st.text(st.sampled_from(string.printable.replace("{", "").replace("\r", "").replace("\x0b", ""))))
def test_text_without_braces_comes_out_as_it_went_in(text: str) -> None:
    assert parse(text + "{# #}").render(SCOPE) == text
    assert parse(text + "{{ pipeline.name }}").render(SCOPE) == (text + "spring")


@given(st.text(), st.text())
def test_values_come_out_as_they_went_in(one: str, two: str) -> None:
    assert parse("{{ vars.a }}{{ vars.b }}").render({"vars": {"a": one, "b": two}}) == one + two
