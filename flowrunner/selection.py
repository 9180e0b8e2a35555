"""Selectors: `step`, `step/lamp`, `step/*/de`, `locale=de`."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from flowrunner.errors import UsageError
from flowrunner.graph import Graph
from flowrunner.loading.axes import slug
from flowrunner.loading.cells import Cell
from flowrunner.loading.fields import did_you_mean


def selected(graph: Graph, selectors: Iterable[str]) -> list[str]:
    """The ids of the cells that any selector names, in the graph's order. UsageError for one that names none."""
    found: set[str] = set()
    for selector in selectors:
        matching = [cell.id for cell in graph.cells.values() if _matches(cell, selector)]
        if not matching:
            raise UsageError(f"{selector} names no cell", _hint(graph, selector))
        found.update(matching)
    return [name for name in graph.cells if name in found]


def with_needs(graph: Graph, names: Iterable[str]) -> set[str]:
    """The cells and everything that they need, near or far."""
    found: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += graph.needs[name]
    return found


def _matches(cell: Cell, selector: str) -> bool:
    axis, equals, value = selector.partition("=")
    if equals:
        return axis in cell.at and value in (cell.at[axis].id, cell.at[axis].slug)
    step, *parts = selector.strip("/").split("/")
    values = list(cell.at.values())
    if not fnmatchcase(cell.step.id, step) or len(parts) > len(values):
        return False
    return all(
        fnmatchcase(value.slug, part) or part == value.id or slug(part) == value.slug
        for value, part in zip(values, parts, strict=False)
    )


def _hint(graph: Graph, selector: str) -> str:
    axis, equals, _ = selector.partition("=")
    if equals:
        axes = graph.pipeline.axes
        if axis not in axes:
            return did_you_mean(axis, list(axes), "the pipeline has no axes")
        return f"{axis} has {', '.join(value.id for value in axes[axis].values[:12])}"
    depth = selector.count("/") + 1
    names = dict.fromkeys("/".join(name.split("/")[:depth]) for name in [*graph.cells][:2000])
    return did_you_mean(selector, list(names), "write step, step/value, step/*/value or axis=value")
