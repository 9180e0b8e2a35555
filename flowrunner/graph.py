"""The frozen graph of cells: who needs whom, what a reference means at a cell's coordinates, who is skipped."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from flowrunner.catalog import Catalog
from flowrunner.errors import InvalidPipeline
from flowrunner.loading.cells import Cell, expand
from flowrunner.loading.decode import unknown_name
from flowrunner.loading.fields import Fields
from flowrunner.loading.scope import Scope
from flowrunner.pipeline import (
    AxisRef,
    AxisValue,
    ImageRef,
    InputRef,
    InputType,
    OutputSpec,
    Pipeline,
    Selector,
    StepRef,
    references,
)
from flowrunner.problems import Problem
from flowrunner.source import Span

MAX_EDGES = 200_000


@dataclass(frozen=True, slots=True)
class FromCell:
    """Images of a cell: the picked one, its candidate `number` (from 1), or all of its candidates."""

    cell: str
    selector: Selector
    number: int


@dataclass(frozen=True, slots=True)
class FromOutside:
    """An image that an input or an axis value gives, at the coordinates of the cell that asks for it."""

    ref: InputRef | AxisRef
    at: Mapping[str, AxisValue]


Target: TypeAlias = FromCell | FromOutside


@dataclass(frozen=True, slots=True)
class Skip:
    """Why a cell does not run: its own `when` (None), or a cell that it would have needed."""

    because: str | None = None


class Index:
    """The cells of every step, found by the coordinates that a reference knows."""

    def __init__(self, cells: Mapping[str, Sequence[Cell]]) -> None:
        self.cells = cells
        self._by: dict[tuple[str, tuple[str, ...]], dict[tuple[str, ...], list[Cell]]] = {}

    def aligned(self, step: str, at: Mapping[str, AxisValue]) -> Sequence[Cell]:
        """The cells of a step that agree with `at` on every axis that both have, in the step's own order."""
        found = self.cells[step]
        shared = tuple(name for name in (found[0].step.across if found else ()) if name in at)
        if not shared:
            return found
        table = self._by.get((step, shared))
        if table is None:
            table = {}
            for cell in found:
                table.setdefault(tuple(cell.at[name].id for name in shared), []).append(cell)
            self._by[step, shared] = table
        return table.get(tuple(at[name].id for name in shared), ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """All cells in an order in which each stands behind what it needs."""

    pipeline: Pipeline
    scope: Scope
    cells: Mapping[str, Cell]
    index: Index
    steps: tuple[str, ...]
    """Step ids in topological order."""
    edges: Mapping[str, tuple[str, ...]]
    """Step id to the steps whose images it takes or for which it waits."""
    needs: dict[str, tuple[str, ...]]
    """Cells that must be done before: by images, and by `after`."""
    skipped: dict[str, Skip]

    def targets(self, ref: ImageRef, at: Mapping[str, AxisValue]) -> list[Target]:
        """What a reference means at these coordinates, `else` applied; nothing for what is skipped."""
        if not isinstance(ref, StepRef):
            return [FromOutside(ref, at)]
        return [target for cell in self.index.aligned(ref.step, at) for target in self._from(cell, ref)]

    def output(self, spec: OutputSpec) -> list[tuple[Target, Cell]]:
        """The images of an output, each with the cell whose coordinates name it."""
        cells = self.index.aligned(spec.ref.step, {})
        return [(target, cell) for cell in cells for target in self._from(cell, spec.ref)]

    def _from(self, cell: Cell, ref: StepRef) -> Iterator[Target]:
        if cell.id not in self.skipped:
            selector = Selector.PICKED if ref.selector is Selector.GATHER else ref.selector
            yield FromCell(cell.id, selector, ref.number)
        elif cell.step.otherwise is not None and not self._absent(cell.step.otherwise):
            yield from self.targets(cell.step.otherwise, cell.at)

    def _absent(self, ref: ImageRef) -> bool:
        """An optional image input that was not given."""
        return isinstance(ref, InputRef) and ref.name in self.scope.values and self.scope.values[ref.name].data is None


def build(pipeline: Pipeline, scope: Scope, catalog: Catalog) -> tuple[Graph, list[Problem]]:
    """The graph of a pipeline, and warnings. InvalidPipeline with every fault of references, models and templates."""
    fields = Fields()
    expanded = expand(pipeline, scope, catalog, fields)
    refs = {name: list(_references(cells)) for name, cells in expanded.items()}
    for name, found in refs.items():
        for ref in found:
            _check(ref, name, pipeline, fields)
    _check_outputs(pipeline, fields)
    _check_after(pipeline, fields)
    edges = _edges(pipeline, refs)
    order = _order(pipeline, edges, refs, fields)
    if any(problem.is_error for problem in fields.problems):
        raise InvalidPipeline(fields.problems)
    graph = Graph(
        pipeline=pipeline,
        scope=scope,
        cells={cell.id: cell for name in order for cell in expanded[name]},
        index=Index(expanded),
        steps=tuple(order),
        edges=edges,
        needs={},
        skipped={},
    )
    _wire(graph)
    return graph, fields.problems


def _references(cells: Sequence[Cell]) -> Iterator[ImageRef]:
    """Every reference of a step's cells, once."""
    seen: set[int] = set()
    for cell in cells:
        if id(cell.params) not in seen:
            seen.add(id(cell.params))
            for given in cell.params.values():
                yield from (ref for ref, _ in references(given.param))
    if cells and cells[0].step.otherwise is not None:
        yield cells[0].step.otherwise


def _check(ref: ImageRef, step: str, pipeline: Pipeline, fields: Fields) -> None:
    across = pipeline.steps[step].across
    if isinstance(ref, StepRef):
        _check_step(ref, step, across, pipeline, fields)
    elif isinstance(ref, InputRef):
        spec = pipeline.inputs.get(ref.name)
        if spec is None:
            unknown_name("input", ref.name, ref.span, pipeline.inputs, fields)
        elif spec.type is not InputType.IMAGE:
            message = f"input {ref.name} is {spec.type.value}, not an image"
            fields.add("reference", message, ref.span, f"declare it with type: image, at {spec.span}")
    elif ref.axis not in pipeline.axes:
        unknown_name("axis", ref.axis, ref.span, pipeline.axes, fields)
    elif ref.axis not in across:
        fields.add("reference", f"{step} has no axis {ref.axis}", ref.span, f"add {ref.axis} to across of {step}")


def _check_step(ref: StepRef, step: str, across: tuple[str, ...], pipeline: Pipeline, fields: Fields) -> None:
    target = pipeline.steps.get(ref.step)
    if target is None:
        unknown_name("step", ref.step, ref.span, pipeline.steps, fields)
        return
    lacking = [name for name in target.across if name not in across]
    if ref.selector is Selector.GATHER:
        if not lacking:
            message = f"{ref} gathers over nothing: {step} has every axis of {ref.step}"
            fields.add("gather", message, ref.span, f"write ${ref.step}")
    elif lacking:
        axes = " and ".join(lacking)
        message = f"{ref.step} has one picture for each {axes}, which {step} lacks"
        hint = f"write ${ref.step}.* for all of them, or add {axes} to across of {step}"
        fields.add("axis-lacking", message, ref.span, hint)


def _check_outputs(pipeline: Pipeline, fields: Fields) -> None:
    for spec in pipeline.outputs.values():
        target = pipeline.steps.get(spec.ref.step)
        if target is None:
            unknown_name("step", spec.ref.step, spec.ref.span, pipeline.steps, fields)
        elif spec.ref.selector is Selector.GATHER and not target.across:
            hint = f"write ${spec.ref.step}"
            fields.add("gather", f"{spec.ref} gathers over nothing: {spec.ref.step} has no axes", spec.ref.span, hint)
        elif spec.ref.selector is not Selector.GATHER and target.across:
            message = f"{spec.ref.step} has one picture for each {' and '.join(target.across)}"
            fields.add("axis-lacking", message, spec.ref.span, f"write ${spec.ref.step}.* for all of them")


def _check_after(pipeline: Pipeline, fields: Fields) -> None:
    for step in pipeline.steps.values():
        for name, span in step.after:
            if name.removeprefix("$") not in pipeline.steps:
                unknown_name("step", name, span, pipeline.steps, fields)
            elif name.startswith("$"):
                fields.add("after", "after takes the names of steps, without $", span, f"write {name[1:]}")


def _edges(pipeline: Pipeline, refs: Mapping[str, list[ImageRef]]) -> dict[str, tuple[str, ...]]:
    edges = {}
    for name, step in pipeline.steps.items():
        found = [ref.step for ref in refs[name] if isinstance(ref, StepRef)]
        found += [after for after, _ in step.after]
        edges[name] = tuple(dict.fromkeys(other for other in found if other in pipeline.steps))
    return edges


def _order(
    pipeline: Pipeline, edges: Mapping[str, tuple[str, ...]], refs: Mapping[str, list[ImageRef]], fields: Fields
) -> list[str]:
    """Steps in topological order, as written where the graph leaves a choice; a cycle is a problem."""
    position = {name: index for index, name in enumerate(pipeline.steps)}
    if all(position[other] < position[name] for name, others in edges.items() for other in others):
        # As written is an order already, and the first one; networkx takes longer to import than all else together.
        return list(pipeline.steps)
    import networkx as nx

    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(pipeline.steps)
    graph.add_edges_from((other, name) for name, others in edges.items() for other in others)
    try:
        return list(nx.lexicographical_topological_sort(graph, key=position.__getitem__))
    except nx.NetworkXUnfeasible:
        cycle = [edge[0] for edge in nx.find_cycle(graph)]
        first = min(range(len(cycle)), key=lambda index: position[cycle[index]])
        cycle = cycle[first:] + cycle[:first]
        _report_cycle(cycle, pipeline, refs, fields)
        return []


def _report_cycle(cycle: list[str], pipeline: Pipeline, refs: Mapping[str, list[ImageRef]], fields: Fields) -> None:
    if len(cycle) == 1:
        span = _place(cycle[0], cycle[0], pipeline, refs)
        fields.add("cycle", f"step {cycle[0]} needs itself", span, "refer to another step")
        return
    for name, before in zip(cycle, [cycle[-1], *cycle[:-1]], strict=True):
        span = _place(name, before, pipeline, refs)
        round_trip = " → ".join((*cycle, cycle[0]))
        fields.add("cycle", f"{name} needs {before}, which needs {name}: {round_trip}", span, "break the circle here")


def _place(name: str, needed: str, pipeline: Pipeline, refs: Mapping[str, list[ImageRef]]) -> Span:
    for ref in refs[name]:
        if isinstance(ref, StepRef) and ref.step == needed:
            return ref.span
    return next((span for other, span in pipeline.steps[name].after if other == needed), pipeline.steps[name].span)


def _wire(graph: Graph) -> None:
    """Skips and needs, cell by cell in topological order."""
    edges = 0
    for cell in graph.cells.values():
        if not cell.wanted:
            graph.skipped[cell.id] = Skip()
            graph.needs[cell.id] = ()
            continue
        needs = _needs(graph, cell)
        if isinstance(needs, Skip):
            graph.skipped[cell.id] = needs
            graph.needs[cell.id] = ()
            continue
        graph.needs[cell.id] = needs
        edges += len(needs)
        if edges > MAX_EDGES:
            fields = Fields()
            hint = "gather less, or split the pipeline"
            fields.add("too-many-edges", f"more than {MAX_EDGES:,} connections between cells", cell.step.span, hint)
            raise InvalidPipeline(fields.problems)


def _needs(graph: Graph, cell: Cell) -> tuple[str, ...] | Skip:
    found: dict[str, None] = {}
    for given in cell.params.values():
        for ref, _ in references(given.param):
            targets = graph.targets(ref, cell.at)
            if not targets and isinstance(ref, StepRef):
                upstream = graph.index.aligned(ref.step, cell.at)
                return Skip(upstream[0].id if upstream else None)
            found.update(dict.fromkeys(target.cell for target in targets if isinstance(target, FromCell)))
    for name, _ in cell.step.after:
        waited = graph.index.aligned(name, cell.at)
        found.update(dict.fromkeys(other.id for other in waited if other.id not in graph.skipped))
    return tuple(found)
