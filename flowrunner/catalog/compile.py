"""A model's two schemas as compiled validators, with three keywords of our own.

`format: uri` is asserted, `pattern` ends where it says it ends and is tried on short texts only, and `multipleOf` is
exact (0.07 is a multiple of 0.01, and no number is too large for it).
"""

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from flowrunner.catalog.guard import PATTERN_TEXT
from flowrunner.catalog.model import Model

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator

_ERROR = 4
_URI = re.compile(r"https?://[^\s/?#]+([/?#]\S*)?|data:image/[a-z0-9.+-]+;base64,[A-Za-z0-9+/]+={0,2}", re.IGNORECASE)


class TooLong(Exception):
    """A stranger's schema takes too many steps over this request."""


class Meter(threading.local):
    """Counts the steps of one check after another; each thread has its own count."""

    left: float = float("inf")

    def begin(self, steps: float) -> None:
        self.left = steps

    def take(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise TooLong


METER = Meter()


@lru_cache(maxsize=512)
def compiled(model: Model) -> "tuple[Validator, Validator]":
    """Validators of the published schema and of the stricter one. References stay inside their schema."""
    from referencing import Registry

    kind, formats = _kind()
    no_network: Registry[Any] = Registry()
    published = kind(model.request, format_checker=formats, registry=no_network)
    return published, kind(model.stricter, format_checker=formats, registry=no_network)


@cache
def _kind() -> Any:
    from jsonschema import Draft202012Validator, FormatChecker, validators

    formats = FormatChecker(formats=())
    formats.checks("uri")(lambda text: not isinstance(text, str) or is_uri(text))
    own = {**Draft202012Validator.VALIDATORS, "pattern": _pattern, "multipleOf": _multiple_of}
    metered = {name: _metered(name, keyword) for name, keyword in own.items()}
    return validators.extend(Draft202012Validator, metered), formats  # type: ignore[no-untyped-call]


def _metered(name: str, keyword: Callable[..., Any]) -> Callable[..., Any]:
    """The keyword, its steps counted, and each error that it finds: those are what takes memory."""

    def counted(validator: Any, rule: Any, instance: Any, schema: Any) -> "Iterator[ValidationError]":
        METER.take(_cost(name, rule, instance))
        for error in keyword(validator, rule, instance, schema) or ():
            METER.take(_ERROR)
            yield error

    return counted


def _cost(name: str, rule: Any, instance: Any) -> int:
    """Roughly, in checks of one plain keyword."""
    if name == "pattern":
        return 1 + len(instance) ** 2 // 2000 if isinstance(instance, str) and len(instance) <= PATTERN_TEXT else 1
    if name == "uniqueItems":
        return 1 + len(instance) ** 2 // 4 if isinstance(instance, list) else 1
    listed = len(rule) // 8 if isinstance(rule, list | dict) else 0
    return 1 + listed + (len(instance) // 50 if isinstance(instance, list | dict) else 0)


def is_uri(text: str) -> bool:
    """Whether a provider that wants a URL takes the text: https, http or an image as base64 with its data: prefix."""
    return _URI.fullmatch(text) is not None


def matches(pattern: str, text: str) -> bool:
    """Whether a pattern is found in a text that is not too long to be looked through."""
    return len(text) <= PATTERN_TEXT and _expression(pattern).search(text) is not None


def is_multiple(number: float, step: float) -> bool:
    """Whether it is one by the digits that both are written with."""
    if isinstance(number, int) and isinstance(step, int):
        return number % step == 0
    from fractions import Fraction

    return Fraction(str(number)) % Fraction(str(step)) == 0


def _pattern(
    _: "Draft202012Validator", pattern: str, instance: Any, __: Mapping[str, Any]
) -> "Iterator[ValidationError]":
    if isinstance(instance, str) and not matches(pattern, instance):
        yield _error(f"{instance[:80]!r} does not match {pattern!r}")


def _multiple_of(
    validator: "Draft202012Validator", step: Any, instance: Any, _: Mapping[str, Any]
) -> "Iterator[ValidationError]":
    if validator.is_type(instance, "number") and not is_multiple(instance, step):
        yield _error(f"{instance} is not a multiple of {step}")


@lru_cache(maxsize=512)
def _expression(pattern: str) -> re.Pattern[str]:
    r"""JSON Schema's `$` is the end of the text alone; Python's also stands before a last line feed."""
    ends = pattern.endswith("$") and not pattern.endswith("\\$")
    return re.compile(pattern[:-1] + r"\Z" if ends else pattern)


def _error(message: str) -> "ValidationError":
    from jsonschema.exceptions import ValidationError

    return ValidationError(message)
