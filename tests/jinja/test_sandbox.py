"""What sandboxes of templates were escaped by, one family after another: refused before anything is evaluated, or seen
as a path of data that nobody declared."""

from typing import Any

import pytest

from flowrunner.jinja import evaluate, grammar
from flowrunner.templates import TemplateProblem, expression, parse

SCOPE: dict[str, Any] = {
    "vars": {"text": "a", "list": [1], "map": {"items": "data", "x": 1}, "number": 7},
    "inputs": {},
    "axis": {},
    "pipeline": {"name": "show"},
}
CALLS = [
    "vars.text.upper()", "vars.list.append(42)", "vars.list.pop()", "vars.list.clear()", "vars.map.clear()",
    "vars.map.update({})", "vars.map.items()", "{1: 2}.clear()", "[1].extend([2])", "vars['text']['upper']()",
    "'{0.__class__}'.format(1)", "'{x.__class__}'.format_map(vars.map)", "('%s')('x')", "range(10)", "range(10**9)",
    "lipsum()", "cycler(1)", "joiner()", "namespace()", "dict(a=1)", "super()", "caller()", "self.body()",
    "'a'.__class__.__mro__[1].__subclasses__()", "().__class__.__base__.__subclasses__()",
    "vars.text.__class__.__init__.__globals__['os'].popen('id')", "(vars.text|upper)()", "vars.text|attr('format')(1)",
]  # fmt: skip
FILTERS = [
    "vars.text|attr('__class__')", "vars.list|map('attr', '__class__')", "vars.list|map(attribute='__class__')",
    "['{0.__class__}']|map('format', 1)", "vars.list|map('string')", "vars.list|selectattr('x')", "vars.list|sort",
    "vars.list|groupby('x')", "vars.text|format(1)", "vars.text|string", "vars.text|safe", "vars.text|xmlattr",
    "vars.text|urlize", "vars.list|sum(attribute='__class__')", "vars.list|tojson", "vars.text|center(9999999)",
    "vars.text|indent(9999999)", "vars.list|batch(9999999)", "vars.list|slice(9999999)", "vars.map|dictsort",
    "vars.text is sameas vars.text", "vars.text is callable", "vars.text is filter",
]  # fmt: skip
OPERATORS = ["2 ** 9999", "10**5000", "'a' * 9999999", "[1] * 9999999", "1 / 0", "1 // 0", "1 % 0", "'%s' % 1", "+1",
             "(1, 2)", "{1: 2}", "vars.text[1:2]", "vars.list[::2]"]  # fmt: skip
STATEMENTS = [
    "{% for item.attribute in vars.list %}{% endfor %}", "{% for x in vars.list %}{{ x }}{% endfor %}",
    "{% set f = '{0.__class__}'.format %}{{ f }}", "{% set vars.x = 1 %}", "{% macro m() %}{% endmacro %}",
    "{% call x() %}{% endcall %}", "{% filter upper %}x{% endfilter %}", "{% include 'x' %}", "{% import 'x' as x %}",
    "{% from 'x' import y %}", "{% extends 'x' %}", "{% block x %}{% endblock %}", "{% with x = 1 %}{% endwith %}",
    "{% autoescape true %}{% endautoescape %}", "{% trans %}x{% endtrans %}", "{% do vars.list.append(1) %}",
    "{% debug %}", "{% continue %}",
]  # fmt: skip
ATTRIBUTES = [
    "vars.text.__class__", "vars.list.__class__", "vars.map.__dict__", "vars.text.format", "vars.text.upper",
    "vars.list.append", "vars.map.keys", "vars.map['__class__']", "vars.list['__len__']", "vars.number.real",
    "vars.number.__add__", "vars.list[-1]", "vars.list[True]", "pipeline.__init__", "axis.__class__", "inputs.items",
    "vars.text[0]", "self", "loop", "request", "config", "environ", "__builtins__", "scope", "at0", "context",
    "undefined", "varargs", "environment",
]  # fmt: skip


@pytest.mark.parametrize("text", CALLS + FILTERS + OPERATORS)
def test_what_has_escaped_from_sandboxes_is_refused_as_it_is_read(text: str) -> None:
    for read, written in ((parse, f"{{{{ {text} }}}}"), (parse, f"a {{{{ {text} }}}} b"), (expression, text)):
        with pytest.raises(TemplateProblem):
            read(written)


@pytest.mark.parametrize("text", STATEMENTS)
def test_a_statement_that_is_no_if_is_refused_as_it_is_read(text: str) -> None:
    with pytest.raises(TemplateProblem):
        parse(text)


@pytest.mark.parametrize("text", ATTRIBUTES)
def test_an_attribute_is_an_entry_of_data_or_nothing(text: str) -> None:
    with pytest.raises(TemplateProblem):
        parse(f"{{{{ {text} }}}}").render(SCOPE)
    with pytest.raises(TemplateProblem):
        parse(f"a {{{{ {text} }}}}").render(SCOPE)


def test_a_name_of_a_method_is_data_where_data_has_it() -> None:
    assert parse("{{ vars.map.items }}").render(SCOPE) == "data"


def test_nothing_of_a_template_is_ever_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("compiled")

    monkeypatch.setattr("jinja2.Environment.compile", refuse)
    monkeypatch.setattr("jinja2.Environment._compile", refuse)
    grammar._environment.cache_clear()
    parse.cache_clear()
    assert (
        parse("{% if vars.text == 'a' and not vars.list == [2] %}{{ vars.text ~ 1 }}{% else %}b{% endif %}").render(
            SCOPE
        )
        == "a1"
    )


def test_a_node_that_is_on_no_list_is_not_evaluated() -> None:
    from jinja2 import nodes

    with pytest.raises(AssertionError, match="Call is on no list"):
        evaluate.expression(nodes.Call(nodes.Name("x", "load"), [], [], None, None), {}, [])
