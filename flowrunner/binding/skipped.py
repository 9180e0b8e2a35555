"""Cells that are skipped only as long as an input says so. They are bound with that input unknown: what is wrong with
them is told before somebody gives it."""

from collections.abc import Iterator

from flowrunner.binding.binder import Binder
from flowrunner.errors import InvalidPipeline
from flowrunner.graph import Graph, draw
from flowrunner.loading.scope import Scope
from flowrunner.problems import Problem


def problems(graph: Graph, binder: Binder) -> Iterator[list[Problem]]:
    """What is wrong with each cell that is skipped now, and would not be if the inputs that a `when` reads were other
    ones."""
    names = _asked(graph)
    if not names:
        return
    values = {name: value for name, value in graph.scope.values.items() if name not in names}
    try:
        other, _ = draw(graph.pipeline, Scope(graph.pipeline, values), binder.catalog)
        yield from _hidden(graph, other, binder)
    except InvalidPipeline as fault:  # with all of its cells the pipeline is too large
        yield fault.problems


def _hidden(graph: Graph, other: Graph, binder: Binder) -> Iterator[list[Problem]]:
    """What is wrong with the cells that are skipped in a graph, and are not in the other one."""
    hidden = {name for name in graph.skipped if name not in other.skipped}
    needed = _with_needs(other, hidden)
    again = binder.over(other)
    for name in (name for name in other.cells if name in needed):
        bound = again.bind(other.cells[name], lambda _: None)
        if name in hidden:
            yield bound.problems


def _asked(graph: Graph) -> set[str]:
    """The inputs with a value that the `when` of skipped cells reads; all of them where it reads them by a path."""
    found: set[str] = set()
    steps = {graph.cells[name].step.id for name, skip in graph.skipped.items() if skip.because is None}
    for step in steps:
        when = graph.pipeline.steps[step].when
        for use in when.compiled.paths if when else ():
            if use.path[:1] == ("inputs",):
                found.update(use.path[1:2] or graph.scope.values)
    return found & graph.scope.values.keys()


def _with_needs(graph: Graph, names: set[str]) -> set[str]:
    """The cells and everything that they need: what a cell asks of another one follows from the inputs, too."""
    found = set(names)
    for name in reversed([*graph.cells]):  # each stands behind what it needs
        if name in found:
            found.update(graph.needs[name])
    return found
