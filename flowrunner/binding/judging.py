"""Judging a bound request: by what the provider published, and by what its author may have overlooked."""

from contextlib import suppress
from functools import partial
from typing import Any

from flowrunner.binding.bound import Bound, images_in, size_of, standing
from flowrunner.binding.work import Work
from flowrunner.call import File, Link
from flowrunner.catalog.faults import Fault, label
from flowrunner.catalog.model import Model
from flowrunner.catalog.sizes import planned_images
from flowrunner.files import IMAGE_LIMIT, FileProblem
from flowrunner.loading.cells import Cell
from flowrunner.loading.fields import did_you_mean
from flowrunner.nodes import Scalar
from flowrunner.pipeline import AxisRef, InputRef, ListParam, Param, PickRule, StepRef
from flowrunner.problems import Severity, error, warning
from flowrunner.providers.base import Transport
from flowrunner.providers.registry import LOCAL, PROVIDERS
from flowrunner.slotted import replace
from flowrunner.source import Span

_SHAPES = {
    "square_hd": 1.0,
    "square": 1.0,
    "portrait_4_3": 3 / 4,
    "portrait_16_9": 9 / 16,
    "landscape_4_3": 4 / 3,
    "landscape_16_9": 16 / 9,
}
"""Ratios that the presets' own names say; their sizes in pixels are published nowhere."""


_MADE = {"text": '~ ""', "a whole number": "| int", "a number": "| float"}
"""What makes of another value what a schema asks for."""


def judge(work: Work, model: Model, bound: Bound) -> None:
    """Notes every fault of a request, each where its value is written, and what looks like an oversight."""
    _check_provider(work, model)
    _check_assets(work, model, bound.params)
    step = work.cell.step
    faults(work, model, bound.params, step.params_span or step.span)
    if model.provider == LOCAL and not any(problem.is_error for problem in work.fields.problems):
        _check_operation(work, model, bound.params)
    _check_pick(work, bound)
    _check_last_seed(work, model, bound.params)
    _lint_count(work, model, bound.params)
    _lint_reshape(work, model, bound.params)


def faults(work: Work, model: Model, params: dict[str, Any], whole: Span) -> None:
    """What a schema says against parameters, each fault where its value is written; `whole` is where they begin."""
    found = work.binder.faults(model, standing(params))
    for fault in (_unshown(work, model, fault) for fault in found):
        removed = _removed(work.cell, fault.missing) if model is work.cell.model and not fault.path else None
        if removed is not None:
            hint = fault.hint.replace("add", "write", 1)
            work.fields.add(fault.code, f"{fault.message}, and null removes it", removed, hint)
        elif not _hidden(work, fault):
            make = error if fault.severity is Severity.ERROR else warning
            work.fields.problems.append(make(fault.code, fault.message, _place(work, fault, whole), fault.hint))
    unknown = {fault.path[0] for fault in found if fault.about_key and fault.severity is Severity.ERROR}
    for name, misplaced in work.misplaced.items():
        work.fields.problems += misplaced if name not in unknown else ()


def _removed(cell: Cell, name: str) -> Span | None:
    """The null that takes a parameter out of a cell's request: of its last override that has a word on it, else of its
    step."""
    own = (one.params for one in reversed(cell.step.overrides) if one.at.items() <= cell.coordinates.items())
    given = next((params[name] for params in (*own, cell.step.params) if name in params), None)
    return given.param.span if given is not None and isinstance(given.param, Scalar) else None


def _unshown(work: Work, model: Model, fault: Fault) -> Fault:
    """A fault of an input without a value, told by its type: what stands in for the value is nobody's."""
    kind = work.untold.get(fault.path)
    if not kind or fault.about_key:
        return fault
    _, comma, wanted = fault.message.rpartition(", not ")
    name = label(model, fault.path)
    message = f"{name} is an input of type {kind}{comma}{wanted if comma else ''}"
    made = next((_MADE[noun] for noun in wanted.split(" or ") if noun in _MADE), "")
    expression = work.templates[fault.path].compiled.text.strip()[2:-2].strip(" -")
    other = fault.hint if fault.hint.startswith(f"{name} takes") else "give the input another type"
    hint = f"write '{{{{ {expression} {made} }}}}'" if made else other
    return replace(fault, message=message, hint=hint)


def _hidden(work: Work, fault: Fault) -> bool:
    """Of a value that is not known, only its name and its type can be wrong."""
    if fault.about_key:
        return False
    for path, kind in work.untold.items():
        if fault.path[: len(path)] == path and not (kind and fault.code == "wrong-type"):
            return True
    return False


def _place(work: Work, fault: Fault, whole: Span) -> Span:
    if not fault.path:
        return whole
    if fault.about_key and len(fault.path) == 1 and fault.path[0] in work.keys:
        return work.keys[str(fault.path[0])]
    for length in range(len(fault.path), 0, -1):
        found = work.origins.get(tuple(fault.path[:length]))
        if found is not None:
            return found
    return work.cell.step.span


