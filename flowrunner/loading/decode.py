"""A pipeline file to a Pipeline: keys, types and names; nothing is combined or looked up."""

from collections.abc import Mapping

from flowrunner import money
from flowrunner.loading.fields import NAME, STEP_ID, Fields, did_you_mean
from flowrunner.loading.inputs import INPUT_KEYS
from flowrunner.loading.params import MARKS, given, reference, templated
from flowrunner.loading.steps import MAX_VARIANTS, RESERVED_STEP_IDS, STEP_KEYS
from flowrunner.nodes import MapNode, Node, Scalar
from flowrunner.pipeline import Budget, Given, OutputSpec, Step, StepRef
from flowrunner.problems import warning
from flowrunner.slotted import dataclass, field
from flowrunner.source import Span

__all__ = ["INPUT_KEYS", "MAX_VARIANTS", "RESERVED_STEP_IDS", "SHARED_KEYS", "STEP_KEYS", "TOP_KEYS"]

VERSION = 1
TOP = ("flowrunner", "name", "description", "provider", "include", "vars", "budget", "inputs", "axes", "defaults")
TOP_KEYS = (*TOP, "steps", "outputs", "previews")
PREVIEWS = (64, 1024)
"""Fewest and most pixels of a preview's longest side."""
SHARED_KEYS = ("flowrunner", "vars", "axes", "defaults")


@dataclass(slots=True)
class Shared:
    """What a pipeline and the files that it includes may both hold."""

    vars: dict[str, tuple[Node, Span]] = field(default_factory=dict)
    axes: dict[str, tuple[Node, Span]] = field(default_factory=dict)
    defaults: dict[str, Given] = field(default_factory=dict)
    timeout: tuple[float, Span] | None = None
    incomplete: bool = False
    """Some of it could not be read."""


def version(root: MapNode, fields: Fields, what: str) -> None:
    """`flowrunner: 1` stands in every file of the language."""
    node = root.entries.get("flowrunner")
    if node is None:
        start = Span(root.span.source, root.span.start, root.span.start)
        fields.add("version", f"{what} begins with flowrunner: {VERSION}", start, f"add the line flowrunner: {VERSION}")
    elif not isinstance(node, Scalar) or node.value is True or node.value != VERSION:
        hint = f"this flowrunner reads version {VERSION}"
        fields.add("version", f"flowrunner: {VERSION} is the only version of the language", node.span, hint)


def shared(root: MapNode, fields: Fields) -> Shared:
    """`vars`, `axes` and `defaults` of a pipeline or of an included file."""
    found = Shared()
    for key, into in (("vars", found.vars), ("axes", found.axes)):
        mapping = fields.named(root.entries[key], key, NAME) if key in root.entries else None
        found.incomplete |= key in root.entries and mapping is None
        if mapping is not None:
            into.update({name: (node, mapping.key(name)) for name, node in mapping.entries.items()})
    for name, (node, _) in found.vars.items():
        _lint_var(name, node, fields)
    if "defaults" in root.entries:
        _defaults(root.entries["defaults"], found, fields)
    return found


def _lint_var(name: str, node: Node, fields: Fields) -> None:
    if isinstance(node, Scalar) and isinstance(node.value, str) and any(mark in node.value for mark in MARKS):
        message = f"vars are data: {name} is sent as it stands, its braces too"
        fields.problems.append(warning("var-template", message, node.span, "put the template where it is used"))


def _defaults(node: Node, found: Shared, fields: Fields) -> None:
    mapping = fields.mapping(node, "defaults")
    if mapping is None:
        return
    fields.known(mapping, ("timeout", "with"), "defaults")
    if "timeout" in mapping.entries:
        seconds = fields.seconds(mapping.entries["timeout"], "timeout")
        found.timeout = (seconds, mapping.key("timeout")) if seconds is not None else None
    params = fields.mapping(mapping.entries["with"], "with") if "with" in mapping.entries else None
    if params is not None:
        found.defaults.update(given(params, fields))


def budget(node: Node | None, fields: Fields) -> Budget:
    """`budget: {max_usd, total_usd}`."""
    mapping = fields.mapping(node, "budget") if node is not None else None
    if mapping is None:
        return Budget()
    fields.known(mapping, ("max_usd", "total_usd"), "budget")
    amounts = {key: _amount(item, key, fields) for key, item in mapping.entries.items()}
    return Budget(max_usd=amounts.get("max_usd"), total_usd=amounts.get("total_usd"), span=mapping.span)


def _amount(node: Node, key: str, fields: Fields) -> int | None:
    try:
        if isinstance(node, Scalar) and not isinstance(node.value, bool | None):
            return money.parse(node.text)
    except ValueError:
        pass
    fields.add("money", f"{key} is an amount of dollars", node.span, "write it as 5 or 0.25")
    return None


def outputs(node: Node | None, fields: Fields, steps: Mapping[str, Step]) -> dict[str, OutputSpec]:
    """`outputs`: what is published under readable names."""
    mapping = fields.named(node, "outputs", STEP_ID) if node is not None else None
    if mapping is None:
        return {}
    found = {}
    for name, item in mapping.entries.items():
        if name in steps:
            hint = "pictures of a step lie under its own name already: choose another"
            fields.add("output", f"output {name} is named like a step", mapping.key(name), hint)
        spec = _output(name, item, mapping.key(name), fields)
        if spec is not None:
            found[name] = spec
    return found


def _output(name: str, node: Node, span: Span, fields: Fields) -> OutputSpec | None:
    written, name_as = node, None
    if isinstance(node, MapNode):
        fields.known(node, ("from", "as"), f"output {name}")
        if "from" not in node.entries:
            fields.add("output", f"output {name} names no image", span, "add from: $step.*")
            return None
        written = node.entries["from"]
        name_as = templated(node.entries["as"], "as", fields) if "as" in node.entries else None
    ref = reference(str(written.value), written.span) if isinstance(written, Scalar) else None
    if isinstance(ref, StepRef):
        return OutputSpec(name=name, span=span, ref=ref, name_as=name_as)
    hint = "write $step, $step.N, $step.images or $step.*"
    fields.add("output", f"output {name} is a reference to images of a step", written.span, hint)
    return None


def unknown_name(kind: str, name: str, span: Span, names: Mapping[str, object], fields: Fields) -> None:
    """A name that is declared nowhere."""
    fields.add(f"unknown-{kind}", f"there is no {kind} {name}", span, did_you_mean(name, list(names)))
