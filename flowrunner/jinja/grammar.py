"""What a template may say: Jinja's syntax read once, held to a list, rewritten to functions of ours.

Jinja gives the lexer and the parser. The rewritten tree holds no name, attribute, filter or call of the author: a path
has become `look`, every operator, filter and test a function of the module `filters`, each with its place in the text.
`evaluate` walks it; Jinja's compiler, which would fold `10**5000`, is never asked.

Only `flowrunner.templates` imports this module, and late: it loads jinja2.
"""

import math
import re
from collections.abc import Callable, Mapping
from functools import cache, reduce
from itertools import takewhile
from typing import Any, cast

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from flowrunner.jinja import evaluate, filters
from flowrunner.jinja.tokens import NODES, Tokens
from flowrunner.jinja.values import (
    EXACT,
    At,
    Compiled,
    Pass,
    PathUse,
    TemplateProblem,
    UsesUnknown,
    bounded,
    look,
    text,
    typed,
)
from flowrunner.spelling import nearest

_Path = nodes.Name | nodes.Getattr | nodes.Getitem
ROOTS = ("inputs", "vars", "axis", "pipeline")
_DEPTH = 20
_SURROGATE = re.compile("[\ud800-\udfff]")

_INSTEAD = {
    "test none": "write `== none`",
    "test undefined": "write `is not defined`",
    "test in": "write `a in b`",
    "filter d": "write default",
    "filter tojson": "one whole {{ expression }} keeps its type",
}
_ARITHMETIC = "templates have + and - of numbers, and ~ for text; write other results where the data stands"
_REFUSED: Mapping[type[nodes.Node], tuple[str, str]] = {
    nodes.Call: ("functions cannot be called in templates", f"there are filters: {', '.join(filters.FILTERS)}"),
    nodes.Mul: ("`*` is not available in templates", _ARITHMETIC),
    nodes.Div: ("`/` is not available in templates", _ARITHMETIC),
    nodes.FloorDiv: ("`//` is not available in templates", _ARITHMETIC),
    nodes.Mod: ("`%` is not available in templates", _ARITHMETIC),
    nodes.Pow: ("`**` is not available in templates", _ARITHMETIC),
    nodes.Pos: ("a number takes no + before it", "leave it out"),
    nodes.Dict: ("a mapping cannot be written in a template", "write it in YAML, with a template for each value"),
    nodes.Tuple: ("a list in a template stands in brackets", "write [a, b]"),
    nodes.Slice: ("slices are not available in templates", "first, last and [0] take one item of a list"),
}


def read(source: str, *, bare: bool = False) -> Compiled:
    """A text with templates in it, or (`bare`) one expression without braces. TemplateProblem for whatever is wrong."""
    tokens = Tokens(source)
    try:
        tree = _expression_tree(tokens) if bare else _tree(tokens)
        return _compiled(tree, tokens, bare=bare)
    except TemplateSyntaxError as fault:
        raise tokens.unread(fault.lineno, fault) from None
    except RecursionError:
        raise tokens.fault(0, "this template is nested too deeply", "at most 20 levels", "template-limit") from None
    except (ValueError, ArithmeticError, RuntimeError, SyntaxError) as fault:
        raise tokens.fault(tokens.at, f"this template cannot be read: {fault}") from None


def _tree(tokens: Tokens) -> nodes.Template:
    parser = Parser(_environment(), "")
    parser.stream = tokens.stream(_environment().lexer)
    return parser.parse()


def _expression_tree(tokens: Tokens) -> nodes.Template:
    parser = Parser(_environment(), "")
    parser.stream = tokens.stream(_environment().lexer, "variable")
    tree = parser.parse_expression()
    if not parser.stream.eos:
        raise tokens.fault(parser.stream.current.lineno, "the expression ends before this", "write one expression")
    return nodes.Template([nodes.Output([tree], lineno=0)], lineno=0)


def _measured(tree: nodes.Template, tokens: Tokens) -> int:
    waiting: list[tuple[nodes.Node, int]] = [(tree, 0)]
    count = 0
    while waiting:
        node, depth = waiting.pop()
        count += 1
        if count > NODES or depth > _DEPTH:
            message = f"this template has more than {NODES} parts, or {_DEPTH} levels"
            raise tokens.fault(node.lineno, message, "move text into vars, or into an axis", "template-limit")
        waiting += [(child, depth + 1) for child in node.iter_child_nodes()]
    return count


