"""The operators, filters and tests of templates: over plain data, and bounded before they build anything.

Each takes a value, the place where it is used, then its arguments; each mistake is a TemplateProblem at that place.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flowrunner.jinja.values import (
    At,
    Missing,
    Pass,
    Unknown,
    bounded,
    fits,
    is_list,
    is_number,
    kind,
    number,
    problem,
    scalar,
    size,
    text,
    vanishes,
)
from flowrunner.slotted import dataclass

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(\.[0-9]*)?|(\.[0-9]+))([eE][+-]?[0-9]+)?")
_WORD = re.compile(r"[^\s\-({\[<]+")
_DIGITS = 400
_JOINED = 2000


def add(left: Any, at: At, right: Any) -> int | float:
    return number(number(left, at) + number(right, at), at)


def subtract(left: Any, at: At, right: Any) -> int | float:
    return number(number(left, at) - number(right, at), at)


def negate(value: Any, at: At) -> int | float:
    return -number(value, at)


def concat(first: Any, at: At, *rest: Any) -> str:
    return _joined((first, *rest), "", at)


def _joined(items: Sequence[Any], separator: str, at: At) -> str:
    parts, total = [], -size(separator)
    for item in items:
        part = text(item, at)
        total += size(separator) + size(part)
        fits(total, at)
        parts.append(part)
    return separator.join(parts)


def equal(left: Any, _at: At, right: Any) -> bool:
    return bool(left == right)


def unequal(left: Any, _at: At, right: Any) -> bool:
    return bool(left != right)


def less(left: Any, at: At, right: Any) -> bool:
    _comparable(left, right, at)
    return bool(left < right)


def at_most(left: Any, at: At, right: Any) -> bool:
    _comparable(left, right, at)
    return bool(left <= right)


def more(left: Any, at: At, right: Any) -> bool:
    _comparable(left, right, at)
    return bool(left > right)


def at_least(left: Any, at: At, right: Any) -> bool:
    _comparable(left, right, at)
    return bool(left >= right)


def _comparable(left: Any, right: Any, at: At) -> None:
    numbers = is_number(left) and is_number(right)
    if not numbers and not (isinstance(left, str) and isinstance(right, str)):
        raise problem(at, f"{at.words} compares {kind(left)} with {kind(right)}", "compare two numbers, or two texts")


def contained(item: Any, at: At, container: Any) -> bool:
    if is_list(container):
        return item in container
    if isinstance(container, Mapping):
        return scalar(item) in container
    if isinstance(container, str) and isinstance(item, str):
        return item in container
    raise problem(at, f"{at.words} looks for {kind(item)} in {kind(container)}", "look in a list, a mapping or a text")


def absent(item: Any, at: At, container: Any) -> bool:
    return not contained(item, at, container)


def is_defined(value: Any, _at: At) -> bool:
    return not isinstance(value, Missing)


def is_lower(value: Any, at: At) -> bool:
    return text(value, at).islower()


def is_upper(value: Any, at: At) -> bool:
    return text(value, at).isupper()


def is_float(value: Any, _at: At) -> bool:
    return isinstance(value, float)


def lower(value: Any, at: At) -> str:
    return bounded(text(value, at).lower(), at)


def upper(value: Any, at: At) -> str:
    return bounded(text(value, at).upper(), at)


def capitalize(value: Any, at: At) -> str:
    return bounded(text(value, at).capitalize(), at)


def title(value: Any, at: At) -> str:
    """Each word with a capital; an apostrophe begins none."""
    return bounded(_WORD.sub(lambda word: word[0].capitalize(), text(value, at)), at)


def trim(value: Any, at: At, characters: Any = None) -> str:
    return text(value, at).strip(None if characters is None else text(characters, at))


def replace(value: Any, at: At, old: Any, new: Any) -> str:
    whole, old, new = text(value, at), text(old, at), text(new, at)
    if not old:
        raise problem(at, "replace has no text to look for", "its first argument must not be empty")
    fits(size(whole) + whole.count(old) * (size(new) - size(old)), at)
    return whole.replace(old, new)


def join(value: Any, at: At, separator: Any = "") -> str:
    items = _items(value, at, "join")
    if len(items) > _JOINED:
        raise problem(
            at, f"join takes at most {_JOINED:,} items, and {at.words} has {len(items):,}", code="template-limit"
        )
    if scalar(separator) is None:
        raise problem(at, f"the separator of join is {kind(separator)}", 'write a text, as in join(", ")')
    wrong = next((number for number, item in enumerate(items) if scalar(item) is None), None)
    if wrong is not None:
        message = f"item {wrong + 1} of {at.words} is {kind(items[wrong])} and cannot be joined"
        raise problem(at, message, "write a text in its place, or leave it out of the list")
    return _joined(items, text(separator, at), at)


def default(value: Any, _at: At, fallback: Any = "", also_empty: Any = False) -> Any:
    """`fallback` for a missing part; with `true` as second argument also for null, false, 0 and what is empty."""
    if isinstance(value, Missing):
        return fallback
    return fallback if also_empty is True and not isinstance(value, Unknown) and not value else value


def length(value: Any, at: At) -> int:
    if isinstance(value, str | Mapping) or is_list(value):
        return len(value)
    raise problem(at, f"length takes text, a list or a mapping, and {at.words} is {kind(value)}")


def first(value: Any, at: At) -> Any:
    return _end(value, at, 0, "first")


def last(value: Any, at: At) -> Any:
    return _end(value, at, -1, "last")


def _end(value: Any, at: At, index: int, name: str) -> Any:
    if isinstance(value, Missing):
        return value
    items = _items(value, at, name)
    if items:
        return items[index]
    fault = problem(at, f"{at.words} is empty and has no {name} item", 'give it one: … | default("…")')
    if Pass.MISSING not in at.passes:
        raise fault
    return Missing(fault)


def _items(value: Any, at: At, name: str) -> Sequence[Any]:
    if not is_list(value):
        raise problem(at, f"{name} takes a list, and {at.words} is {kind(value)}")
    items: Sequence[Any] = value
    return items


def integer(value: Any, at: At) -> int:
    """Decimals are cut off. Unlike Jinja's, what is no number is a mistake, not 0."""
    return int(_parsed(value, at, "int"))


