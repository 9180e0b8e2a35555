"""Which model a request means, and which published rules it breaks."""

from collections.abc import Iterable, Mapping
from typing import Any

from flowrunner.catalog import Catalog, Model, NotFound
from flowrunner.catalog.check import Fault, check
from flowrunner.problems import Severity
from flowrunner.simulator.wire import Rejected


def chosen(catalog: Catalog, models: Iterable[Model], body: Mapping[str, Any]) -> Model | None:
    """The first of the models whose own fields stand in the body. Rejected where its file is not fit for use: a
    project's schemas are judged before anything applies them."""
    model = next((one for one in models if all(body.get(key) == value for key, value in one.send.items())), None)
    found = catalog.find(model.id, model.provider) if model else None
    if isinstance(found, NotFound):
        raise Rejected(found.message)
    return found


def broken(model: Model, params: Mapping[str, Any]) -> tuple[str, ...]:
    """One line for each rule of the model's schemas that a request breaks: the published one, and what the provider
    says in prose only (sides in steps of 32). A field that no schema defines is taken, as published examples do."""
    return tuple(_line(fault) for fault in check(model, params) if _counts(model, fault))


def _counts(model: Model, fault: Fault) -> bool:
    extra = fault.code == "unknown-parameter" and model.request.get("additionalProperties") is not False
    return fault.severity is Severity.ERROR and not extra


def _line(fault: Fault) -> str:
    place = ".".join(str(part) for part in fault.path)
    return f"{place}: {fault.message}" if place else fault.message
