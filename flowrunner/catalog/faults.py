"""What a validator found, told so that the author knows what to write instead."""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from flowrunner import escape
from flowrunner.catalog import schema
from flowrunner.catalog.model import Model
from flowrunner.catalog.schema import Path, listed, quoted
from flowrunner.problems import Severity
from flowrunner.slotted import dataclass
from flowrunner.spelling import nearest

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One mistake in a request. `path` leads to the value at fault; with `about_key` its key is what is wrong. What is
    missing is a fault of the mapping it is missing from."""

    path: Path
    code: str
    message: str
    hint: str = ""
    severity: Severity = Severity.ERROR
    about_key: bool = False
    missing: str = ""
    """The key that the mapping needs, where that is the mistake."""


_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
_RATIO = re.compile(r"\s*([1-9]\d{0,4})\s*[:x×/]\s*([1-9]\d{0,4})\s*")
_SIZE = re.compile(r"(\d{2,5})\s*[x×*]\s*(\d{2,5})")
_BOOLEANS = {"true": "true", "yes": "true", "on": "true", "1": "true"}
_BOOLEANS |= {"false": "false", "no": "false", "off": "false", "0": "false"}
_BARE = (("iVBORw0KGgo", "png"), ("/9j/", "jpeg"), ("UklGR", "webp"), ("R0lGOD", "gif"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A keyword of a schema that a value breaks: what jsonschema's error says, less the ways in which it says it."""

    model: Model
    keyword: str
    rule: Any
    """What the schema gives the keyword."""
    value: Any
    path: Path
    part: Mapping[str, Any]
    """The schema that the keyword stands in."""
    inner: "tuple[tuple[Any, Broken], ...]"
    """Of alternatives: which one, and what it found."""
    here: bool
    """Inside an alternative: whether it is about the whole value."""
    message: str

    @property
    def name(self) -> str:
        return label(self.model, self.path)


def told(model: Model, error: "ValidationError") -> Iterator[Fault]:
    """The faults that one error of a validator stands for."""
    return _told(_broken(model, error))


def _broken(model: Model, error: "ValidationError") -> Broken:
    return Broken(
        model=model,
        keyword=str(error.validator),
        rule=error.validator_value,
        value=error.instance,
        path=tuple(error.absolute_path),
        part=error.schema if isinstance(error.schema, Mapping) else {},
        inner=tuple((inner.relative_schema_path[0], _broken(model, inner)) for inner in error.context or ()),
        here=not error.relative_path,
        message=error.message,
    )


def _told(broken: Broken) -> Iterator[Fault]:
    teller = _TELLERS.get(broken.keyword)
    if teller is None:
        return iter([_fault(broken, "schema", f"{broken.name}: {escape.line(broken.message, 160)}")])
    return teller(broken)


def label(model: Model, path: Path) -> str:
    """A value's name in a sentence: its key; `image 2 of image_urls`; the model for the whole request."""
    if not path:
        return model.short
    last = path[-1]
    if isinstance(last, str):
        return escape.line(last, 60)
    noun = "image" if path[0] in model.images else "item"
    return f"{noun} {last + 1} of {label(model, path[:-1])}"


def _fault(broken: Broken, code: str, message: str, hint: str = "") -> Fault:
    return Fault(path=broken.path, code=code, message=message, hint=hint)


def _type(broken: Broken) -> Iterator[Fault]:
    wanted = broken.rule
    kinds = [wanted] if isinstance(wanted, str) else list(wanted)
    name, value = broken.name, broken.value
    if kinds[0] == "integer" and isinstance(value, float):
        yield _fault(broken, "wrong-type", f"{name} {value} is not a whole number", _whole(broken))
        return
    said = " or ".join(schema.KINDS.get(kind, kind) for kind in kinds)
    noun = "images" if broken.path[:1] and broken.path[0] in broken.model.images else ""
    spelled = "" if "format" in broken.part else _respelled(kinds, value, broken.part)
    hint = spelled or f"{name} takes {schema.shape(broken.part, noun)}"
    yield _fault(broken, "wrong-type", f"{name} is {_kind(value)}, not {said}", hint)


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return f"the text {quoted(value)}"
    if isinstance(value, bool) or value is None:
        return quoted(value)
    return f"the number {value}" if isinstance(value, int | float) else quoted(value)


def _respelled(kinds: Sequence[str], value: Any, wanted: Mapping[str, Any]) -> str:
    """The same value in the kind that is wanted."""
    for kind in kinds:
        respell = _RESPELL.get(kind)
        spelled = respell(value) if respell else None
        if spelled and (kind != "string" or "enum" not in wanted or spelled.strip('"') in wanted["enum"]):
            return f"write {spelled}"
    return ""


def _as_text(value: Any) -> str | None:
    if isinstance(value, list):
        return "it without the brackets" if len(value) == 1 and isinstance(value[0], str) else None
    return f'"{quoted(value)}"' if isinstance(value, bool | int | float) else None


