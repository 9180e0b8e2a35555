"""Checking a request against what its provider published, before anything is sent."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flowrunner.catalog.compile import METER, TooLong, compiled
from flowrunner.catalog.faults import Fault, label, told
from flowrunner.catalog.model import Model
from flowrunner.catalog.plain import keeps
from flowrunner.catalog.schema import Path
from flowrunner.catalog.unknown import unknown

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

__all__ = ["Fault", "check"]

_EXACT = 2**53
_STEPS = 20_000
"""What the schema of a project's own model file may take over one request, in checks of one keyword."""
_DEEP = 64
_FIRST = ("type", "enum", "const")
"""Where one of these fails, what else is said about the same value is noise."""


def check(model: Model, request: Mapping[str, Any], *, siblings: Sequence[Model] = ()) -> list[Fault]:
    """Every fault of a request, at most one for each value. `request` is plain JSON in which each image and each file
    stands as text, a URL. `siblings` are the provider's other models: a field of theirs is told from a slip."""
    odd = list(_not_json(model, request, ()))
    if odd:
        return odd
    if keeps(model, request):
        return list(unknown(model, request, siblings))
    METER.begin(math.inf if model.trusted else _STEPS)
    try:
        errors = _errors(model, request)
    except TooLong:
        message = f"{model.short}: checking this request by its schema takes too long"
        return [Fault(path=(), code="schema", message=message, hint=f"shorten the request, or {model.file}")]
    except (RecursionError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        reason = f"{model.short}: its schema cannot be applied ({type(error).__name__})"
        return [Fault(path=(), code="schema", message=reason, hint=model.file)]
    return [*_once(fault for error in errors for fault in told(model, error)), *unknown(model, request, siblings)]


def _errors(model: Model, request: Mapping[str, Any]) -> "list[ValidationError]":
    """The published schema's errors, the surest first; then those of the stricter one."""
    published, stricter = compiled(model)
    found = sorted(published.iter_errors(request), key=lambda error: error.validator not in _FIRST)
    return [*found, *stricter.iter_errors(request)]


def _once(faults: Iterable[Fault]) -> list[Fault]:
    kept: dict[tuple[object, ...], Fault] = {}
    for fault in faults:
        several = fault.message if fault.code == "missing-parameter" else ""
        kept.setdefault((fault.path, fault.about_key, several), fault)
    return list(kept.values())


def _not_json(model: Model, value: Any, path: Path) -> Iterator[Fault]:
    """Numbers and depths that JSON cannot carry, found before a validator meets them."""
    if isinstance(value, str | bool) or value is None:
        return
    if isinstance(value, int | float):
        if not math.isfinite(value) if isinstance(value, float) else abs(value) > _EXACT:
            yield Fault(path=path, code="not-exact", message=f"{label(model, path)} is no number that JSON can carry")
    elif len(path) > _DEEP:
        yield Fault(path=path, code="too-deep", message=f"{label(model, path[:1])} nests deeper than {_DEEP}")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _not_json(model, item, (*path, key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _not_json(model, item, (*path, index))
    else:
        message = f"{label(model, path)} is of the Python type {type(value).__name__}, which JSON cannot carry"
        yield Fault(path=path, code="wrong-type", message=message)
