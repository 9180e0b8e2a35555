"""What a compiled template is, and its values: how a path is looked up, how a value stands in text. Plain data only,
never an object's attributes."""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Flag, auto
from typing import Any, Final, NoReturn

from flowrunner.slotted import dataclass, field
from flowrunner.spelling import nearest

LIMIT = 64 * 1024
"""Bytes (UTF-8) of any text that a template builds."""
EXACT = 2**53
"""Beyond it, whole numbers are not exact in JSON."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHOWN = 8
"""Names listed in a hint."""


class TemplateProblem(Exception):
    """What is wrong with a template or its values. `start` and `end` are offsets, in code points, in its text."""

    def __init__(self, message: str, hint: str = "", *, start: int | None, end: int | None, code: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.start = start
        self.end = end
        self.code = code


@dataclass(frozen=True, slots=True)
class Unknown:
    """Stands in a scope for an input that has a type (`string`, `image`, …) but no value yet."""

    type: str


class UsesUnknown(Exception):
    """The result depends on a value that is not given yet: no mistake, but nothing can be said about the result."""

    def __init__(self, path: str, unknown: Unknown) -> None:
        super().__init__(f"{path} has no value yet")
        self.path = path
        self.unknown = unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class PathUse:
    """A path in a template: `axis.product.name` is `("axis", "product", "name")`, `vars.list[0]` ends in `"0"`.

    `path` is what of it is constant, `complete` whether that is all. A path is `guarded` where `is defined` or
    `default` stands over it and a part below its declared name may be missing.
    """

    path: tuple[str, ...]
    start: int
    end: int
    guarded: bool = False
    complete: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """A template that holds only what is allowed."""

    text: str
    parts: int
    """Names, operators and pieces of text in it."""
    paths: tuple[PathUse, ...]
    """In the order of the text."""
    whole: bool
    """It is one `{{ expression }}` and nothing else, and keeps the type of its value."""
    path: tuple[str, ...] | None
    """The path, where that expression is nothing but a path of constant names."""
    run: Callable[[Mapping[str, Any]], Any] = field(repr=False)

    def render(self, scope: Mapping[str, Any]) -> Any:
        """The text, or (`whole`) a value of plain data. `scope` maps inputs, vars, axis and pipeline to their values.

        TemplateProblem for what is not defined, does not fit or grows too long; UsesUnknown where an input without a
        value is in the way. A whole path to such an input gives its Unknown.
        """
        return self.run(scope)


class Pass(Flag):
    """What an expression may hand on instead of a value: to `default`, say, a part that is missing."""

    NOTHING = 0
    MISSING = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class At:
    """Where an expression stands in its template, its words, and what it may hand on instead of a value."""

    start: int
    end: int
    words: str
    passes: Pass = Pass.NOTHING


@dataclass(frozen=True, slots=True)
class Missing:
    """A part that is not there, with what to say if someone needs it. Only `is defined` and `default` may see one."""

    problem: TemplateProblem


def problem(at: At, message: str, hint: str = "", code: str = "template-value") -> TemplateProblem:
    return TemplateProblem(message, hint, start=at.start, end=at.end, code=code)


def look(scope: Mapping[str, Any], at: At, *keys: Any) -> Any:
    """The value at the end of a path, by item lookup only: `items` is a dict's entry of that name, lists take whole
    numbers, other values have no parts. `axis.NAME.id` of a scalar is the scope's `axis` entry `NAME.id`."""
    value: Any = scope
    for depth, key in enumerate(keys):
        if type(value) is dict and type(key) is str and key in value:
            value = value[key]
        elif isinstance(key, Missing):
            return key
        elif (found := _part(value, key)) is not _ABSENT or (
            found := _axis_id(scope, keys[: depth + 1])
        ) is not _ABSENT:
            value = found
        else:
            return _absent(value, at, keys[: depth + 1])
    if isinstance(value, Unknown) and Pass.UNKNOWN not in at.passes:
        raise UsesUnknown(spelled(keys), value)
    return value


_ABSENT: Final = object()


def _part(value: Any, key: Any) -> Any:
    if isinstance(value, Mapping):
        return value.get(scalar(key), _ABSENT)
    if is_list(value) and isinstance(key, int) and not isinstance(key, bool) and 0 <= key < len(value):
        return value[key]
    return _ABSENT


def _axis_id(scope: Mapping[str, Any], keys: Sequence[Any]) -> Any:
    if len(keys) != 3 or keys[0] != "axis" or keys[2] != "id":
        return _ABSENT
    return scope["axis"].get(f"{keys[1]}.id", _ABSENT)


