"""The frozen graph of cells: who needs whom, what a reference means at a cell's coordinates, who is skipped."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn, TypeAlias

from flowrunner.catalog import Catalog
from flowrunner.errors import InvalidPipeline
from flowrunner.loading.cells import Cell, expand
from flowrunner.loading.decode import unknown_name
from flowrunner.loading.fields import Fields
from flowrunner.loading.scope import Scope
from flowrunner.nodes import MapNode, Node, Scalar
from flowrunner.pipeline import (
    AxisRef,
    AxisValue,
    ImageRef,
    InputRef,
    InputType,
    OutputSpec,
    Pipeline,
    Selector,
    Step,
    StepRef,
    references,
)
from flowrunner.problems import Problem
from flowrunner.slotted import dataclass
from flowrunner.source import Span

if TYPE_CHECKING:
    import networkx as nx

MAX_EDGES = 200_000
_SHOWN = 12
"""Steps of a cycle that a message names."""


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
    faulty: Collection[ImageRef] = ()
    """References of which it is told already what is wrong with them; a graph with any is for looking at only."""

    def targets(self, ref: ImageRef, at: Mapping[str, AxisValue]) -> list[Target]:
        """What a reference means at these coordinates, `else` applied; nothing for what is skipped."""
        if self.faulty and ref in self.faulty:
            return []
        if not isinstance(ref, StepRef):
            return [FromOutside(ref, at)]
        return [target for cell in self.index.aligned(ref.step, at) for target in self._from(cell, ref)]

    def output(self, spec: OutputSpec) -> list[tuple[Target, Cell]]:
        """The images of an output, each with the cell whose coordinates name it."""
        cells = () if spec.ref in self.faulty else self.index.aligned(spec.ref.step, {})
        return [(target, cell) for cell in cells for target in self._from(cell, spec.ref)]

    def _from(self, cell: Cell, ref: StepRef) -> Iterator[Target]:
        if cell.id not in self.skipped:
            selector = Selector.PICKED if ref.selector is Selector.GATHER else ref.selector
            yield FromCell(cell.id, selector, ref.number)
        elif cell.step.otherwise is not None and not self._absent(cell.step.otherwise, cell.at):
            yield from self.targets(cell.step.otherwise, cell.at)

    def _absent(self, ref: ImageRef, at: Mapping[str, AxisValue]) -> bool:
        """An optional image that is not given: by an input, or by a field of an axis value."""
        if isinstance(ref, InputRef):
            value = self.scope.values.get(ref.name)
            return value is not None and value.data is None
        if isinstance(ref, StepRef):
            return False
        node = field_of(ref, at)
        return isinstance(node, Scalar) and node.value is None


def field_of(ref: AxisRef, at: Mapping[str, AxisValue]) -> Node | None:
    """The value that an axis reference names at these coordinates; None where there is no such field."""
    node: Node | None = at[ref.axis].node
    for name in ref.fields:
        node = node.entries.get(name) if isinstance(node, MapNode) else None
    return node


def build(pipeline: Pipeline, scope: Scope, catalog: Catalog) -> tuple[Graph, list[Problem]]:
    """The graph of a pipeline, and warnings. InvalidPipeline with every fault of references, models and templates."""
    graph, problems = draw(pipeline, scope, catalog)
    if any(problem.is_error for problem in problems):
        raise InvalidPipeline(problems)
    return graph, problems


def draw(pipeline: Pipeline, scope: Scope, catalog: Catalog) -> tuple[Graph, list[Problem]]:
    """The same, with the errors among the problems, so that the requests can be looked at all the same.
    InvalidPipeline where there are too many cells or connections to go on."""
    fields = Fields()
    if sum(len(step.after) for step in pipeline.steps.values()) > MAX_EDGES:
        _too_many_edges(next(iter(pipeline.steps.values())), fields)
    expanded = expand(pipeline, scope, catalog, fields)
    refs = {name: list(_references(cells)) for name, cells in expanded.items()}
    faulty = {ref for name, found in refs.items() for ref in found if not _is_sound(ref, name, pipeline, fields)}
    faulty |= {spec.ref for spec in pipeline.outputs.values() if not _is_output(spec, pipeline, fields)}
    _check_after(pipeline, fields)
    _check_many(pipeline, expanded, fields)
    edges = _edges(pipeline, refs)
    order = _order(pipeline, edges, refs, fields, faulty)
    graph = Graph(
        pipeline=pipeline,
        scope=scope,
        cells={cell.id: cell for name in order for cell in expanded[name]},
        index=Index(expanded),
        steps=tuple(order),
        edges=edges,
        needs={},
        skipped={},
        faulty=faulty,
    )
    _wire(graph, fields)
    return graph, fields.problems


def _check_many(pipeline: Pipeline, cells: Mapping[str, Sequence[Cell]], fields: Fields) -> None:
    """A small file can ask for the pictures of all cells again and again."""
    total = 0
    for spec in pipeline.outputs.values():
        total += len(cells.get(spec.ref.step, ()))
        if total > MAX_EDGES:
            message = f"more than {MAX_EDGES:,} pictures in all outputs"
            fields.add("too-many-edges", message, spec.ref.span, "leave out what nobody looks at")
            raise InvalidPipeline(fields.problems)


def _references(cells: Sequence[Cell]) -> Iterator[ImageRef]:
    """Every reference of a step's cells, once."""
    seen: set[int] = set()
    for cell in cells:
        if id(cell.params) not in seen:
            seen.add(id(cell.params))
            for given in cell.params.values():
                yield from (ref for ref, _ in references(given.param))
    if cells:
        yield from cells[0].step.compared
        if cells[0].step.otherwise is not None:
            yield cells[0].step.otherwise