def _compiled(tree: nodes.Template, tokens: Tokens, *, bare: bool) -> Compiled:
    parts = _measured(tree, tokens)
    reader = _Reader(tokens)
    whole = _whole(tree)
    value = None if whole is None else reader.result(whole, Pass.NOTHING if bare else Pass.UNKNOWN)
    body = reader.statements(tree.body) if whole is None else []
    paths = tuple(sorted(reader.paths, key=lambda use: use.start))
    pure = isinstance(whole, _Path) and paths[0].complete
    at = At(start=0, end=len(tokens.source), words="it")
    return Compiled(
        text=tokens.source,
        parts=parts,
        paths=paths,
        whole=whole is not None,
        path=paths[0].path if pure else None,
        run=_condition(value, reader.places) if bare else _runner(value, body, reader.places, at),
    )


def _whole(tree: nodes.Template) -> nodes.Expr | None:
    """The expression, where there is nothing else."""
    match tree.body:
        case [nodes.Output() as output] if len(output.nodes) == 1:
            only = output.nodes[0]
            return None if isinstance(only, nodes.TemplateData) else only
    return None


class _Reader:
    """Walks a tree of Jinja's and writes another that holds only what is allowed."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self.paths: list[PathUse] = []
        self.places: list[At] = []

    def result(self, node: nodes.Expr, passes: Pass) -> nodes.Expr:
        return self._apply("typed", self.expression(node, passes), self._at(node))

    def statements(self, body: list[nodes.Node]) -> list[nodes.Node]:
        return [self._statement(node) for node in body]

    def _statement(self, node: nodes.Node) -> nodes.Node:
        if isinstance(node, nodes.Output):
            return nodes.Output([self._text(part) for part in node.nodes])
        if isinstance(node, nodes.If):
            return self._branches(node)
        raise self._refused(node)

    def _branches(self, node: nodes.If) -> nodes.If:
        test = self.expression(cast("nodes.Expr", node.test))
        others = [self._branches(other) for other in node.elif_]
        return nodes.If(test, self.statements(node.body), others, self.statements(node.else_))

    def _text(self, node: nodes.Expr) -> nodes.Expr:
        if isinstance(node, nodes.TemplateData):
            return node
        return self._apply("text", self.expression(node), self._at(node))

    def expression(self, node: nodes.Expr, passes: Pass = Pass.NOTHING) -> nodes.Expr:
        match node:
            case nodes.Name() | nodes.Getattr() | nodes.Getitem():
                return self._path(node, passes)
            case nodes.Const():
                return self._constant(node)
            case nodes.List():
                return nodes.List([self._literal(item) for item in node.items])
            case nodes.Filter():
                return self._filter(node, passes)
            case nodes.Test():
                return self._test(node)
            case nodes.Compare():
                return self._comparison(node)
            case nodes.CondExpr():
                return self._conditional(node, passes)
        return self._operation(node)

    def _operation(self, node: nodes.Expr) -> nodes.Expr:
        match node:
            case nodes.And() | nodes.Or():
                return type(node)(self.expression(node.left), self.expression(node.right))
            case nodes.Not():
                return nodes.Not(self.expression(node.node))
            case nodes.Neg():
                return self._apply("negate", self.expression(node.node), self._at(node))
            case nodes.Add() | nodes.Sub():
                name = "add" if isinstance(node, nodes.Add) else "subtract"
                return self._apply(name, self.expression(node.left), self._at(node), self.expression(node.right))
            case nodes.Concat():
                first, *rest = [self._text(part) for part in node.nodes]
                return self._apply("concat", first, self._at(node), *rest)
        raise self._refused(node)

    def _path(self, node: nodes.Expr, passes: Pass) -> nodes.Expr:
        keys: list[nodes.Expr] = []
        base = node
        while not isinstance(base, nodes.Name):
            if isinstance(base, nodes.Getattr):
                keys.insert(0, nodes.Const(base.attr))
            elif isinstance(base, nodes.Getitem):
                keys.insert(0, self._key(base.arg, passes))
            else:
                raise self._fault(node, "only names have parts", "write a path such as axis.product.name")
            base = base.node
        if not keys and base.name in ROOTS:
            raise self._fault(node, f"{base.name} is a group of names", f"take one of them: {base.name}.NAME")
        keys.insert(0, nodes.Const(base.name))
        self._use(node, keys, passes)
        return self._apply("look", nodes.Name("scope", "load"), self._at(node, passes=passes), *keys)

    def _use(self, node: nodes.Expr, keys: list[nodes.Expr], passes: Pass) -> None:
        static = [str(key.value) for key in takewhile(lambda key: isinstance(key, nodes.Const), keys)]  # type: ignore[attr-defined]
        start, end = self.tokens.span(node)
        use = PathUse(
            path=tuple(static),
            start=start,
            end=end,
            guarded=Pass.MISSING in passes,
            complete=len(static) == len(keys),
        )
        self.paths.append(use)

    def _key(self, node: nodes.Expr, passes: Pass) -> nodes.Expr:
        if isinstance(node, _Path):
            return self._path(node, passes & Pass.MISSING)
        if isinstance(node, nodes.Const) and isinstance(node.value, str | int) and not isinstance(node.value, bool):
            return self._constant(node)
        raise self._refused(node, "only a name, a whole number or a quoted text stands in [ ]")

    def _constant(self, node: nodes.Const) -> nodes.Expr:
        value = node.value
        if isinstance(value, str) and _SURROGATE.search(value):
            raise self._fault(node, "half of a character (a surrogate) cannot be sent", "write the character itself")
        if isinstance(value, int | float) and (not math.isfinite(value) or abs(value) > EXACT):
            raise self._fault(node, "a number over 2^53 is not exact", "quote it to make it text")
        return nodes.Const(value)

    def _literal(self, node: nodes.Expr) -> nodes.Expr:
        if isinstance(node, nodes.Neg) and isinstance(node.node, nodes.Const):
            return self.expression(node)
        if isinstance(node, nodes.Const):
            return self._constant(node)
        raise self._refused(node, "a list in a template holds plain texts and numbers")

    def _filter(self, node: nodes.Filter, passes: Pass) -> nodes.Expr:
        known = filters.FILTERS.get(node.name)
        if known is None or node.node is None:
            raise self._unknown(node, "filter", filters.FILTERS)
        if node.kwargs or node.dyn_args or node.dyn_kwargs:
            raise self._fault(node, f"{node.name} takes its arguments by position", f"write {node.name}(a, b)")
        if not known.least <= len(node.args) <= known.most:
            raise self._fault(node, f"{node.name} takes {_arguments(known)}, not {len(node.args)}")
        lets = {"default": passes | Pass.MISSING, "first": passes & Pass.MISSING, "last": passes & Pass.MISSING}
        inner = lets.get(node.name, Pass.NOTHING)
        outer = passes if node.name == "default" else Pass.NOTHING
        args = [self._argument(arg, outer) for arg in node.args]
        return self._apply(node.name, self.expression(node.node, inner), self._at(node, node.node, inner), *args)

    def _argument(self, node: nodes.Expr, passes: Pass) -> nodes.Expr:
        if isinstance(node, _Path):
            return self._path(node, passes)
        if isinstance(node, nodes.List):
            return self.expression(node)
        return self._literal(node)

    def _test(self, node: nodes.Test) -> nodes.Expr:
        if node.name not in filters.TESTS or node.args or node.kwargs or node.dyn_args or node.dyn_kwargs:
            raise self._unknown(node, "test", filters.TESTS)
        if node.name != "defined":
            return self._apply(f"is {node.name}", self.expression(node.node), self._at(node, node.node))
        if not isinstance(node.node, _Path):
            raise self._fault(node, "`is defined` asks about a name", "write a path such as axis.product.name")
        return self._apply("is defined", self._path(node.node, Pass.MISSING | Pass.UNKNOWN), self._at(node))

    def _comparison(self, node: nodes.Compare) -> nodes.Expr:
        values = [self.expression(node.expr), *(self.expression(operand.expr) for operand in node.ops)]
        pairs = zip(node.ops, values, values[1:], strict=False)
        each = [self._apply(operand.op, left, self._at(node), right) for operand, left, right in pairs]
        return reduce(nodes.And, each)

    def _conditional(self, node: nodes.CondExpr, passes: Pass) -> nodes.Expr:
        if node.expr2 is None:
            hint = 'write {{ A if B else "" }}; with `else none` a parameter is not sent'
            raise self._fault(node, "this `if` needs its `else`", hint)
        yes, no = self.expression(node.expr1, passes), self.expression(node.expr2, passes)
        return nodes.CondExpr(self.expression(node.test), yes, no)

    def _apply(self, function: str, value: nodes.Expr, at: At, *args: nodes.Expr) -> nodes.Expr:
        self.places.append(at)
        place = nodes.Const(len(self.places) - 1)
        return nodes.Filter(value, function, [place, *args], [], None, None)

    def _at(self, node: nodes.Expr, value: nodes.Expr | None = None, passes: Pass = Pass.NOTHING) -> At:
        start, end = self.tokens.span(node)
        return At(start=start, end=end, words=self.tokens.words(value or node), passes=passes)

    def _fault(self, node: nodes.Node, message: str, hint: str = "") -> TemplateProblem:
        start, end = self.tokens.span(node)
        return self.tokens.fault(start, message, hint, "template-construct", end)

    def _refused(self, node: nodes.Node, otherwise: str = "") -> TemplateProblem:
        message, hint = _REFUSED.get(type(node), (otherwise or "this is not available in templates", ""))
        return self._fault(node.node if isinstance(node, nodes.Call) else node, message, hint)

    def _unknown(self, node: nodes.Filter | nodes.Test, noun: str, known: Mapping[str, Any]) -> TemplateProblem:
        hint = _INSTEAD.get(f"{noun} {node.name}")
        near = nearest(node.name, known)
        offer = f"did you mean {near}?" if near else f"the {noun}s are {', '.join(known)}"
        message = f"there is no {noun} `{node.name}` in templates"
        return self.tokens.fault(node.lineno, message, hint or offer, "template-construct")


def _arguments(known: filters.Filter) -> str:
    if known.least == known.most:
        return f"{known.most or 'no'} argument{'' if known.most == 1 else 's'}"
    return f"at most {known.most} argument{'' if known.most == 1 else 's'}"


@cache
def _environment() -> Environment:
    """Of Jinja the lexer and the parser are used; should ever more be, then in its sandbox, with no name in it."""
    environment = ImmutableSandboxedEnvironment(keep_trailing_newline=True, autoescape=False, optimized=False)
    environment.globals.clear()
    environment.tests.clear()
    environment.filters.clear()
    return environment


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    **{name: known.function for name, known in filters.FILTERS.items()},
    **{f"is {name}": test for name, test in filters.TESTS.items()},
    **filters.COMPARISONS,
    "look": look,
    "text": text,
    "typed": typed,
    "add": filters.add,
    "subtract": filters.subtract,
    "negate": filters.negate,
    "concat": filters.concat,
}
"""By the names that they have in a rewritten tree."""


def _runner(
    whole: nodes.Expr | None, body: list[nodes.Node], places: list[At], at: At
) -> Callable[[Mapping[str, Any]], Any]:
    if whole is not None:
        return evaluate.expression(whole, _FUNCTIONS, places)
    run = evaluate.text(body, _FUNCTIONS, places)
    return lambda scope: bounded(run(scope), at)


def _condition(whole: nodes.Expr | None, places: list[At]) -> Callable[[Mapping[str, Any]], Any]:
    """An expression that is false also where no value of an input that has none could make it true."""
    assert isinstance(whole, nodes.Filter)  # what keeps its type
    run = evaluate.expression(whole, _FUNCTIONS, places)
    truth = evaluate.truth(cast("nodes.Node", whole.node), _FUNCTIONS, places)

    def known(scope: Mapping[str, Any]) -> Any:
        try:
            return run(scope)
        except UsesUnknown:
            if truth(scope) is False:
                return False
            raise

    return known
