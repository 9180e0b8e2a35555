"""The images of a request: what paths, URLs and `$` references in it mean at a cell's coordinates."""

from collections.abc import Mapping, Sequence
from typing import Any

from flowrunner.binding.bound import NOTHING, UNTOLD, Path, Pending, PendingSize, size_of
from flowrunner.binding.work import Work
from flowrunner.call import Link
from flowrunner.catalog import schema
from flowrunner.catalog.model import Model
from flowrunner.catalog.sizes import legal_size, takes_size
from flowrunner.graph import FromCell, FromOutside, Target, field_of
from flowrunner.images import NoImage
from flowrunner.nodes import MapNode, Node, Scalar, plain
from flowrunner.pipeline import (
    AxisRef,
    AxisValue,
    Faulty,
    ImageRef,
    InputRef,
    ListParam,
    Param,
    Selector,
    SizeOf,
    StepRef,
    Template,
)
from flowrunner.problems import error
from flowrunner.source import Span


def field(work: Work, model: Model, param: Param, path: Path) -> Any:
    """A parameter that takes an image, or a list of them; NOTHING where none is given."""
    work.origins[path] = param.span
    takes_list = schema.takes_list(model, path)
    if isinstance(param, ListParam):
        return _spliced(work, param.items, path) if takes_list else _no_list(work, model, param, path)
    found, is_list = _meant(work, param, path)
    if takes_list:
        return found if is_list or not found or found[0] is UNTOLD else _unwrapped(work, param, path)
    if len(found) > 1 or (is_list and found):
        message = f"{path[0]} takes one image; {_shown(param)} is {len(found)}"
        work.fields.add("one-image", message, param.span, _one_of(work, param))
        return work.unknown(path)
    return found[0] if found else NOTHING


def _one_of(work: Work, param: Param) -> str:
    if not isinstance(param, StepRef):
        return "keep one of them"
    if param.selector is not Selector.GATHER:
        return f"choose one: ${param.step}.1"
    step = work.cell.step
    lacking = [name for name in work.binder.graph.pipeline.steps[param.step].across if name not in step.across]
    return f"write ${param.step}, and add {' and '.join(lacking)} to across of {step.id}"


def _meant(work: Work, param: Param, path: Path) -> tuple[list[Any], bool]:
    """The images of a value, and whether they are meant as a list: `.images`, `.*`, a template that gives one."""
    if not isinstance(param, Template):
        return _image(work, param, path), isinstance(param, StepRef) and param.is_list
    value = _rendered(work, param, path)
    return _named(work, value, param.span, path), isinstance(value, list)


def _unwrapped(work: Work, param: Param, path: Path) -> Any:
    work.fields.add("wrap", f"{path[0]} takes a list of images", param.span, f"write [{_shown(param)}]")
    return work.unknown(path)


def _no_list(work: Work, model: Model, param: ListParam, path: Path) -> Any:
    count = len(param.items)
    hint = f"write {_shown(param.items[0])}" if count == 1 else "keep one of them"
    message = f"{path[0]} of {model.id} takes one image; this is a list of {count}"
    work.fields.add("one-image", message, param.span, hint)
    return work.unknown(path)


def _spliced(work: Work, items: Sequence[Param], path: Path) -> list[Any]:
    found: list[Any] = []
    for item in items:
        for image in _image(work, item, (*path, len(found))):
            work.origins[(*path, len(found))] = item.span
            found.append(image)
    return found


def _image(work: Work, param: Param, path: Path) -> list[Any]:
    """The images that one value means: several for `.images`, `.*` and a template that gives a list."""
    work.origins[path] = param.span
    if isinstance(param, (StepRef, InputRef, AxisRef)):
        return referred(work, param, path)
    if isinstance(param, Faulty):
        return _untold(work, path)
    if isinstance(param, Template):
        return _named(work, _rendered(work, param, path), param.span, path)
    if isinstance(param, Scalar) and param.text.startswith("$"):
        hint = "references are $STEP, $STEP.N, $STEP.images, $STEP.*, $inputs.NAME and $axis.NAME.FIELD"
        work.fields.add("image", f"{param.text} is no reference", param.span, hint)
        return _untold(work, path)
    if isinstance(param, Scalar):
        return _named(work, NOTHING if param.value is None else param.value, param.span, path)
    work.fields.add("image", f"{path[0]} takes images: a path, a URL or a $ reference", param.span)
    return _untold(work, path)


def _rendered(work: Work, param: Template, path: Path) -> Any:
    """What a template gives; a path in it is relative to the file that holds the template."""
    value = work.rendered(param, path)
    work.origins[path] = param.span
    return UNTOLD if path in work.untold else value


def _untold(work: Work, path: Path) -> list[Any]:
    work.unknown(path)
    return [UNTOLD]


def _named(work: Work, value: Any, span: Span, path: Path) -> list[Any]:
    """The image that a text names which is written at a place: a path is relative to that file."""
    if value is NOTHING or value is UNTOLD:
        return [] if value is NOTHING else [UNTOLD]
    if isinstance(value, list):
        return [image for item in value for image in _named(work, item, span, path)]
    if not isinstance(value, str):
        work.fields.add("image", "an image is a path, a URL or a $ reference", span)
        return _untold(work, path)
    try:
        image = work.binder.images.named(value, span.file)
    except NoImage as fault:
        made = "a $ reference is written in the file itself, not made by a template" if value.startswith("$") else ""
        work.fields.add("image", fault.message, span, made or fault.hint)
        return _untold(work, path)
    work.labels.append(_stem(value))
    return [image]