def _is_sound(ref: ImageRef, step: str, pipeline: Pipeline, fields: Fields) -> bool:
    """Whether a reference means something; if not, that is a problem."""
    before = len(fields.problems)
    if isinstance(ref, StepRef):
        _check_step(ref, step, pipeline.steps[step].across, pipeline, fields)
    elif isinstance(ref, InputRef):
        _check_input(ref, pipeline, fields)
    elif ref.axis not in pipeline.axes and ref.axis not in pipeline.unclear:
        unknown_name("axis", ref.axis, ref.span, pipeline.axes, fields)
    elif ref.axis not in pipeline.steps[step].across:
        fields.add("reference", f"{step} has no axis {ref.axis}", ref.span, f"add {ref.axis} to across of {step}")
    return len(fields.problems) == before


def _check_input(ref: InputRef, pipeline: Pipeline, fields: Fields) -> None:
    spec = pipeline.inputs.get(ref.name)
    if spec is None:
        unknown_name("input", ref.name, ref.span, pipeline.inputs, fields)
    elif spec.type is not InputType.IMAGE:
        message = f"input {ref.name} is {spec.type.value}, not an image"
        fields.add("reference", message, ref.span, f"declare it with type: image, at {spec.span}")


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


def _is_output(spec: OutputSpec, pipeline: Pipeline, fields: Fields) -> bool:
    """Whether an output means something; if not, that is a problem."""
    before = len(fields.problems)
    target = pipeline.steps.get(spec.ref.step)
    if target is None:
        unknown_name("step", spec.ref.step, spec.ref.span, pipeline.steps, fields)
    elif spec.ref.selector is Selector.GATHER and not target.across:
        hint = f"write ${spec.ref.step}"
        fields.add("gather", f"{spec.ref} gathers over nothing: {spec.ref.step} has no axes", spec.ref.span, hint)
    elif spec.ref.selector is not Selector.GATHER and target.across:
        message = f"{spec.ref.step} has one picture for each {' and '.join(target.across)}"
        fields.add("axis-lacking", message, spec.ref.span, f"write ${spec.ref.step}.* for all of them")
    return len(fields.problems) == before


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
    pipeline: Pipeline,
    edges: Mapping[str, tuple[str, ...]],
    refs: Mapping[str, list[ImageRef]],
    fields: Fields,
    faulty: set[ImageRef],
) -> list[str]:
    """Steps in topological order, as written where the graph leaves a choice. Each cycle is a problem; the references
    that close it are faulty from then on."""
    position = {name: index for index, name in enumerate(pipeline.steps)}
    if all(position[other] < position[name] for name, others in edges.items() for other in others):
        # As written is an order already, and the first one; networkx takes longer to import than all else together.
        return list(pipeline.steps)
    import networkx as nx

    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(pipeline.steps)
    graph.add_edges_from((other, name) for name, others in edges.items() for other in others)
    for cycle in _cycles(graph, position):
        _report_cycle(cycle, pipeline, refs, fields)
        graph.remove_edge(cycle[-1], cycle[0])
        faulty.update(ref for ref in refs[cycle[0]] if isinstance(ref, StepRef) and ref.step == cycle[-1])
    return list(nx.lexicographical_topological_sort(graph, key=position.__getitem__))