def _as_number(value: Any) -> str | None:
    return escape.line(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else None


def _as_boolean(value: Any) -> str | None:
    return _BOOLEANS.get(str(value).lower()) if isinstance(value, str | int) else None


def _as_list(value: Any) -> str | None:
    return "it as a list, in brackets: […]" if isinstance(value, str) else None


_RESPELL: dict[str, Callable[[Any], str | None]] = {
    "string": _as_text,
    "number": _as_number,
    "integer": _as_number,
    "boolean": _as_boolean,
    "array": _as_list,
}


def _whole(broken: Broken) -> str:
    parts = schema.at(broken.model, broken.path)
    return _either(_nearest(Fraction(str(broken.value)), 1, parts))


def _enum(broken: Broken) -> Iterator[Fault]:
    allowed, value = list(broken.rule), broken.value
    near = [item for item in allowed if not isinstance(item, str) and str(item) == value]
    near = near or [item for item in allowed if isinstance(item, str) and item == quoted(value)]
    texts = [item for item in allowed if isinstance(item, str)]
    near = near or list(filter(None, [_meant_text(str(value), texts)]))
    hint = (
        f"write {quoted(near[0]) if not isinstance(near[0], str) or near[0][:1].isdigit() else near[0]}" if near else ""
    )
    message = f"{broken.name} {quoted(value)} is none of {listed(allowed)}"
    yield _fault(broken, "not-allowed", message, hint)


def _meant_text(value: str, texts: Sequence[str]) -> str | None:
    """The text that was meant. Of shapes it is the one nearest in shape: by its characters 4:3 would be 4:5."""
    ratios = {text: ratio for text in texts if (ratio := _ratio(text))}
    wish = _ratio(value)
    if wish and ratios:
        return min(ratios, key=lambda text: abs(math.log(ratios[text] / wish)))
    same = (text for text in texts if text.lower() == value.lower())
    return next(same, None) or nearest(value, texts)


def _ratio(text: str) -> float | None:
    found = _RATIO.fullmatch(text)
    return int(found[1]) / int(found[2]) if found else None


def _const(broken: Broken) -> Iterator[Fault]:
    hint = f"write {quoted(broken.rule)}"
    yield _fault(broken, "not-allowed", f"{broken.name} is {quoted(broken.value)}", hint)


def _minimum(broken: Broken) -> Iterator[Fault]:
    least = broken.rule
    message = f"{broken.name} {broken.value} is under the smallest, {least}"
    yield _fault(broken, "too-small", message, f"write {least} or more")


def _maximum(broken: Broken) -> Iterator[Fault]:
    most = broken.rule
    message = f"{broken.name} {broken.value} is over the largest, {most}"
    yield _fault(broken, "too-large", message, f"write {most} or less")


def _above(broken: Broken) -> Iterator[Fault]:
    yield _fault(broken, "too-small", f"{broken.name} has to be over {broken.rule}")


def _below(broken: Broken) -> Iterator[Fault]:
    yield _fault(broken, "too-large", f"{broken.name} has to be under {broken.rule}")


def _multiple(broken: Broken) -> Iterator[Fault]:
    path, step = broken.path, broken.rule
    code = "size-step" if path and path[-1] in ("width", "height") else "step"
    near = _nearest(Fraction(str(broken.value)), Fraction(str(step)), schema.at(broken.model, path))
    yield _fault(broken, code, f"{broken.name} {broken.value} is not a multiple of {step}", _either(near))


def _nearest(value: Fraction, step: Fraction | int, parts: Sequence[Mapping[str, Any]]) -> list[Fraction]:
    """The steps on both sides of a value that lie inside its bounds, the nearer first, the upper one of a tie."""
    least, most = schema.limit(parts, "minimum"), schema.limit(parts, "maximum")
    value = value if least is None else max(value, Fraction(str(least)))
    value = value if most is None else min(value, Fraction(str(most)))
    upper = math.ceil(value / step) * Fraction(step)
    inside = [
        side for side in (upper, upper - step) if (least is None or side >= least) and (most is None or side <= most)
    ]
    near = sorted(inside, key=lambda side: abs(side - value))
    return near[:1] if near[:1] == [value] else near


def _either(sides: Sequence[Fraction]) -> str:
    written = [str(side.numerator) if side.denominator == 1 else str(float(side)) for side in sides]
    return f"write {' or '.join(written)}" if written else ""


def _too_long(broken: Broken) -> Iterator[Fault]:
    length, most = len(broken.value), broken.rule
    message = f"{broken.name} has {length} characters, {length - most} over the {most} that "
    yield _fault(broken, "too-long", message + f"{broken.model.short} takes")


def _too_short(broken: Broken) -> Iterator[Fault]:
    least, name = broken.rule, broken.name
    message = f"{name} is empty" if not broken.value else f"{name} has fewer than {least} characters"
    yield _fault(broken, "too-short", message)


def _items(broken: Broken) -> Iterator[Fault]:
    path, number = broken.path, len(broken.value)
    noun = "images" if path and path[0] in broken.model.images else schema.plural(broken.part)
    has = f"has {number}" if number else "is empty"
    code = "too-many" if broken.keyword == "maxItems" else "too-few"
    message = f"{broken.name} takes {schema.amount(broken.part, noun)}; this list {has}"
    over = number - int(broken.rule)
    yield _fault(broken, code, message, f"leave out {over}" if over > 0 else "")


def _unique(broken: Broken) -> Iterator[Fault]:
    yield _fault(broken, "not-unique", f"{broken.name} holds the same value twice")


def _form(broken: Broken) -> Iterator[Fault]:
    told_so = str(broken.part.get("description") or f"it has to match {broken.rule}")
    message = f"{broken.name} {quoted(broken.value)} does not have the form that is needed"
    yield _fault(broken, "wrong-form", message, escape.line(told_so))


def _format(broken: Broken) -> Iterator[Fault]:
    name, text = broken.name, str(broken.value)
    bare = next((kind for start, kind in _BARE if text.startswith(start)), None)
    if bare:
        hint = f"write data:image/{bare};base64,{escape.line(text, 12)}"
        yield _fault(broken, "wrong-form", f"{name} is base64 without its data: prefix", hint)
    else:
        hint = "write https://…, http://… or data:image/png;base64,…"
        yield _fault(broken, "wrong-form", f"{name} {quoted(text)} is no URL of an image", hint)


def _required(broken: Broken) -> Iterator[Fault]:
    parts = broken.part.get("properties", {})
    for name in broken.rule:
        if name not in broken.value:
            takes = schema.shape(parts[name], "images" if name in broken.model.images else "") if name in parts else ""
            message = f"{broken.name} needs {escape.line(name, 60)}"
            hint = f"add {escape.line(name, 60)}: {takes}" if takes else ""
            yield Fault(path=broken.path, code="missing-parameter", message=message, hint=hint, missing=name)


def _not(broken: Broken) -> Iterator[Fault]:
    names = broken.rule.get("required", []) if isinstance(broken.rule, Mapping) else []
    if len(names) < 2:
        yield _fault(broken, "schema", f"{broken.name} has a value that is excluded")
        return
    path = (*broken.path, names[-1])
    message = f"{' and '.join(names)} exclude each other"
    yield Fault(path=path, code="exclusive", message=message, hint=f"keep {' or '.join(names)}", about_key=True)


def _alternatives(broken: Broken) -> Iterator[Fault]:
    """The mistake in the alternative that was meant: of those whose type fits, the one with the fewest faults."""
    forms = [part for part in broken.rule if isinstance(part, Mapping)]
    if forms and all(set(part) == {"required"} for part in forms):
        ways = [" with ".join(part["required"]) for part in forms]
        yield _fault(broken, "missing-parameter", f"{broken.name} needs {' or '.join(ways)}")
        return
    groups: dict[Any, list[Broken]] = {}
    for branch, inner in broken.inner:
        groups.setdefault(branch, []).append(inner)
    fitting = [group for group in groups.values() if not any(one.keyword == "type" and one.here for one in group)]
    if fitting:
        yield from _meant(broken, min(fitting, key=len), forms)
    elif groups:
        hint = f"{broken.name} takes {schema.shape(broken.part)}"
        yield _fault(broken, "wrong-type", f"{broken.name} is {_kind(broken.value)}", hint)
    else:
        yield _fault(broken, "not-allowed", f"{broken.name} fits several of its forms at once")


def _meant(broken: Broken, group: Sequence[Broken], forms: Sequence[Mapping[str, Any]]) -> Iterator[Fault]:
    size = _SIZE.fullmatch(broken.value) if isinstance(broken.value, str) else None
    if size and any("width" in form.get("properties", {}) for form in forms):
        message = f"{broken.name} {quoted(broken.value)} is not how a size is written"
        yield _fault(broken, "not-allowed", message, f"write {{width: {size[1]}, height: {size[2]}}}")
        return
    for inner in group:
        yield from _told(inner)


def _nothing(_: Broken) -> Iterator[Fault]:
    """Unknown parameters are told by `unknown`, with the nearest name."""
    return iter(())


_TELLERS: dict[str, Callable[[Broken], Iterator[Fault]]] = {
    "type": _type,
    "enum": _enum,
    "const": _const,
    "minimum": _minimum,
    "maximum": _maximum,
    "exclusiveMinimum": _above,
    "exclusiveMaximum": _below,
    "multipleOf": _multiple,
    "maxLength": _too_long,
    "minLength": _too_short,
    "minItems": _items,
    "maxItems": _items,
    "uniqueItems": _unique,
    "pattern": _form,
    "format": _format,
    "required": _required,
    "not": _not,
    "anyOf": _alternatives,
    "oneOf": _alternatives,
    "additionalProperties": _nothing,
}
