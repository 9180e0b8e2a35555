"""A pipeline file to a Pipeline: keys, types and names; nothing is combined or looked up."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from flowrunner import money
from flowrunner.loading.fields import NAME, STEP_ID, Fields, did_you_mean
from flowrunner.loading.params import MARKS, given, reference, template
from flowrunner.nodes import ListNode, MapNode, Node, Scalar, Style, noun
from flowrunner.pipeline import (
    Budget,
    Given,
    ImageRef,
    InputSpec,
    InputType,
    OutputSpec,
    Override,
    Pick,
    PickRule,
    Step,
    StepRef,
    Template,
)
from flowrunner.problems import warning
from flowrunner.source import Span

VERSION = 1
TOP = ("flowrunner", "name", "description", "provider", "include", "vars", "budget", "inputs", "axes", "defaults")
TOP_KEYS = (*TOP, "steps", "outputs")
SHARED_KEYS = ("flowrunner", "vars", "axes", "defaults")
STEP_KEYS = (
    "model",
    "provider",
    "with",
    "across",
    "variants",
    "pick",
    "when",
    "else",
    "overrides",
    "after",
    "timeout",
    "description",
)
INPUT_KEYS = ("type", "enum", "default", "description", "minimum", "maximum", "minLength", "maxLength")
RESERVED_STEP_IDS = ("inputs", "axis", "vars")
MAX_VARIANTS = 16
LATER_TOP = {"previews": "previews is kept for a later version"}
_LATER_STEP = {
    "check": "check is kept for a later version of flowrunner; this one cannot judge pictures",
    "fallback": "fallback is kept for a later version",
    "use": "use is kept for a later version",
    "range": "range is kept for a later version",
}


@dataclass(slots=True)
class Shared:
    """What a pipeline and the files that it includes may both hold."""

    vars: dict[str, tuple[Node, Span]] = field(default_factory=dict)
    axes: dict[str, tuple[Node, Span]] = field(default_factory=dict)
    defaults: dict[str, Given] = field(default_factory=dict)
    timeout: tuple[float, Span] | None = None


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
            return money.parse(node.span.text if node.style is Style.PLAIN else str(node.value))
    except ValueError:
        pass
    fields.add("money", f"{key} is an amount of dollars", node.span, "write it as 5 or 0.25")
    return None


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
    if default is not None and default.value is not None:
        fault = mismatch(spec, default.value)
        if fault:
            fields.add("input", fault, default.span)
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
    wrong = not isinstance(value, kinds[spec.type])
    if wrong or (isinstance(value, bool) and spec.type is not InputType.BOOLEAN):
        wanted = nouns.get(spec.type, "a whole number" if spec.type is InputType.INTEGER else "a number")
        return f"input {spec.name} is {wanted}; {value!r} is not"
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


def steps(node: Node | None, fields: Fields) -> dict[str, Step]:
    """`steps`: a mapping of id to step."""
    if isinstance(node, ListNode):
        fields.add("type", "steps is a mapping of id to step, not a list", node.span, "write portrait: {model: …}")
        return {}
    mapping = fields.named(node, "steps", STEP_ID, RESERVED_STEP_IDS) if node is not None else None
    if mapping is None:
        return {}
    if not mapping.entries:
        fields.add("no-steps", "a pipeline has at least one step", mapping.span)
    found = {name: _step(name, item, mapping.key(name), fields) for name, item in mapping.entries.items()}
    return {name: step for name, step in found.items() if step is not None}


def _step(name: str, node: Node, span: Span, fields: Fields) -> Step | None:
    mapping = fields.mapping(node, f"step {name}")
    if mapping is None:
        return None
    fields.known(mapping, STEP_KEYS, f"step {name}", _LATER_STEP)
    entries = mapping.entries
    if "model" not in entries:
        fields.add("model", f"step {name} names no model", span, "add model: …; `flowrunner models` lists them")
        return None
    model = _templated(entries["model"], "model", fields)
    across = _across(entries.get("across"), fields)
    params = fields.mapping(entries["with"], "with") if "with" in entries else None
    provider = fields.text(entries["provider"], "provider") if "provider" in entries else None
    if "else" in entries and "when" not in entries:
        fields.add("else", "else goes with when: it stands for a cell that is skipped", mapping.key("else"))
    return Step(
        id=name,
        span=span,
        model=model if model is not None else Scalar(None, entries["model"].span),
        provider=provider,
        provider_span=entries["provider"].span if "provider" in entries else None,
        params=given(params, fields) if params else {},
        params_span=mapping.key("with") if params else None,
        across=tuple(across),
        across_at=across,
        variants=_variants(entries.get("variants"), fields),
        variants_span=entries["variants"].span if "variants" in entries else None,
        pick=_pick(entries.get("pick"), fields),
        when=_when(entries.get("when"), fields),
        otherwise=_otherwise(entries.get("else"), fields),
        overrides=_overrides(entries.get("overrides"), fields),
        after=tuple(fields.names(entries["after"], "after")) if "after" in entries else (),
        timeout=fields.seconds(entries["timeout"], "timeout") if "timeout" in entries else None,
        description=(fields.text(entries["description"], "description") or "") if "description" in entries else "",
    )


def _templated(node: Node, what: str, fields: Fields) -> Scalar | Template | None:
    text = fields.text(node, what)
    if text is None or not isinstance(node, Scalar):
        return None
    return template(node, fields) if any(mark in text for mark in MARKS) else node


def _across(node: Node | None, fields: Fields) -> dict[str, Span]:
    found: dict[str, Span] = {}
    for name, span in fields.names(node, "across") if node is not None else []:
        if name in found:
            fields.add("across", f"axis {name} stands twice", span)
        found.setdefault(name, span)
    return found


def _variants(node: Node | None, fields: Fields) -> int:
    return (fields.integer(node, "variants", 1, MAX_VARIANTS) or 1) if node is not None else 1


def _pick(node: Node | None, fields: Fields) -> Pick:
    if node is None:
        return Pick()
    value = node.value if isinstance(node, Scalar) else None
    if value in ("first", "human"):
        return Pick(PickRule(value), span=node.span)
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_VARIANTS * 16:
        return Pick(PickRule.NUMBER, value, node.span)
    if value == "check":
        fields.add("reserved-key", "pick: check is kept for a later version of flowrunner", node.span)
    else:
        fields.add("pick", "pick is first, human, or the number of a candidate from 1", node.span)
    return Pick()


def _when(node: Node | None, fields: Fields) -> Template | None:
    if node is None:
        return None
    if isinstance(node, Scalar) and isinstance(node.value, bool):
        return template(Scalar(str(node.value).lower(), node.span), fields, bare=True)
    text = fields.text(node, "when")
    return template(node, fields, bare=True) if text is not None and isinstance(node, Scalar) else None


def _otherwise(node: Node | None, fields: Fields) -> ImageRef | None:
    if node is None:
        return None
    ref = reference(str(node.value), node.span) if isinstance(node, Scalar) else None
    if ref is None or (isinstance(ref, StepRef) and ref.is_list):
        fields.add("else", "else is a reference to one image", node.span, "write $step, $step.N or $inputs.NAME")
        return None
    return ref


def _overrides(node: Node | None, fields: Fields) -> tuple[Override, ...]:
    if node is None:
        return ()
    if not isinstance(node, ListNode):
        fields.add("type", "overrides is a list of {at: …, with: …}", node.span)
        return ()
    found = [_override(item, fields) for item in node.items]
    return tuple(item for item in found if item is not None)


def _override(node: Node, fields: Fields) -> Override | None:
    mapping = fields.mapping(node, "an override")
    if mapping is None:
        return None
    fields.known(mapping, ("at", "with"), "an override")
    missing = [key for key in ("at", "with") if key not in mapping.entries]
    if missing:
        fields.add(
            "override", f"an override has {' and '.join(missing)}", mapping.span, "write {at: {axis: id}, with: …}"
        )
        return None
    at = fields.mapping(mapping.entries["at"], "at")
    params = fields.mapping(mapping.entries["with"], "with")
    if at is None or params is None:
        return None
    ids = {name: _id(item, fields) for name, item in at.entries.items()}
    places = {name: item.span for name, item in at.entries.items()}
    return Override(at=ids, params=given(params, fields), span=mapping.span, places=places)


def _id(node: Node, fields: Fields) -> str:
    if isinstance(node, Scalar) and node.value is not None:
        return node.span.text if node.style is Style.PLAIN else str(node.value)
    fields.add("override", "at names one value of each axis", node.span)
    return ""


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
        name_as = _templated(node.entries["as"], "as", fields) if "as" in node.entries else None
    ref = reference(str(written.value), written.span) if isinstance(written, Scalar) else None
    if isinstance(ref, StepRef):
        return OutputSpec(name=name, span=span, ref=ref, name_as=name_as)
    hint = "write $step, $step.N, $step.images or $step.*"
    fields.add("output", f"output {name} is a reference to images of a step", written.span, hint)
    return None


def unknown_name(kind: str, name: str, span: Span, names: Mapping[str, object], fields: Fields) -> None:
    """A name that is declared nowhere."""
    fields.add(f"unknown-{kind}", f"there is no {kind} {name}", span, did_you_mean(name, list(names)))
