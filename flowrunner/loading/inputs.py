"""Inputs as declared: types, defaults and bounds; and whether a value fits."""

from flowrunner.loading.fields import NAME, Fields
from flowrunner.loading.scalars import EXACT
from flowrunner.nodes import ListNode, Node, Scalar, noun
from flowrunner.pipeline import InputSpec, InputType
from flowrunner.source import Span

INPUT_KEYS = ("type", "enum", "default", "description", "minimum", "maximum", "minLength", "maxLength")


def inputs(node: Node | None, fields: Fields) -> dict[str, InputSpec]:
    """`inputs`: declared values that a run may be given."""
    mapping = fields.named(node, "inputs", NAME) if node is not None else None
    if mapping is None:
        return {}
    return {name: _input(name, item, mapping.key(name), fields) for name, item in mapping.entries.items()}


def _input(name: str, node: Node, span: Span, fields: Fields) -> InputSpec:
    if isinstance(node, Scalar) and node.value is None:
        return InputSpec(name=name, span=span)
    mapping = fields.mapping(node, f"input {name}")
    if mapping is None:
        return InputSpec(name=name, span=span)
    fields.known(mapping, INPUT_KEYS, f"input {name}")
    entries = mapping.entries
    kind = fields.one_of(entries["type"], "type", tuple(InputType)) if "type" in entries else None
    enum = _enum(entries.get("enum"), fields)
    default = entries.get("default")
    if default is not None and not isinstance(default, Scalar):
        fields.add("type", f"the default of an input is one value; this is {noun(default)}", default.span)
        default = None
    lengths = {key: fields.integer(entries[key], key, 0, 10**6) for key in INPUT_KEYS[6:] if key in entries}
    bounds = {key: fields.number(entries[key], key) for key in INPUT_KEYS[4:6] if key in entries}
    spec = InputSpec(
        name=name,
        span=span,
        type=InputType(kind) if kind else _inferred(enum),
        enum=enum,
        default=default,
        description=(fields.text(entries["description"], "description") or "") if "description" in entries else "",
        minimum=bounds.get("minimum"),
        maximum=bounds.get("maximum"),
        min_length=lengths.get("minLength"),
        max_length=lengths.get("maxLength"),
    )
    if default is not None and default.value is not None and (kind or "type" not in entries):
        fault = mismatch(spec, default.value)
        if fault:
            textual = spec.type is InputType.STRING and not isinstance(default.value, str)
            fields.add("input", fault, default.span, f'write "{default.text}"' if textual else "")
    return spec


def _enum(node: Node | None, fields: Fields) -> tuple[str | int | float | bool, ...]:
    if node is None:
        return ()
    if isinstance(node, ListNode) and node.items:
        values = [item.value for item in node.items if isinstance(item, Scalar) and item.value is not None]
        if len(values) == len(node.items):
            return tuple(values)
    fields.add("type", "enum is a list of the allowed values", node.span)
    return ()


def _inferred(enum: tuple[str | int | float | bool, ...]) -> InputType:
    if enum and all(isinstance(value, bool) for value in enum):
        return InputType.BOOLEAN
    if enum and all(isinstance(value, int) for value in enum):
        return InputType.INTEGER
    if enum and all(isinstance(value, int | float) for value in enum):
        return InputType.NUMBER
    return InputType.STRING


def mismatch(spec: InputSpec, value: object) -> str:
    """Why a value does not fit an input, in a sentence; empty if it fits."""
    kinds = {
        InputType.STRING: str,
        InputType.IMAGE: str,
        InputType.INTEGER: int,
        InputType.NUMBER: int | float,
        InputType.BOOLEAN: bool,
    }
    nouns = {"string": "text", "image": "the path or URL of an image", "boolean": "true or false"}
    wrong = not isinstance(value, kinds[spec.type]) or (spec.type is InputType.IMAGE and not value)
    if wrong or (isinstance(value, bool) and spec.type is not InputType.BOOLEAN):
        wanted = nouns.get(spec.type, "a whole number" if spec.type is InputType.INTEGER else "a number")
        return f"input {spec.name} is {wanted}; {value!r} is not"
    if isinstance(value, int | float) and not abs(value) <= EXACT:  # not a number, too
        return f"input {spec.name} is a number that every reader holds exactly; {value} is not"
    if spec.enum and value not in spec.enum:
        return f"input {spec.name} is one of {', '.join(str(item) for item in spec.enum)}; {value!r} is not"
    if isinstance(value, str):
        return _length(spec, value)
    if isinstance(value, int | float) and spec.minimum is not None and value < spec.minimum:
        return f"input {spec.name} is at least {spec.minimum:g}; {value} is less"
    if isinstance(value, int | float) and spec.maximum is not None and value > spec.maximum:
        return f"input {spec.name} is at most {spec.maximum:g}; {value} is more"
    return ""


def _length(spec: InputSpec, value: str) -> str:
    if spec.min_length is not None and len(value) < spec.min_length:
        return f"input {spec.name} has at least {spec.min_length} characters; this has {len(value)}"
    if spec.max_length is not None and len(value) > spec.max_length:
        return f"input {spec.name} has at most {spec.max_length} characters; this has {len(value)}"
    return ""
