"""What templates and references may see at a cell's coordinates: inputs, vars, axis values, the pipeline's name."""

from collections.abc import Collection, Mapping
from typing import Any

from flowrunner.artifact import Artifact
from flowrunner.call import Link
from flowrunner.nodes import ListNode, MapNode, Node, Scalar, plain
from flowrunner.pipeline import AxisValue, InputSpec, InputType, Pipeline, Step
from flowrunner.slotted import dataclass
from flowrunner.templates import Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """An input's value. `node` is where it is written, None when it comes from a command line.

    `image` is set for an image that lies outside the project: its bytes are in the store."""

    data: Any
    node: Scalar | None = None
    image: Artifact | Link | None = None
    path: str | None = None
    """An image inside the project: its path from the project root."""


class Scope:
    """Values by name, and the places where they are written."""

    def __init__(self, pipeline: Pipeline, values: Mapping[str, Value]) -> None:
        """`values` holds every input that has a value; the others are unknown."""
        self.pipeline = pipeline
        self.values = dict(values)
        inputs = {name: self._input(spec) for name, spec in pipeline.inputs.items()}
        variables = {name: plain(node) for name, node in pipeline.vars.items()}
        self._shared = {"inputs": inputs, "vars": variables, "pipeline": {"name": pipeline.name}}
        # Each value is made once: many cells stand at it.
        self._axis = {
            (axis.name, value.id): _seen(axis.name, value) for axis in pipeline.axes.values() for value in axis.values
        }

    @property
    def declared(self) -> dict[str, Collection[str]]:
        """The names below each root."""
        return {
            "inputs": set(self.pipeline.inputs),
            "vars": set(self.pipeline.vars),
            "pipeline": {"name"},
            "axis": {*self.pipeline.axes, *self.pipeline.unclear},
        }

    def declared_for(self, step: Step) -> dict[str, Collection[str]]:
        """The same for the templates of a step: it sees its own axes."""
        return {**self.declared, "axis": step.across}

    @property
    def missing(self) -> list[InputSpec]:
        """Inputs without a value."""
        return [spec for name, spec in self.pipeline.inputs.items() if name not in self.values]

    def at(self, coordinates: Mapping[str, AxisValue]) -> dict[str, Any]:
        """The names of a template at these coordinates. `NAME.id` stands beside NAME: a scalar has no fields, and of a
        mapping that is sent as a whole it is no part."""
        axis: dict[str, Any] = {}
        for name, value in coordinates.items():
            axis.update(self._axis[name, value.id])
        return {**self._shared, "axis": axis}

    def node(self, path: tuple[str, ...], coordinates: Mapping[str, AxisValue]) -> Node | None:
        """The node that a path of a template names, with its place in a file."""
        node = self._root(path, coordinates)
        for part in path[2:]:
            if isinstance(node, MapNode):
                node = node.entries.get(part)
            elif isinstance(node, ListNode) and part.isdigit() and int(part) < len(node.items):
                node = node.items[int(part)]
            else:
                return None
        return node

    def _root(self, path: tuple[str, ...], coordinates: Mapping[str, AxisValue]) -> Node | None:
        if len(path) < 2:
            return None
        if path[0] == "vars":
            return self.pipeline.vars.get(path[1])
        if path[0] == "axis" and path[1] in coordinates:
            return coordinates[path[1]].node
        if path[0] == "inputs" and path[1] in self.values:
            return self.values[path[1]].node
        return None

    def _input(self, spec: InputSpec) -> Any:
        value = self.values.get(spec.name)
        if value is not None:
            return value.data
        return Unknown("string" if spec.type is InputType.IMAGE else spec.type.value)


def _seen(name: str, value: AxisValue) -> dict[str, Any]:
    return {name: plain(value.node), f"{name}.id": value.id}
