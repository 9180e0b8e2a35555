"""Steps as written."""

from collections.abc import Sequence

from flowrunner.loading.checks import checks
from flowrunner.loading.fields import STEP_ID, Fields
from flowrunner.loading.params import given, reference, template, templated
from flowrunner.nodes import ListNode, Node, Scalar
from flowrunner.pipeline import Check, ImageRef, Level, Override, Pick, PickRule, Step, StepRef, Template
from flowrunner.source import Span

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
    "check",
    "timeout",
    "description",
)
RESERVED_STEP_IDS = ("inputs", "axis", "vars")
MAX_VARIANTS = 16
MAX_OVERRIDES = 1000
_LATER = {
    "fallback": "fallback is kept for a later version",
    "use": "use is kept for a later version",
    "range": "range is kept for a later version",
}


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
    return {name: _step(name, item, mapping.key(name), fields) for name, item in mapping.entries.items()}


def _step(name: str, node: Node, span: Span, fields: Fields) -> Step:
    mapping = fields.mapping(node, f"step {name}")
    if mapping is None:
        return Step(id=name, span=span, model=Scalar(None, span))
    fields.known(mapping, STEP_KEYS, f"step {name}", _LATER, "what the model takes stands under with")
    entries = mapping.entries
    model = templated(entries["model"], "model", fields) if "model" in entries else None
    if "model" not in entries:
        fields.add("model", f"step {name} names no model", span, "add model: …; `flowrunner models` lists them")
    across = _across(entries.get("across"), fields)
    params = fields.mapping(entries["with"], "with") if "with" in entries else None
    provider = fields.text(entries["provider"], "provider") if "provider" in entries else None
    judged = checks(entries["check"], fields) if "check" in entries else ()
    if "else" in entries and "when" not in entries:
        fields.add("else", "else goes with when: it stands for a cell that is skipped", mapping.key("else"))
    return Step(
        id=name,
        span=span,
        body=mapping.span,
        model=model if model is not None else Scalar(None, span),
        provider=provider,
        provider_span=entries["provider"].span if "provider" in entries else None,
        params=given(params, fields) if params else {},
        params_span=mapping.key("with") if params else None,
        across=tuple(across),
        across_at=across,
        variants=_variants(entries.get("variants"), fields),
        variants_span=entries["variants"].span if "variants" in entries else None,
        pick=_pick(entries.get("pick"), judged, fields),
        when=_when(entries.get("when"), fields),
        otherwise=_otherwise(entries.get("else"), fields),
        overrides=_overrides(entries.get("overrides"), fields),
        after=tuple(fields.names(entries["after"], "after")) if "after" in entries else (),
        checks=judged,
        timeout=fields.seconds(entries["timeout"], "timeout") if "timeout" in entries else None,
        description=(fields.text(entries["description"], "description") or "") if "description" in entries else "",
    )


def _across(node: Node | None, fields: Fields) -> dict[str, Span]:
    found: dict[str, Span] = {}
    for name, span in fields.names(node, "across") if node is not None else []:
        if name in found:
            fields.add("across", f"axis {name} stands twice", span)
        found.setdefault(name, span)
    return found


def _variants(node: Node | None, fields: Fields) -> int:
    if node is None:
        return 1
    # A wrong number stands for many: then no candidate is told to be missing because of it.
    return fields.integer(node, "variants", 1, MAX_VARIANTS) or MAX_VARIANTS


def _pick(node: Node | None, judged: Sequence[Check], fields: Fields) -> Pick:
    if node is None:
        return Pick()
    value = node.value if isinstance(node, Scalar) else None
    if value == "check" and all(check.level is Level.WARN for check in judged):
        hint = "assert under check: what the picture has to be"
        why = "all of its checks are warnings" if judged else "the step has none"
        fields.add("pick", f"pick: check takes the first candidate that passes its checks; {why}", node.span, hint)
    if value in ("first", "human", "check"):
        return Pick(PickRule(value), span=node.span)
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_VARIANTS * 16:
        return Pick(PickRule.NUMBER, value, node.span)
    fields.add("pick", "pick is first, human, check, or the number of a candidate from 1", node.span)
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
        fields.add(
            "else",
            "else is a reference to one image",
            node.span,
            "write $step, $step.N, $inputs.NAME or $axis.NAME.FIELD",
        )
        return None
    return ref


def _overrides(node: Node | None, fields: Fields) -> tuple[Override, ...]:
    if node is None:
        return ()
    if not isinstance(node, ListNode):
        fields.add("type", "overrides is a list of {at: …, with: …}", node.span)
        return ()
    if len(node.items) > MAX_OVERRIDES:
        hint = "give the values of the axis fields of their own, and name them in with"
        fields.add("too-large", f"more than {MAX_OVERRIDES:,} overrides", node.span, hint)
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
            "override", f"an override needs {' and '.join(missing)}", mapping.span, "write {at: {axis: id}, with: …}"
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
        return node.text
    fields.add("override", "at names one value of each axis", node.span)
    return ""
