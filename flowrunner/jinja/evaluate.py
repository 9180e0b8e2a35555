"""A template's tree, held to the list and rewritten, as a function of its scope. Nothing is compiled: no word of an
author's ever becomes Python."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from jinja2 import nodes

from flowrunner.jinja.values import At, TemplateProblem, UsesUnknown

Scope: TypeAlias = Mapping[str, Any]
Run: TypeAlias = Callable[[Scope], Any]


def expression(node: nodes.Node, functions: Mapping[str, Callable[..., Any]], places: Sequence[At]) -> Run:
    """The value of an expression. `functions` are what its operators, filters and tests have become; the first argument
    of each is its place, the number of one of `places`."""

    def made(part: nodes.Node | None) -> Run:
        assert part is not None
        return expression(part, functions, places)

    match node:
        case nodes.Const():
            constant = node.value
            return lambda _: constant
        case nodes.Name():
            return lambda scope: scope
        case nodes.List():
            items = [made(item) for item in node.items]
            return lambda scope: [item(scope) for item in items]
        case nodes.Not():
            inner = made(node.node)
            return lambda scope: not inner(scope)
        case nodes.And():
            left, right = made(node.left), made(node.right)
            return lambda scope: left(scope) and right(scope)
        case nodes.Or():
            left, right = made(node.left), made(node.right)
            return lambda scope: left(scope) or right(scope)
        case nodes.CondExpr():
            test, yes, no = made(node.test), made(node.expr1), made(node.expr2)
            return lambda scope: yes(scope) if test(scope) else no(scope)
        case nodes.Filter():
            function, at = functions[node.name], places[node.args[0].as_const()]
            value, rest = made(node.node), [made(part) for part in node.args[1:]]
            return lambda scope: function(value(scope), at, *[part(scope) for part in rest])
    raise AssertionError(f"{type(node).__name__} is on no list")


def truth(
    node: nodes.Node, functions: Mapping[str, Callable[..., Any]], places: Sequence[At]
) -> Callable[[Scope], bool | None]:
    """Whether a condition holds; None where an input without a value, or a mistake, keeps that from being known. One
    side of `and` and `or` may decide alone."""
    match node:
        case nodes.And() | nodes.Or():
            decides = isinstance(node, nodes.Or)
            left, right = truth(node.left, functions, places), truth(node.right, functions, places)

            def either(scope: Scope) -> bool | None:
                found = left(scope), right(scope)
                return decides if decides in found else None if None in found else not decides

            return either
        case nodes.Not():
            inner = truth(node.node, functions, places)
            return lambda scope: None if (found := inner(scope)) is None else not found
    value = expression(node, functions, places)

    def known(scope: Scope) -> bool | None:
        try:
            return bool(value(scope))
        except (UsesUnknown, TemplateProblem):
            return None

    return known


def text(body: Sequence[nodes.Node], functions: Mapping[str, Callable[..., Any]], places: Sequence[At]) -> Run:
    """The text of statements: what is written between the tags, values and branches."""
    parts = [part for node in body for part in _parts(node, functions, places)]
    return lambda scope: "".join([part(scope) for part in parts])


def _parts(node: nodes.Node, functions: Mapping[str, Callable[..., Any]], places: Sequence[At]) -> list[Run]:
    if isinstance(node, nodes.If):
        return [_branches(node, functions, places)]
    assert isinstance(node, nodes.Output)
    return [
        _literal(part.data) if isinstance(part, nodes.TemplateData) else expression(part, functions, places)
        for part in node.nodes
    ]


def _literal(data: str) -> Run:
    return lambda _: data


def _branches(node: nodes.If, functions: Mapping[str, Callable[..., Any]], places: Sequence[At]) -> Run:
    branches = [
        (expression(branch.test, functions, places), text(branch.body, functions, places))
        for branch in (node, *node.elif_)
    ]
    otherwise = text(node.else_, functions, places)

    def run(scope: Scope) -> Any:
        return next((body for test, body in branches if test(scope)), otherwise)(scope)

    return run
