"""The checks of a cell as bound: parameters rendered, pictures resolved, faults told where they are written.

A check is no part of a request: no key depends on it, and to change it pays for nothing.
"""

from collections.abc import Iterator
from typing import Any

from flowrunner.artifact import Artifact
from flowrunner.binding import pictures, values
from flowrunner.binding.bound import NOTHING, Bound, BoundCheck, Pending, PendingSize, pending_in
from flowrunner.binding.judging import faults
from flowrunner.binding.work import Work
from flowrunner.call import Link
from flowrunner.catalog.assertions import ASSERTIONS
from flowrunner.catalog.model import Model
from flowrunner.imagehead import MAX_SIDE
from flowrunner.imaging import geometry
from flowrunner.imaging.errors import OperationError
from flowrunner.pipeline import Check, SizeOf


def bind(work: Work, bound: Bound) -> Iterator[BoundCheck]:
    """The checks of a cell, those left out whose picture or value is null. Faults join those of the cell."""
    for check in work.cell.step.checks:
        own = Work(work.binder, work.cell, work.known, work.asked)
        params = _params(own, check, ASSERTIONS[check.name])
        problems = own.fields.problems
        if params is not None and not any(problem.is_error for problem in problems):
            _judge(own, check, params, bound)
        work.fields.problems += problems
        if params is not None and not own.untold and not any(problem.is_error for problem in problems):
            yield BoundCheck(name=check.name, level=check.level, params=params, span=check.span)


def pending(checks: tuple[BoundCheck, ...]) -> tuple[Pending, ...]:
    """The pictures that checks wait for."""
    return pending_in([check.params for check in checks])


def _params(work: Work, check: Check, model: Model) -> dict[str, Any] | None:
    found: dict[str, Any] = {}
    for name, given in check.params.items():
        work.keys[name] = given.key
        if isinstance(given.param, SizeOf) and check.name == "size":
            value = _size(work, given.param)
        else:
            value = values.parameter(work, model, name, given.param)
        if value is not NOTHING:
            found[name] = value
        elif name in model.images or name == check.name:
            return None
    return found


def _size(work: Work, param: SizeOf) -> Any:
    """The very size of another picture; no model has to take it."""
    path = ("size",)
    work.origins[path] = param.span
    found = pictures.referred(work, param.ref, path)
    image = found[0] if found else NOTHING
    if isinstance(image, Artifact):
        return {"width": image.width, "height": image.height} if image.width else work.unknown(path)
    if isinstance(image, Pending):
        return PendingSize(image.size or (1, 1), image)
    if isinstance(image, Link) and path not in work.untold:
        work.fields.add("size-of", f"the size of {param.ref} is not known: it is a URL or an asset", param.span)
        return work.unknown(path)
    return image if image is NOTHING else work.unknown(path)


def _judge(work: Work, check: Check, params: dict[str, Any], bound: Bound) -> None:
    model = ASSERTIONS[check.name]
    faults(work, model, params, check.span)
    for name in model.images:
        if isinstance(params.get(name), Link) and (name,) not in work.untold:
            hint = "save it into the project, or write a $ reference"
            message = f"{name} is a URL or an asset, and a check looks at pictures that are here"
            work.fields.add("check", message, work.origins[name,], hint)
    if "box" in params and not any(path[0] == "box" for path in work.untold) and not work.fields.problems:
        _judge_box(work, params["box"], bound)


def _judge_box(work: Work, box: Any, bound: Bound) -> None:
    """What is wrong with a box whatever picture comes out, or with one of the size that is asked for."""
    try:
        geometry.rect(box, bound.size or (MAX_SIDE, MAX_SIDE))
    except OperationError as fault:
        work.fields.add("check", fault.message, work.origins["box",], fault.hint)