def _check_provider(work: Work, model: Model) -> None:
    """A project's model file may name a provider that nobody here can speak to."""
    if model.provider != LOCAL and model.provider not in PROVIDERS:
        message = f"{model.file} is of {model.provider}, and flowrunner knows no such provider"
        hint = did_you_mean(model.provider, PROVIDERS)
        work.fields.add("unknown-provider", message, work.cell.step.model.span, hint)


def _check_assets(work: Work, model: Model, params: dict[str, Any]) -> None:
    """An asset lies in a provider's own store, which no other provider reads."""
    provider = PROVIDERS.get(model.provider)
    if provider is not None and provider.transport is Transport.UPLOAD:
        return
    for name in model.images:
        value = params.get(name)
        for index, leaf in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(leaf, Link) and leaf.text.startswith("asset:"):
                path = (name, index) if isinstance(value, list) else (name,)
                message = f"{leaf.text} lies in another provider's store, where {model.short} cannot see it"
                work.fields.add("asset", message, work.origins[path], "write an https URL, or the path of a file")
                work.unknown(path)


def _check_operation(work: Work, model: Model, params: dict[str, Any]) -> None:
    """A local operation runs last, when all is paid: what it cannot do is told before, as far as texts and sizes tell
    it."""
    from flowrunner.providers import image

    if work.untold:
        return
    images, step = work.binder.images, work.cell.step

    def lettered(text: str, font: File | None) -> None:
        with suppress(FileProblem):  # its bytes may not be here
            read = partial(images.files.read, images.paths[font.sha256], IMAGE_LIMIT) if font else bytes
            work.binder.typefaces.ensure(text, font.sha256 if font else "", read)

    for name, fault in image.refusals(model.id, params, size_of, lettered):
        places = (work.origins.get((each,)) for each in (name, "box", "ellipse", "scale", "width", "height"))
        span = next((place for place in places if place is not None), step.params_span or step.span)
        work.fields.add("operation", fault.message, span, fault.hint)


def _check_pick(work: Work, bound: Bound) -> None:
    pick, planned = work.cell.step.pick, bound.candidates
    if pick.rule is PickRule.NUMBER and pick.number > planned and pick.span is not None and bound.counted:
        hint = f"choose 1 to {planned}, or raise variants" if planned > 1 else "leave pick out"
        there = "is one" if planned == 1 else f"are {planned}"
        work.fields.add("pick", f"pick is candidate {pick.number}; there {there}", pick.span, hint)


def _check_last_seed(work: Work, model: Model, params: dict[str, Any]) -> None:
    """Seeds count up from the one that is written: the last has to be one that the model takes, too."""
    seed, variants = params.get(model.seed) if model.seed else None, work.cell.step.variants
    if variants < 2 or not model.seed or not isinstance(seed, int | float) or isinstance(seed, bool):
        return
    last, path = seed + variants - 1, (model.seed,)
    found = work.binder.faults(model, standing({**params, model.seed: last}))
    fault = next((fault for fault in found if fault.path == path), None)
    if (
        fault is None
        or path in work.untold
        or any(one.path == path for one in work.binder.faults(model, standing(params)))
    ):
        return
    message = f"variants: {variants} counts {model.seed} up to {last}: {fault.message}"
    work.fields.add(fault.code, message, work.origins[path], f"write a {model.seed} that leaves room for {variants}")


def _lint_count(work: Work, model: Model, params: dict[str, Any]) -> None:
    step = work.cell.step
    if model.count and step.variants > 1 and model.count in params:
        message = f"{model.count} and variants multiply: {planned_images(model, params)} × {step.variants} pictures"
        hint = "one of them is enough; variants gives each picture a key and a seed of its own"
        work.fields.problems.append(warning("count-and-variants", message, work.keys[model.count], hint))
    if model.provider == LOCAL and step.variants > 1 and step.variants_span:
        message = "a local operation gives the same picture each time"
        work.fields.problems.append(warning("local-variants", message, step.variants_span, "leave variants out"))


def _lint_reshape(work: Work, model: Model, params: dict[str, Any]) -> None:
    """An edit without a size gives the model's default shape, which may not be that of the picture it edits."""
    if not model.size or model.size in params or model.size in work.cell.params or not model.images:
        return
    default = model.parameters.get(model.size, {}).get("default")
    shape = _SHAPES.get(default) if isinstance(default, str) else None
    first = next(images_in(params), None)
    size = size_of(first) if first is not None else None
    if shape is None or size is None or abs(size[0] / size[1] / shape - 1) < 0.02:
        return
    message = f"the first image is {size[0]}x{size[1]}; without {model.size} the result is {default}"
    given = work.cell.params.get(model.images[0])
    shown = _first_reference(given.param) if given else ""
    hint = f"add {model.size}: {{size_of: {shown}}}" if shown else f"add {model.size}"
    place = given.key if given else work.cell.step.span
    work.fields.problems.append(warning("edit-reshapes", message, place, hint))


def _first_reference(param: Param) -> str:
    item = param.items[0] if isinstance(param, ListParam) and param.items else param
    return str(item) if isinstance(item, StepRef | InputRef | AxisRef) else ""
