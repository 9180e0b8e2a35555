"""Parameters that a model's schema does not define: a slip of the pen, another model's field, or meant so.

Published schemas allow unknown fields, and a published example sends one, so only what is surely wrong is an error.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from flowrunner import escape
from flowrunner.catalog import schema
from flowrunner.catalog.faults import Fault, label
from flowrunner.catalog.model import Model
from flowrunner.catalog.schema import Path
from flowrunner.problems import Severity
from flowrunner.spelling import nearest

_CODE = "unknown-parameter"


def unknown(model: Model, request: Mapping[str, Any], siblings: Sequence[Model]) -> Iterator[Fault]:
    """Every parameter and every nested key that the model's schema does not define."""
    for name, value in request.items():
        if name in model.parameters:
            if isinstance(value, Mapping | list):
                yield from _inside(model, (name,), value, list(schema.branches(model.request, model.parameters[name])))
        elif not isinstance(model.request.get("additionalProperties"), Mapping):
            yield _parameter(model, name, siblings)


def _parameter(model: Model, name: str, siblings: Sequence[Model]) -> Fault:
    closed = model.request.get("additionalProperties") is False
    near = _near(name, model.parameters)
    if name in model.send or name == model.under:
        return _fault((name,), f"{name} is set by the catalogue", "write the parameters alone, right under `with`")
    takers = [other for other in siblings if _near(name, other.images)]
    if takers and not (model.images and near):
        return _imageless(model, name, takers)
    owners = [other for other in siblings if name in other.parameters and other not in takers]
    if owners and not closed:
        message = f"{model.short} does not define {name}; {_like(model, owners).short} has it"
        return _fault((name,), message, "it will be sent, as a published example does", Severity.WARNING)
    return _spelling(model, (name,), near, closed=closed)


def _imageless(model: Model, name: str, takers: Sequence[Model]) -> Fault:
    other = _like(model, takers)
    if model.images:
        message = f"{model.short} has no {name}; {other.short} does"
        return _fault((name,), message, f"its images go into {' and '.join(model.images)}")
    return _fault((name,), f"{model.short} takes no images; {other.short} does", f"write model: {other.id}")


def _like(model: Model, others: Sequence[Model]) -> Model:
    from difflib import SequenceMatcher

    return max(others, key=lambda other: SequenceMatcher(None, model.id[:100], other.id[:100]).ratio())


def _inside(model: Model, path: Path, value: Any, parts: Sequence[Mapping[str, Any]]) -> Iterator[Fault]:
    if isinstance(value, list):
        items = [deep for part in parts for deep in schema.branches(model.request, part.get("items"))]
        for index, item in enumerate(value if items else ()):
            yield from _inside(model, (*path, index), item, items)
    elif isinstance(value, Mapping):
        known = schema.properties(parts)
        open_to = any(isinstance(part.get("additionalProperties"), Mapping) for part in parts)
        closed = any(part.get("additionalProperties") is False for part in parts)
        for name, item in value.items() if known or closed else ():
            if name in known:
                yield from _inside(model, (*path, name), item, list(schema.branches(model.request, known[name])))
            elif not open_to:
                yield _spelling(model, (*path, name), _near(name, known), closed=closed)


def _near(name: str, known: Iterable[str]) -> str | None:
    """The known name that was meant. `imageUrls` and `image-urls` are `image_urls`."""
    names = list(known)
    bare = {_bare(one): one for one in names}
    if _bare(name) in bare:
        return bare[_bare(name)]
    return nearest(name, names, 0.75)


def _bare(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def _spelling(model: Model, path: Path, near: str | None, *, closed: bool) -> Fault:
    owner, name = label(model, path[:-1]), escape.line(str(path[-1]), 60)
    message = f"{owner} does not define {name}"
    if near:
        return _fault(path, message, f"did you mean {near}?")
    if closed:
        return _fault(path, message, f"{owner} takes {', '.join(_names(model, path[:-1]))}")
    return _fault(path, message, "it will be sent: the published schema allows more", Severity.WARNING)


def _names(model: Model, path: Path) -> list[str]:
    return list(schema.properties(schema.at(model, path)))


def _fault(path: Path, message: str, hint: str, severity: Severity = Severity.ERROR) -> Fault:
    return Fault(path=path, code=_CODE, message=message, hint=hint, severity=severity, about_key=True)