def _cycles(graph: "nx.DiGraph[str]", position: Mapping[str, int]) -> Iterator[list[str]]:
    """One cycle after another, each from its first step on and without those that the last step's edge would close.
    Looked for in each knot by itself: a graph may have thousands of them."""
    import networkx as nx

    knots = [sorted(knot, key=position.__getitem__) for knot in nx.strongly_connected_components(graph)]
    for knot in sorted(knots, key=lambda names: position[names[0]]):
        tied: nx.DiGraph[str] = nx.DiGraph()
        tied.add_nodes_from(knot)
        tied.add_edges_from((one, two) for one in knot for two in graph[one] if two in tied)
        while True:
            try:
                cycle = [edge[0] for edge in nx.find_cycle(tied)]
            except nx.NetworkXNoCycle:
                break
            first = min(range(len(cycle)), key=lambda index: position[cycle[index]])
            cycle = cycle[first:] + cycle[:first]
            tied.remove_edge(cycle[-1], cycle[0])
            yield cycle


def _report_cycle(cycle: list[str], pipeline: Pipeline, refs: Mapping[str, list[ImageRef]], fields: Fields) -> None:
    if len(cycle) == 1:
        span = _place(cycle[0], cycle[0], pipeline, refs)
        fields.add("cycle", f"step {cycle[0]} needs itself", span, "refer to another step")
        return
    shown = cycle if len(cycle) <= _SHOWN else [*cycle[: _SHOWN - 1], "…", cycle[-1]]
    round_trip = " → ".join((*shown, cycle[0]))
    for name, before in zip(cycle, [cycle[-1], *cycle[:-1]], strict=True):
        span = _place(name, before, pipeline, refs)
        fields.add("cycle", f"{name} needs {before}, and so itself: {round_trip}", span, "break the circle here")


def _place(name: str, needed: str, pipeline: Pipeline, refs: Mapping[str, list[ImageRef]]) -> Span:
    for ref in refs[name]:
        if isinstance(ref, StepRef) and ref.step == needed:
            return ref.span
    return next((span for other, span in pipeline.steps[name].after if other == needed), pipeline.steps[name].span)


def _wire(graph: Graph, fields: Fields) -> None:
    """Skips and needs, cell by cell in topological order."""
    edges = 0
    for cell in graph.cells.values():
        found: dict[str, None] = {}
        skip = None if cell.wanted else Skip()
        for needed in _needed(graph, cell) if cell.wanted else ():
            if isinstance(needed, Skip):
                skip = needed
                break
            edges += len(needed)  # an image that is taken twice counts twice: it is resolved twice
            if edges > MAX_EDGES:
                _too_many_edges(cell.step, fields)
            found.update(dict.fromkeys(needed))
        graph.needs[cell.id] = () if skip else tuple(found)
        if skip:
            graph.skipped[cell.id] = skip


def _too_many_edges(step: Step, fields: Fields) -> NoReturn:
    hint = "gather less, or split the pipeline"
    fields.add("too-many-edges", f"more than {MAX_EDGES:,} connections between cells", step.span, hint)
    raise InvalidPipeline(fields.problems)


def _needed(graph: Graph, cell: Cell) -> Iterator[list[str] | Skip]:
    """The cells that each reference and each `after` of a cell means; Skip where one of them has none left."""
    sent = (ref for given in cell.params.values() for ref, _ in references(given.param))
    for ref in (*sent, *cell.step.compared):
        targets = graph.targets(ref, cell.at)
        if not targets and isinstance(ref, StepRef) and ref not in graph.faulty and graph.index.cells[ref.step]:
            yield Skip(graph.index.aligned(ref.step, cell.at)[0].id)
        yield [target.cell for target in targets if isinstance(target, FromCell)]
    for name, _ in cell.step.after:
        waited = graph.index.aligned(name, cell.at) if name in graph.index.cells else ()
        yield [other.id for other in waited if other.id not in graph.skipped]
