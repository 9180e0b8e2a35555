"""One cell being bound: what it sees, what was found out so far, and its templates."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from flowrunner.binding.bound import NOTHING, Asked, Known, Path, Said
from flowrunner.graph import FromCell
from flowrunner.loading.cells import Cell
from flowrunner.loading.fields import Fields
from flowrunner.loading.params import template_problem
from flowrunner.loading.scalars import clean
from flowrunner.nodes import ListNode, MapNode, Node, Scalar
from flowrunner.pipeline import Template
from flowrunner.templates import TemplateProblem, Unknown, UsesUnknown

if TYPE_CHECKING:
    from flowrunner.catalog.faults import Fault
    from flowrunner.catalog.model import Model
    from flowrunner.graph import Graph
    from flowrunner.images import Images
    from flowrunner.imaging.typesetting import Typefaces
    from flowrunner.loading.meter import Meter
    from flowrunner.pipeline import Step, TextFile
    from flowrunner.problems import Problem
    from flowrunner.source import Span

_STAND_INS: Mapping[str, Any] = {"integer": 1, "number": 1.0, "boolean": True}


class Binds(Protocol):
    """What the cells of a graph share while they are bound."""

    graph: "Graph"
    images: "Images"
    meter: "Meter"
    typefaces: "Typefaces"
    simulated: bool

    def said(self, target: FromCell, known: Known) -> Said:
        """What a cell that needs another one is told of it."""

    def faults(self, model: "Model", request: Mapping[str, Any]) -> "list[Fault]":
        """What the catalogue says against a request."""

    def text_file(self, param: "TextFile", step: "Step", fields: Fields) -> Template | Scalar | None:
        """The template or text of a file; None where there is none, which `fields` then tells."""


class Work:
    """One cell being bound."""

    def __init__(self, binder: Binds, cell: Cell, known: Known, asked: Asked | None = None) -> None:
        self.binder = binder
        self.cell = cell
        self.known = known
        self.asked: Asked = {} if asked is None else asked
        """What was said of the cells that it needs: all that may change from one binding to the next."""
        self.scope = binder.graph.scope
        self.names = self.scope.at(cell.at)
        self.fields = Fields(binder.meter)
        self.origins: dict[Path, Span] = {}
        """Where each value is written: in the pipeline, in an included file, in a data file."""
        self.templates: dict[Path, Template] = {}
        """The template that gave each value, where one did."""
        self.keys: dict[str, Span] = {}
        self.untold: dict[Path, str] = {}
        """Values of which nothing can be said, with the type of the input that they wait for, if it is one."""
        self.misplaced: dict[str, list[Problem]] = {}
        """References that stand where no image, or no size of one, is taken, by parameter. Where there is no such one,
        that alone is told."""
        self.labels: list[str] = []
        """What a contact sheet calls the images that are sent, in order."""

    def rendered(self, param: Template, path: Path) -> Any:
        """What a template gives; NOTHING for null and for what cannot be rendered."""
        self.templates[path] = param
        try:
            value = param.compiled.render(self.names)
        except UsesUnknown:
            return self.unknown(path)
        except TemplateProblem as fault:
            if not (fault.code == "undefined" and self.scope.pipeline.incomplete):
                self.fields.problems.append(template_problem(fault, param.scalar))
            return self.unknown(path)
        if isinstance(value, Unknown):
            return self.unknown(path, value.type)
        if param.compiled.path is not None:
            node = self.scope.node(param.compiled.path, self.cell.at)
            if node is not None:
                self._places(node, path)
        return NOTHING if value is None else plain(value)

    def ask(self, target: FromCell) -> Said:
        """What is known of a cell that this one needs."""
        return self.asked.setdefault(target, self.binder.said(target, self.known))

    def unknown(self, path: Path, kind: str = "") -> Any:
        """A stand-in of the right type for a value of which no more can be said."""
        self.untold[path] = kind
        return _STAND_INS.get(kind, "…")

    def _places(self, node: Node, path: Path) -> None:
        """A value that stands in an included or a data file is faulted there."""
        self.origins[path] = node.span
        if isinstance(node, MapNode):
            for key, item in node.entries.items():
                self._places(item, (*path, key))
        elif isinstance(node, ListNode):
            sent = (item for item in node.items if not (isinstance(item, Scalar) and item.value is None))
            for index, item in enumerate(sent):
                self._places(item, (*path, index))


def plain(value: Any) -> Any:
    """A value as it is sent and hashed: composed text, whole numbers without a fraction, nulls left out."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [plain(item) for item in value if item is not None]
    return value
