"""The values of parameters that are no images: literals, templates, texts from files, sizes."""

from typing import Any

from flowrunner.binding import pictures
from flowrunner.binding.bound import NOTHING, Path
from flowrunner.binding.work import Work, plain
from flowrunner.catalog import schema
from flowrunner.catalog.model import Model
from flowrunner.errors import FlowError
from flowrunner.nodes import Scalar
from flowrunner.pipeline import Faulty, ImageRef, ListParam, MapParam, Param, SizeOf, Template, TextFile
from flowrunner.problems import error


def parameter(work: Work, model: Model | None, name: str, param: Param) -> Any:
    """A parameter of `with` as it is sent, images as leaves of their own; NOTHING where it is not sent."""
    if model is not None and name in model.images:
        return pictures.field(work, model, param, (name,))
    if model is not None and name in model.files:
        return _file(work, param, (name,))
    return _value(work, param, (name,))


def _value(work: Work, param: Param, path: Path) -> Any:
    work.origins[path] = param.span
    match param:
        case Scalar():
            return NOTHING if param.value is None else plain(param.value)
        case Template():
            return work.rendered(param, path)
        case TextFile():
            return _text_file(work, param, path)
        case SizeOf():
            return pictures.size(work, param, path)
        case ListParam():
            return _list(work, param, path)
        case MapParam():
            found = {key: _value(work, item, (*path, key)) for key, item in param.entries.items()}
            return {key: item for key, item in found.items() if item is not NOTHING}
        case Faulty():
            return work.unknown(path)
        case _:
            return _misplaced(work, param, path)


def _list(work: Work, param: ListParam, path: Path) -> list[Any]:
    """Null is dropped, and what follows moves up."""
    found: list[Any] = []
    for item in param.items:
        value = _value(work, item, (*path, len(found)))
        if value is not NOTHING:
            found.append(value)
    return found


def _misplaced(work: Work, ref: ImageRef, path: Path) -> Any:
    name = str(path[0])
    hint = f"to send the text itself write $${str(ref)[1:]}"
    fault = error("reference-in-text", f"{name} takes no image, and {ref} is one", ref.span, hint)
    work.misplaced.setdefault(name, []).append(fault)
    return work.unknown(path)


def _text_file(work: Work, param: TextFile, path: Path) -> Any:
    model = work.cell.model
    if model is not None and not _takes_text(model, path):
        work.fields.add("file", f"{path[0]} takes no text from a file", param.span)
        return work.unknown(path)
    found = work.binder.text_file(param, work.cell.step, work.fields)
    if found is None:
        return work.unknown(path)
    work.origins[path] = found.span
    return work.rendered(found, path) if isinstance(found, Template) else found.value


def _takes_text(model: Model, path: Path) -> bool:
    parts = schema.at(model, path)
    return not parts or any(part.get("type") == "string" for part in parts)


def _file(work: Work, param: Param, path: Path) -> Any:
    value = _value(work, param, path)
    if value is NOTHING or path in work.untold:
        return NOTHING
    try:
        return work.binder.images.file(str(value), param.span.file)
    except FlowError as fault:
        work.fields.add("file", fault.message, param.span, fault.hint)
        return work.unknown(path)
