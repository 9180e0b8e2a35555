"""Templates: texts in which names stand for inputs, vars and axis values."""

from collections.abc import Collection, Mapping
from functools import lru_cache

from flowrunner.jinja.values import Compiled, PathUse, TemplateProblem, Unknown, UsesUnknown, listed, spelled
from flowrunner.spelling import nearest

__all__ = ["Compiled", "PathUse", "TemplateProblem", "Unknown", "UsesUnknown", "expression", "parse", "undeclared"]


@lru_cache(maxsize=4096)
def parse(text: str) -> Compiled:
    """A text with `{{`, `{%` or `{#` in it. TemplateProblem for what Jinja cannot read, or is not allowed."""
    from flowrunner.jinja.grammar import read

    return read(text)


@lru_cache(maxsize=1024)
def expression(text: str) -> Compiled:
    """An expression without braces, as in `when`; its result counts as true or false. TemplateProblem as for `parse`.

    An input without a value is always UsesUnknown here, unless the expression is false whatever it is."""
    from flowrunner.jinja.grammar import read

    try:
        return read(text, bare=True)
    except TemplateProblem as fault:
        start = text.find("{{")
        if start < 0:
            raise
        bare = " ".join(text.replace("{{", " ").replace("}}", " ").split())
        message = "an expression stands here without braces"
        raise TemplateProblem(message, f"write {bare}", start=start, end=start + 2, code=fault.code) from None


def undeclared(compiled: Compiled, declared: Mapping[str, Collection[str]]) -> list[TemplateProblem]:
    """Names that nothing declares, guarded or not: a guard helps below a declared name only.

    `declared` holds the names under each root: `{"vars": […], "axis": […], "inputs": […], "pipeline": ["name"]}`.
    """
    return [fault for use in compiled.paths for fault in _undeclared(use, declared)]


def _undeclared(use: PathUse, declared: Mapping[str, Collection[str]]) -> list[TemplateProblem]:
    root, *rest = use.path
    if root not in declared:
        return [_problem(use, f"{root} is not defined", _root_hint(use.path, declared))]
    if not rest or rest[0] in declared[root]:
        return []
    known = declared[root]
    near = nearest(rest[0], known)
    offer = f"{root} has {listed(sorted(known))}" if known else f"{root} has no names here"
    hint = f"did you mean {spelled((root, near, *rest[1:]))}?" if near else offer
    return [_problem(use, f"{spelled((root, rest[0]))} is not defined", hint)]


def _root_hint(path: tuple[str, ...], declared: Mapping[str, Collection[str]]) -> str:
    root = path[0]
    if root in ("null", "nil", "undefined"):
        return "null is written none"
    homes = [home for home, names in declared.items() if root in names]
    near = nearest(root, declared)
    if homes or near:
        found = (homes[0], *path) if homes else (str(near), *path[1:])
        return f"did you mean {spelled(found)}?"
    return f"names begin with {listed(f'{name}.' for name in declared)}"


def _problem(use: PathUse, message: str, hint: str) -> TemplateProblem:
    return TemplateProblem(message, hint, start=use.start, end=use.end, code="undefined")
