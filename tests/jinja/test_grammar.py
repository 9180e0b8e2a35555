"""What a template may say, and how a refusal reads."""

import pytest

from flowrunner.jinja.grammar import read
from flowrunner.templates import TemplateProblem

SCOPE = {"inputs": {"n": 3, "size": "big"}, "vars": {"tags": ["a", "b"], "none": None, "light": "soft"}}


def value(expression: str) -> object:
    return read(expression, bare=True).render(SCOPE)


def refusal(text: str) -> tuple[str, str, str]:
    """Message, hint, and the place that is marked."""
    with pytest.raises(TemplateProblem) as caught:
        read(text)
    return caught.value.message, caught.value.hint, text[caught.value.start : caught.value.end]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("inputs.n == 3", True),
        ("inputs.n != 3", False),
        ("2 < inputs.n <= 3", True),
        ("1 < inputs.n < 3", False),
        ("inputs.n >= 4 or inputs.n > 2", True),
        ("not inputs.n", False),
        ("inputs.n > 1 and inputs.size", "big"),
        ("vars.none or 'x'", "x"),
        ("'a' in vars.tags", True),
        ("'c' not in vars.tags", True),
        ("'ig' in inputs.size", True),
        ("'n' in [1, 'n', -2]", True),
        ("inputs.n + 2 - 1", 4),
        ("-inputs.n", -3),
        ("inputs.size ~ '-' ~ inputs.n ~ true", "big-3true"),
        ("'yes' if inputs.n else 'no'", "yes"),
        ("inputs.size is lower", True),
        ("inputs.size is upper", False),
        ("inputs.n is float", False),
        ("vars.light is defined", True),
        ("vars.dark is not defined", True),
        ("vars.none == none", True),
        ("[1, 'a', true, none, 1.5]", [1, "a", True, None, 1.5]),
        ("'tab\\there'", "tab\there"),
        ("vars['tags'][1]", "b"),
        ("vars.tags.0", "a"),
        ("vars['li' 'ght']", "soft"),
    ],
)
def test_an_allowed_expression_gives_its_value(text: str, expected: object) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{% if inputs.n > 5 %}many{% elif inputs.n == 3 %}three{% else %}few{% endif %}", "three"),
        ("{% if vars.none %}x{% endif %}", ""),
        ("a {#- gone -#} b", "ab"),
        ("a {{- inputs.n -}} b", "a3b"),
        ("{% raw %}{{ as it is }}{% endraw %}", "{{ as it is }}"),
        ("line\n{{ inputs.n }}\n", "line\n3\n"),
        ("{% if inputs.n %}{% if inputs.size %}{{ inputs.size | upper }}{% endif %}{% endif %}", "BIG"),
    ],
)
def test_an_allowed_text_renders(text: str, expected: str) -> None:
    assert read(text).render(SCOPE) == expected


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("{% for x in vars.tags %}{{ x }}{% endfor %}", "`for` loops are not part of prompts", "for"),
        ("{% set x = 1 %}", "`set` is not available in templates", "set"),
        ("{%- include 'x' %}", "`include` is not available in templates", "include"),
        ("{% macro m() %}{% endmacro %}", "`macro` is not available in templates", "macro"),
        ("{% filter upper %}x{% endfilter %}", "`filter` is not available in templates", "filter"),
        ("{% print 1 %}", "`print` is not available in templates", "print"),
        ("{{ range(3) }}", "functions cannot be called in templates", "range"),
        ("{{ vars.tags.pop() }}", "functions cannot be called in templates", "vars.tags.pop"),
        ("{{ 2 * inputs.n }}", "`*` is not available in templates", "2 * inputs.n"),
        ("{{ 2 / 3 }}", "`/` is not available in templates", "2 / 3"),
        ("{{ 2 // 3 }}", "`//` is not available in templates", "2 // 3"),
        ("{{ 2 % 3 }}", "`%` is not available in templates", "2 % 3"),
        ("{{ 2 ** 3 }}", "`**` is not available in templates", "2 ** 3"),
        ("{{ +inputs.n }}", "a number takes no + before it", "inputs.n"),
        ("{{ {'a': 1} }}", "a mapping cannot be written in a template", "'a': 1"),
        ("{{ (1, 2) }}", "a list in a template stands in brackets", "1, 2"),
        ("{{ vars.tags[0:1] }}", "slices are not available in templates", "0:1"),
        ("{{ vars.tags[true] }}", "only a name, a whole number or a quoted text stands in [ ]", "true"),
        ("{{ [vars.light] }}", "a list in a template holds plain texts and numbers", "vars.light"),
        ("{{ 'x'.y }}", "only names have parts", "'x'.y"),
        ("{{ vars }}", "vars is a group of names", "vars"),
        ("{{ 1 if inputs.n }}", "this `if` needs its `else`", "1 if inputs.n"),
        ("{{ vars.light | uper }}", "there is no filter `uper` in templates", "uper"),
        ("{{ vars.light | d('x') }}", "there is no filter `d` in templates", "d"),
        ("{{ vars.light is none }}", "there is no test `none` in templates", "is"),
        ("{{ (inputs.n + 1) is defined }}", "`is defined` asks about a name", "inputs.n + 1) is"),
        ("{{ vars.light | replace('a') }}", "replace takes 2 arguments, not 1", "vars.light | replace('a')"),
        ("{{ vars.light | upper(1) }}", "upper takes no arguments, not 1", "vars.light | upper(1)"),
        ("{{ vars.tags | join(1, 2) }}", "join takes at most 1 argument, not 2", "vars.tags | join(1, 2)"),
        ("{{ vars.tags | join(d='x') }}", "join takes its arguments by position", "vars.tags | join(d='x')"),
        ("{{ vars.tags | join(*vars.tags) }}", "join takes its arguments by position", "vars.tags | join(*vars.tags"),
        ("{{ vars.tags | join('a' ~ 'b') }}", "a list in a template holds plain texts and numbers", "'a' ~ 'b'"),
        ("{{ 1e-400 }}", "1e-400 is too small to be more than 0", "1e-400"),
        ("{{ 9007199254740993 }}", "a number over 2^53 is not exact", "9007199254740993"),
        ("{{ '\\d' }}", "\\d means nothing in a quoted text", "\\"),
        ("{{ vars.light }", "this template cannot be read: unexpected '}'", "}"),
        ("{{ a && b }}", "this template cannot be read: unexpected char '&'", "&"),
        ("{{ vars.light x }}", "this template cannot be read: expected token `}}`, got 'x'", "x"),
        ("one\ntwo {{ }}", "this template cannot be read: expected an expression, got `}}`", "}}"),
        ("{% if inputs.n %}x", "an `if` is not closed", "x"),
    ],
)
def test_a_refusal_names_the_construct_and_marks_it(text: str, message: str, place: str) -> None:
    assert (refusal(text)[0], refusal(text)[2]) == (message, place)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("{% for x in y %}", 'give the axis its own cell, or put a list together: | join(", ")'),
        ("{{ vars.light | uper }}", "did you mean upper?"),
        ("{{ vars.light | d }}", "write default"),
        ("{{ vars.light is undefined }}", "write `is not defined`"),
        ("{{ vars.light is in vars.tags }}", "write `a in b`"),
        ("{{ vars.light is zzz }}", "the tests are defined, float, lower, upper"),
        ("colour {#fff", "braces that are plain text stand in {% raw %}…{% endraw %}"),
    ],
)
def test_a_refusal_says_what_to_do(text: str, hint: str) -> None:
    assert refusal(text)[1] == hint


@pytest.mark.parametrize(
    "text",
    [
        "{{ 1 }} " * 101,
        "{{ vars" + ".a" * 19 + " }}",
        "{{ " + "1 + " * 19 + "1 }}",
        "{{ " + "(" * 2000 + "1" + ")" * 2000 + " }}",
    ],
)
def test_a_template_has_a_size(text: str) -> None:
    with pytest.raises(TemplateProblem) as caught:
        read(text)
    assert caught.value.code == "template-limit"


def test_a_template_may_be_of_some_size() -> None:
    assert read("{{ inputs.n }} " * 49).render(SCOPE) == "3 " * 49


def test_stripped_space_does_not_move_the_marks() -> None:
    assert refusal("a   {{- 1 -}}   b   {%- if x -%}  {{ vars.a ** 2 }}{% endif %}")[2] == "vars.a ** 2"


def test_a_mark_stands_on_the_right_line_and_occurrence() -> None:
    text = "x {{ vars.light }} x\nx {{ vars.light | nope }}"
    with pytest.raises(TemplateProblem) as caught:
        read(text)
    assert caught.value.start == text.index("nope")