def referred(work: Work, ref: ImageRef, path: Path) -> list[Any]:
    """The images that a reference means; nothing for an optional image that is not given."""
    graph = work.binder.graph
    faulty = bool(graph.faulty) and ref in graph.faulty
    if faulty or (isinstance(ref, StepRef) and not graph.index.cells[ref.step]):
        return _untold(work, path)
    return [image for target in graph.targets(ref, work.cell.at) for image in _target(work, target, ref, path)]


def _target(work: Work, target: Target, ref: ImageRef, path: Path) -> list[Any]:
    if isinstance(target, FromOutside):
        return outside(work, target, ref.span, path) if target.ref is ref else _handed(work, target, path)
    said = work.ask(target)
    planned = said.candidates
    if target.selector is Selector.CANDIDATE and target.number > planned and said.counted:
        step = target.cell.partition("/")[0]
        message = f"{ref} is candidate {target.number}; {step} has {planned}"
        if isinstance(ref, StepRef) and step == ref.step:  # else it is an `else`, and told of the cell that has it
            work.fields.add("candidate", message, ref.span, f"choose 1 to {planned}" if planned > 1 else "leave it out")
        return _untold(work, path)
    count = planned if target.selector is Selector.IMAGES else 1
    _label(work, target, count)
    if said.images is not None:
        return list(said.images)
    if target.selector is Selector.IMAGES:
        return [Pending(target.cell, said.size, number) for number in range(1, count + 1)]
    return [Pending(target.cell, said.size, target.number)]


def _handed(work: Work, target: FromOutside, path: Path) -> list[Any]:
    """An image that a skipped cell hands on: what is wrong with it is told of that cell."""
    own = Work(work.binder, work.cell, work.known, work.asked)
    found = outside(own, target, target.ref.span, path)
    work.labels += own.labels
    return _untold(work, path) if path in own.untold else found


def _label(work: Work, target: FromCell, count: int) -> None:
    cell = work.binder.graph.cells[target.cell]
    own = [value.id for name, value in cell.at.items() if name not in work.cell.at]
    label = " · ".join(own) or cell.id
    work.labels += [f"{label} {n + 1}" for n in range(count)] if count > 1 else [label]


def outside(work: Work, target: FromOutside, span: Span, path: Path) -> list[Any]:
    """The image that an input or an axis value gives; nothing where it is null."""
    if isinstance(target.ref, InputRef):
        return _input(work, target.ref, span, path)
    return _axis(work, target.ref, target.at, span, path)


def _axis(work: Work, ref: AxisRef, at: Mapping[str, AxisValue], span: Span, path: Path) -> list[Any]:
    node = field_of(ref, at)
    if node is None:
        message = f"{ref.axis} has no {'.'.join(ref.fields)} here"
        work.fields.add("reference", message, span, _fields_of(at[ref.axis].node))
        return _untold(work, path)
    if not isinstance(node, Scalar) or not isinstance(node.value, str | None):
        work.fields.add("image", f"{ref} is not the path or URL of an image", node.span)
        return _untold(work, path)
    return _named(work, NOTHING if node.value is None else node.value, node.span, path)


def _input(work: Work, ref: InputRef, span: Span, path: Path) -> list[Any]:
    value = work.scope.values.get(ref.name)
    if value is None:
        return _untold(work, path)
    if value.data is None:
        return []
    if value.image is not None:
        work.labels.append(ref.name)
        return [value.image]
    if value.path is not None:
        return _given(work, value.path, span, path)
    return _named(work, value.data, value.node.span if value.node else span, path)


def _given(work: Work, place: str, span: Span, path: Path) -> list[Any]:
    try:
        image = work.binder.images.at(place)
    except NoImage as fault:
        work.fields.add("image", fault.message, span, fault.hint)
        return _untold(work, path)
    work.labels.append(_stem(place))
    return [image]


def size(work: Work, param: SizeOf, path: Path) -> Any:
    """`{size_of: $ref}`: the size of another image, as near as the model takes it."""
    labels = len(work.labels)
    images = referred(work, param.ref, path)
    del work.labels[labels:]
    model = work.cell.model
    if not images or images[0] is UNTOLD or model is None:
        return work.unknown(path) if images else NOTHING
    if not takes_size(model, path):
        hint = "size_of stands where a width and a height are asked for"
        fault = error("size-of", f"{path[0]} takes no width and height", param.span, hint)
        work.misplaced.setdefault(str(path[0]), []).append(fault)
        return work.unknown(path)
    image = images[0]
    if isinstance(image, Link):
        message = f"the size of {param.ref} is not known: it is a URL or an asset"
        work.fields.add("size-of", message, param.span, "write width and height")
        return work.unknown(path)
    legal = legal_size(model, path, size_of(image))
    assert legal is not None
    if isinstance(image, Pending):
        return PendingSize(legal, image)
    return {"width": legal[0], "height": legal[1]} if image.width else work.unknown(path)


def _shown(param: Param) -> str:
    if isinstance(param, StepRef | InputRef | AxisRef):
        return str(param)
    return param.span.text if "\n" not in param.span.text else "it"


def _fields_of(node: Node) -> str:
    if isinstance(node, MapNode) and node.entries:
        return f"it has {', '.join(list(node.entries)[:12])}"
    return "it has no fields" if isinstance(node, MapNode) else f"it is the plain value {plain(node)}"


def _stem(text: str) -> str:
    return text.rstrip("/").rsplit("/", 1)[-1].rsplit(".", 1)[0][:40]