def _absent(value: Any, at: At, keys: Sequence[Any]) -> Missing:
    above = spelled(keys[:-1])
    if isinstance(value, Mapping):
        hint = _offer(keys, [str(name) for name in value if not (above == "axis" and str(name).endswith(".id"))])
    elif is_list(value):
        hint = f"{above} is a list of {len(value)}: {above}[0], {above}[1], …"
    else:
        hint = f"{above} is {kind(value)} and has no parts"
    fault = problem(at, f"{spelled(keys)} is not defined", hint, code="undefined")
    if Pass.MISSING not in at.passes:
        raise fault
    return Missing(fault)


def _offer(keys: Sequence[Any], names: Sequence[str]) -> str:
    near = nearest(str(keys[-1]), names)
    if near:
        return f"did you mean {spelled((*keys[:-1], near))}?"
    return f"{spelled(keys[:-1])} has {listed(names)}" if names else f"{spelled(keys[:-1])} is empty"


def listed(names: Iterable[str]) -> str:
    """Names for a hint; of many, the first."""
    found = list(names)
    return ", ".join(found[:_SHOWN]) + (", …" if len(found) > _SHOWN else "")


def spelled(keys: Sequence[Any]) -> str:
    """A path as a template writes it: `axis.size.px`, `vars["a b"]`, `vars.list[0]`."""
    first, *rest = [*keys] or ["the scope"]
    return str(first) + "".join(_step(key) for key in rest)


def _step(key: Any) -> str:
    if not isinstance(key, str):
        return f"[{scalar(key) or kind(key)}]"
    return f".{key}" if _NAME.fullmatch(key) else f'["{key}"]'


def is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def kind(value: Any) -> str:
    """What a value is, for people."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(scalar(value))
    if isinstance(value, str | int | float):
        return "text" if isinstance(value, str) else "a number"
    if isinstance(value, Unknown):
        return f"an input of type {value.type}"
    return "a mapping" if isinstance(value, Mapping) else "a list" if is_list(value) else "no plain value"


def scalar(value: Any) -> str | None:
    """Text, or a number or truth value as YAML writes it; None for everything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, int | float) else None


def text(value: Any, at: At) -> str:
    """A value inside text: scalars as YAML writes them; null, lists and mappings are mistakes."""
    found = value if type(value) is str else scalar(value)
    return bounded(found, at) if found is not None else _no_text(value, at)


def _no_text(value: Any, at: At) -> NoReturn:
    if value is None:
        raise problem(at, f"{at.words} is null here", f'give it another value: {at.words} | default("…", true)')
    message = f"{at.words} is {kind(value)} and cannot stand in text"
    if isinstance(value, Mapping):
        raise problem(at, message, f"name one of its fields: {listed(str(name) for name in value)}")
    raise problem(at, message, f'join its items: {at.words} | join(", ")' if is_list(value) else "")


def typed(value: Any, at: At) -> Any:
    """A value that keeps its type. Whatever is no plain data is refused."""
    if isinstance(value, str):
        return bounded(value, at)
    if value is None or isinstance(value, bool | dict | list | Unknown):
        return value
    if is_number(value):
        return number(value, at)
    if isinstance(value, Mapping) or is_list(value):
        return dict(value) if isinstance(value, Mapping) else list(value)
    raise problem(at, f"{at.words} is {kind(value)}")


def number(value: Any, at: At) -> int | float:
    """A finite number, small enough to be exact in JSON."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        hint = "~ puts text together; | int and | float make numbers of text" if isinstance(value, str) else ""
        raise problem(at, f"{at.words} takes numbers, and a value in it is {kind(value)}", hint)
    if not math.isfinite(value) or abs(value) > EXACT:
        raise problem(at, f"{at.words} gives a number over 2^53, which is not exact", "quote it to make it text")
    return value


def vanishes(digits: str) -> bool:
    """Whether a number that is written as more than 0 is too small to be held as more."""
    return float(digits) == 0 and any(digit in "123456789" for digit in digits.lower().partition("e")[0])


def bounded(built: str, at: At) -> str:
    """The text itself, if it is not too long."""
    if len(built) > LIMIT // 4:
        fits(size(built), at)
    return built


def size(part: str) -> int:
    """Bytes in UTF-8."""
    return len(part) if part.isascii() else len(part.encode("utf-8", "surrogatepass"))


def fits(total: int, at: At) -> None:
    """TemplateProblem where a text of so many bytes would be too long: asked before it is built."""
    if total > LIMIT:
        hint = "shorten the values that go into it"
        raise problem(at, f"this text would be longer than {LIMIT // 1024} KiB", hint, code="template-limit")