def decimal(value: Any, at: At) -> float:
    return float(_parsed(value, at, "float"))


def _parsed(value: Any, at: At, name: str) -> int | float:
    if is_number(value):
        return number(value, at)
    digits = value.strip() if isinstance(value, str) else ""
    found = _NUMBER.fullmatch(digits) if len(digits) <= _DIGITS else None
    if found is None:
        shown = f'"{value[:40]}"' if isinstance(value, str) else kind(value)
        raise problem(at, f"{name} makes a number of text such as 7.5, and {at.words} is {shown}")
    if vanishes(digits):
        raise problem(at, f"{at.words} gives a number that is too small to be more than 0", "write 0")
    return number(float(digits) if any(found.groups()) else int(digits), at)


def rounded(value: Any, at: At, decimals: Any = 0) -> int | float:
    """A whole number, or one with up to 15 decimals; halves go to the even neighbour."""
    if isinstance(decimals, bool) or not isinstance(decimals, int) or not 0 <= decimals <= 15:
        raise problem(at, "round takes the number of decimals, from 0 to 15")
    if not is_number(value):
        raise problem(at, f"round takes a number, and {at.words} is {kind(value)}", "make it one: | float")
    return round(number(value, at), decimals or None)


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter, and how many arguments it takes besides its value."""

    function: Callable[..., Any]
    least: int = 0
    most: int = 0


FILTERS: Mapping[str, Filter] = {
    "capitalize": Filter(capitalize),
    "default": Filter(default, 0, 2),
    "first": Filter(first),
    "float": Filter(decimal),
    "int": Filter(integer),
    "join": Filter(join, 0, 1),
    "last": Filter(last),
    "length": Filter(length),
    "lower": Filter(lower),
    "replace": Filter(replace, 2, 2),
    "round": Filter(rounded, 0, 1),
    "title": Filter(title),
    "trim": Filter(trim, 0, 1),
    "upper": Filter(upper),
}
TESTS: Mapping[str, Callable[..., bool]] = {
    "defined": is_defined,
    "float": is_float,
    "lower": is_lower,
    "upper": is_upper,
}
COMPARISONS: Mapping[str, Callable[..., bool]] = {
    "eq": equal,
    "ne": unequal,
    "lt": less,
    "lteq": at_most,
    "gt": more,
    "gteq": at_least,
    "in": contained,
    "notin": absent,
}
"""By the names that Jinja's tree has for them."""
