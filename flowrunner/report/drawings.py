"""The steps of a pipeline as a drawing: what is in it, and two languages in which others draw it, Mermaid and DOT."""

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from flowrunner import escape
from flowrunner.graph import Graph
from flowrunner.pipeline import PickRule, StepRef, references
from flowrunner.providers.registry import LOCAL
from flowrunner.report.groups import plural
from flowrunner.slotted import dataclass

if TYPE_CHECKING:
    from flowrunner.loading.cells import Cell

_LONGEST = 60
"""Code points of a label's line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """One step. `model` is a short name, `fans` what it multiplies over (`product × size, 9 cells`), empty for one
    cell; `chooses` marks a human pick, `is_local` an operation that nobody is paid for."""

    step: str
    model: str
    fans: str
    variants: int
    chooses: bool
    is_local: bool

    @property
    def lines(self) -> tuple[str, ...]:
        """What stands below the step's name."""
        samples = f"{self.variants} variants" if self.variants > 1 else ""
        marks = ", ".join(part for part in (samples, "pick" if self.chooses else "") if part)
        return tuple(line for line in (self.model, self.fans, marks) if line)


@dataclass(frozen=True, slots=True)
class Arrow:
    """From a step to one that needs it. `flows` is False where no picture does: `after`, `else`, `size_of`."""

    source: str
    target: str
    flows: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """Boxes in topological order, and the arrows between them."""

    name: str
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]


def drawing(graph: Graph) -> Drawing:
    """What there is to draw of a pipeline's graph."""
    boxes = tuple(_box(step, graph) for step in graph.steps)
    arrows = tuple(arrow for step in graph.steps for arrow in _arrows(step, graph))
    return Drawing(name=graph.pipeline.name, boxes=boxes, arrows=arrows)


def mermaid(drawn: Drawing) -> str:
    """A Mermaid flowchart, as GitHub shows it in Markdown."""
    names = {box.step: f"s{number}" for number, box in enumerate(drawn.boxes, 1)}
    lines = ["flowchart LR"]
    for box in drawn.boxes:
        label = "<br/>".join([f"<b>{entities(box.step)}</b>", *map(entities, box.lines)])
        kind = ":::pick" if box.chooses else ":::local" if box.is_local else ""
        lines.append(f'    {names[box.step]}["{label}"]{kind}')
    shafts = [(names[arrow.source], "-->" if arrow.flows else "-.->", names[arrow.target]) for arrow in drawn.arrows]
    lines += [f"    {source} {shaft} {target}" for source, shaft, target in shafts]
    lines += ["    classDef pick stroke:#b7791f,stroke-width:2px", "    classDef local stroke-dasharray:3 3"]
    return "\n".join(lines)


def dot(drawn: Drawing) -> str:
    """A graph in Graphviz' language."""
    lines = [f"digraph {_quoted(drawn.name)} {{", "    rankdir=LR"]
    lines.append('    node [shape=box, style=rounded, fontname="sans-serif"]')
    for box in drawn.boxes:
        style = ', color="#b7791f", penwidth=2' if box.chooses else ', style="rounded,dashed"' if box.is_local else ""
        lines.append(f"    {_quoted(box.step)} [label={_quoted(chr(10).join((box.step, *box.lines)))}{style}]")
    for arrow in drawn.arrows:
        style = "" if arrow.flows else " [style=dashed]"
        lines.append(f"    {_quoted(arrow.source)} -> {_quoted(arrow.target)}{style}")
    return "\n".join([*lines, "}"])


def _box(step: str, graph: Graph) -> Box:
    cells = graph.index.cells[step]
    written = graph.pipeline.steps[step]
    count = plural(len(cells), "cell")
    return Box(
        step=step,
        model=escape.line(_models(cells), _LONGEST),
        fans=escape.line(f"{' × '.join(written.across)}, {count}", _LONGEST) if written.across else "",
        variants=written.variants,
        chooses=written.pick.rule is PickRule.HUMAN,
        is_local=all(cell.model is not None and cell.model.provider == LOCAL for cell in cells),
    )


def _models(cells: "Sequence[Cell]") -> str:
    names = list(dict.fromkeys(cell.model.short for cell in cells if cell.model is not None))
    if not names:
        return "a model given by an input" if cells else ""
    return names[0] if len(names) == 1 else f"{len(names)} models"


def _arrows(step: str, graph: Graph) -> Iterator[Arrow]:
    """The arrows to a step, one from each that it needs; a picture that flows wins over everything else."""
    found: dict[str, bool] = {}
    for cell in graph.index.cells[step]:
        for given in cell.params.values():
            for sent, only_size in references(given.param):
                if isinstance(sent, StepRef):
                    found[sent.step] = found.get(sent.step, False) or not only_size
    written = graph.pipeline.steps[step]
    for ref in (*written.compared, written.otherwise):
        if isinstance(ref, StepRef):
            found.setdefault(ref.step, False)
    for name, _ in written.after:
        found.setdefault(name, False)
    yield from (Arrow(source, step, flows) for source, flows in found.items())


def entities(text: str) -> str:
    """Literal text in a quoted label of Mermaid, which takes HTML and entities of its own (`#35;`)."""
    return re.sub(r'[#&<>"`;\\]', lambda found: f"#{ord(found[0])};", escape.visible(text))


def _quoted(text: str) -> str:
    """A double-quoted string of DOT; a line feed in it begins a new line of the label."""
    shown = escape.block(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{shown}"'
