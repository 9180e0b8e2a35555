"""Binding: a cell with its templates rendered and its references resolved, one Call for each sample.

The one door through which validate, plan and run see a request: what is not known yet stands as Pending, and a call
with a Pending in it has no key.
"""

import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flowrunner.artifact import Artifact
from flowrunner.call import Call, File, Link
from flowrunner.catalog import Catalog
from flowrunner.catalog.check import check
from flowrunner.catalog.faults import Fault
from flowrunner.catalog.model import Model
from flowrunner.catalog.sizes import legal_size, output_size, planned_images
from flowrunner.errors import FlowError
from flowrunner.files import Files
from flowrunner.graph import FromCell, FromOutside, Graph, Target
from flowrunner.images import Images, NoImage
from flowrunner.loading import data
from flowrunner.loading.cells import Cell
from flowrunner.loading.fields import Fields
from flowrunner.loading.params import template_problem
from flowrunner.nodes import ListNode, MapNode, Node, Scalar, plain
from flowrunner.pipeline import (
    AxisRef,
    Given,
    ImageRef,
    InputRef,
    ListParam,
    MapParam,
    Param,
    PickRule,
    Selector,
    SizeOf,
    StepRef,
    Template,
    TextFile,
)
from flowrunner.problems import Problem, Severity, error, warning
from flowrunner.providers.registry import LOCAL, PROVIDERS
from flowrunner.source import Span
from flowrunner.templates import TemplateProblem, Unknown, UsesUnknown

Path = tuple[str | int, ...]
Size = tuple[int, int]
MAX_TEXT = 65_536


@dataclass(frozen=True, slots=True)
class Pending:
    """An image that is not there yet; `size` is what its request asks for, where it says."""

    cell: str
    size: Size | None = None


class _Nothing:
    """The value of a parameter that is not sent."""


@dataclass(frozen=True, slots=True)
class _Untold:
    """A value that depends on an input without a value; `type` is the input's, for a whole path to it."""

    type: str = ""


NOTHING = _Nothing()
Known = Callable[[FromCell], Sequence[Artifact] | None]
"""The images that a target means, None while they are not known."""


@dataclass(slots=True, kw_only=True)
class Bound:
    """A cell as bound. `calls` is empty while something is pending or unknown, and where there are errors."""

    cell: Cell
    params: dict[str, Any]
    calls: tuple[Call, ...] = ()
    pending: tuple[str, ...] = ()
    """Cells whose images are not known yet."""
    problems: list[Problem] = field(default_factory=list)
    origins: dict[Path, Span] = field(default_factory=dict)
    images: int = 1
    """Images that one call is planned to give."""
    size: Size | None = None
    """Size that the result is asked to have, where that is known."""

    @property
    def candidates(self) -> int:
        return self.images * self.cell.step.variants

    @property
    def input_sizes(self) -> list[Size | None]:
        """The sizes of the images that are sent, in order, for the price."""
        return [_size(leaf) for leaf in _leaves(self.params)]

    @property
    def span(self) -> Span:
        return self.cell.step.span


class Binder:
    """Binds the cells of a graph in its order; it remembers what each was planned to give."""

    def __init__(self, graph: Graph, catalog: Catalog, files: Files, *, simulated: bool = False) -> None:
        self.graph = graph
        self.catalog = catalog
        self.files = files
        self.simulated = simulated
        self.images = Images(files)
        self.bound: dict[str, Bound] = {}
        self._texts: dict[str, Template | Scalar | None] = {}
        self._siblings = {
            name: tuple(model for model in catalog.models if model.provider == name)
            for name in {model.provider for model in catalog.models}
        }

    def bind(self, cell: Cell, known: Known) -> Bound:
        """The cell's calls as far as `known` tells its images."""
        work = _Work(self, cell, known)
        bound = work.bind()
        self.bound[cell.id] = bound
        return bound

    def given(self, target: FromOutside, cell: Cell) -> Artifact | None:
        """The image that an input or an axis value gives to a cell, where its bytes are ours."""
        work = _Work(self, cell, lambda _: None)
        found = work.outside(target.ref, target.at, target.ref.span)
        return next((image for image in found if isinstance(image, Artifact)), None)

    def siblings(self, model: Model) -> Sequence[Model]:
        return self._siblings[model.provider]

    def text_file(self, param: TextFile, fields: Fields) -> Template | Scalar | None:
        """The template or text of a file that lies beside the one in which its path is written."""
        from flowrunner.loading.params import MARKS, template

        path = data.located(str(param.path.value), param.path.span, fields)
        if path is None:
            return None
        if path not in self._texts:
            text = data.text(self.files, path, param.path.span, fields)
            if text is None:
                return None
            marked = any(mark in str(text.value) for mark in MARKS)
            self._texts[path] = template(text, fields) if marked else text
        return self._texts[path]


class _Work:
    """One cell being bound."""

    def __init__(self, binder: Binder, cell: Cell, known: Known) -> None:
        self.binder = binder
        self.cell = cell
        self.known = known
        self.scope = binder.graph.scope
        self.names = self.scope.at(cell.at)
        self.fields = Fields()
        self.origins: dict[Path, Span] = {}
        self.keys: dict[str, Span] = {}
        self.untold: dict[Path, str] = {}
        self.labels: list[str] = []

    def bind(self) -> Bound:
        model = self.cell.model
        params: dict[str, Any] = {}
        for name, given in self.cell.params.items():
            self.keys[name] = given.key
            before = len(self.fields.problems)
            value = self._parameter(model, name, given)
            if any(problem.is_error for problem in self.fields.problems[before:]):
                # It is told already what is wrong with it: it stands in for itself in the check of the others.
                self.untold[(name,)] = ""
                value = "…"
            if value is not NOTHING:
                params[name] = value
        bound = Bound(cell=self.cell, params=params, origins=self.origins)
        if model is not None:
            self._labels(model, params)
            bound.images = planned_images(model, params)
            bound.size = _asked_size(model, params)
            self._check(model, params)
            self._check_pick(bound)
            self._lint(model, params)
        bound.pending = tuple(dict.fromkeys(leaf.cell for leaf in _leaves(params) if isinstance(leaf, Pending)))
        bound.problems = [self._told(problem) for problem in self.fields.problems]
        clean = not any(problem.is_error for problem in bound.problems)
        if clean and model is not None and not bound.pending and not self.untold and not self._sizes_pending(params):
            bound.calls = self._calls(model, params)
        return bound

    def _told(self, problem: Problem) -> Problem:
        of = len(self.binder.graph.index.cells[self.cell.step.id])
        return replace(problem, cells=(self.cell.id,), of=of, step=self.cell.step.span)

    def _sizes_pending(self, params: dict[str, Any]) -> bool:
        return any(isinstance(value, PendingSize) for value in _walk(params))

    def _calls(self, model: Model, params: dict[str, Any]) -> tuple[Call, ...]:
        calls = []
        seed = params.get(model.seed) if model.seed else None
        for index in range(self.cell.step.variants):
            own, sample = params, index
            if model.seed and isinstance(seed, int) and not isinstance(seed, bool):
                own, sample = {**params, model.seed: seed + index}, 0
            calls.append(
                Call(
                    provider=model.provider,
                    model=model.id,
                    adapter=_adapter(model.provider),
                    params=own,
                    sample=sample,
                    simulated=self.binder.simulated,
                )
            )
        return tuple(calls)

    # -- values ---------------------------------------------------------------------------------------------------

    def _parameter(self, model: Model | None, name: str, given: Given) -> Any:
        if model is not None and name in model.images:
            return self._image_field(given.param, (name,))
        if model is not None and name in model.files:
            return self._file_field(given.param, (name,))
        return self._value(given.param, (name,))

    def _value(self, param: Param, path: Path) -> Any:
        self.origins[path] = param.span
        if isinstance(param, Scalar):
            return NOTHING if param.value is None else param.value
        if isinstance(param, Template):
            return self._rendered(param, path)
        if isinstance(param, TextFile):
            return self._text_file(param, path)
        if isinstance(param, SizeOf):
            return self._size_of(param, path)
        if isinstance(param, ListParam):
            items = [self._value(item, (*path, index)) for index, item in enumerate(param.items)]
            return [item for item in items if item is not NOTHING]
        if isinstance(param, MapParam):
            found = {key: self._value(item, (*path, key)) for key, item in param.entries.items()}
            return {key: item for key, item in found.items() if item is not NOTHING}
        return self._misplaced(param, path)

    def _misplaced(self, ref: ImageRef, path: Path) -> Any:
        name = path[0]
        hint = f"to send the text itself write $${str(ref)[1:]}"
        self.fields.add("reference-in-text", f"{name} takes no image, and {ref} is one", ref.span, hint)
        return NOTHING

    def _rendered(self, param: Template, path: Path) -> Any:
        try:
            value = param.compiled.render(self.names)
        except UsesUnknown:
            return self._unknown(path, "")
        except TemplateProblem as fault:
            self.fields.problems.append(template_problem(fault, param.scalar))
            return NOTHING
        if isinstance(value, Unknown):
            return self._unknown(path, value.type)
        if param.compiled.path is not None:
            node = self.scope.node(param.compiled.path, self.cell.at)
            if node is not None:
                self._places(node, path)
        return NOTHING if value is None else _clean(value)

    def _unknown(self, path: Path, kind: str) -> Any:
        self.untold[path] = kind
        return {"integer": 1, "number": 1.0, "boolean": True}.get(kind, "…")

    def _places(self, node: Node, path: Path) -> None:
        """A value that stands in an included or a data file is faulted there."""
        self.origins[path] = node.span
        if isinstance(node, MapNode):
            for key, item in node.entries.items():
                self._places(item, (*path, key))
        elif isinstance(node, ListNode):
            for index, item in enumerate(node.items):
                self._places(item, (*path, index))

    def _text_file(self, param: TextFile, path: Path) -> Any:
        if self.cell.model is not None and not _takes_text(self.cell.model, path):
            self.fields.add("file", f"{path[0]} takes no text from a file", param.span)
            return NOTHING
        found = self.binder.text_file(param, self.fields)
        if found is None:
            return NOTHING
        if isinstance(found, Template):
            self.origins[path] = found.span
            return self._rendered(found, path)
        self.origins[path] = found.span
        return found.value

    # -- images ---------------------------------------------------------------------------------------------------

    def _image_field(self, param: Param, path: Path) -> Any:
        self.origins[path] = param.span
        if isinstance(param, ListParam):
            return self._image_list(param, path)
        wants_list = self.cell.model is not None and _is_list(self.cell.model, str(path[0]))
        if isinstance(param, StepRef) and param.is_list and wants_list:
            return self._spliced([param], path)
        if isinstance(param, StepRef | InputRef | AxisRef) and wants_list:
            message = f"{path[0]} takes a list of images"
            self.fields.add("wrap", message, param.span, f"write [{param}]")
            return NOTHING
        found = self._image(param, path)
        if isinstance(param, Template) and isinstance(found, list):
            return found
        if len(found) > 1:
            message = f"{path[0]} takes one image; {param} is {len(found)}"
            self.fields.add("one-image", message, param.span, f"choose one: {str(param).split('.', 1)[0]}.1")
            return NOTHING
        return found[0] if found else NOTHING

    def _image_list(self, param: ListParam, path: Path) -> Any:
        if self.cell.model is not None and not _is_list(self.cell.model, str(path[0])):
            count = len(param.items)
            hint = f"write {_shown(param.items[0])}" if count == 1 else "keep one of them"
            message = f"{path[0]} of {self.cell.model.id} takes one image; this is a list of {count}"
            self.fields.add("one-image", message, param.span, hint)
            return NOTHING
        return self._spliced(param.items, path)

    def _spliced(self, items: Sequence[Param], path: Path) -> list[Any]:
        found: list[Any] = []
        for item in items:
            for image in self._image(item, (*path, len(found))):
                self.origins[(*path, len(found))] = item.span
                found.append(image)
        return found

    def _image(self, param: Param, path: Path) -> list[Any]:
        self.origins[path] = param.span
        if isinstance(param, StepRef | InputRef | AxisRef):
            return self._referred(param)
        if isinstance(param, Template):
            value = self._rendered(param, path)
            self.origins[path] = param.span
            if path in self.untold:
                return [Link("https://unknown.invalid/")]
            return self._named(value, param.span, param.span.file)
        if isinstance(param, Scalar):
            return self._named(NOTHING if param.value is None else param.value, param.span, param.span.file)
        self.fields.add("image", f"{path[0]} takes images: a path, a URL or a $ reference", param.span)
        return []

    def _named(self, value: Any, span: Span, home: str) -> list[Any]:
        if value is NOTHING:
            return []
        if isinstance(value, list):
            return [image for item in value for image in self._named(item, span, home)]
        if not isinstance(value, str):
            self.fields.add("image", "an image is a path, a URL or a $ reference", span)
            return []
        try:
            image = self.binder.images.named(value, home)
        except NoImage as fault:
            hint = _quote_reference(value) or fault.hint
            self.fields.add("image", fault.message, span, hint)
            return []
        self.labels.append(_stem(value))
        return [image]

    def _referred(self, ref: ImageRef) -> list[Any]:
        found: list[Any] = []
        for target in self.binder.graph.targets(ref, self.cell.at):
            found += self._target(target, ref)
        return found

    def _target(self, target: Target, ref: ImageRef) -> list[Any]:
        if isinstance(target, FromOutside):
            return self.outside(target.ref, target.at, ref.span)
        upstream = self.binder.bound.get(target.cell)
        planned = upstream.candidates if upstream else 1
        if target.selector is Selector.CANDIDATE and target.number > planned:
            message = f"{ref} is candidate {target.number}; {target.cell} has {planned}"
            self.fields.add("candidate", message, ref.span, f"choose 1 to {planned}" if planned > 1 else "leave it out")
            return []
        count = planned if target.selector is Selector.IMAGES else 1
        self._label(target, count)
        known = self.known(target)
        if known is not None:
            return list(known)
        return [Pending(target.cell, upstream.size if upstream else None)] * count

    def _label(self, target: FromCell, count: int) -> None:
        cell = self.binder.graph.cells[target.cell]
        own = [value.id for name, value in cell.at.items() if name not in self.cell.at]
        label = " · ".join(own) or cell.id
        self.labels += [f"{label} {n + 1}" for n in range(count)] if count > 1 else [label]

    def outside(self, ref: InputRef | AxisRef, at: Mapping[str, Any], span: Span) -> list[Any]:
        if isinstance(ref, InputRef):
            return self._input(ref, span)
        node: Node | None = at[ref.axis].node
        for name in ref.fields:
            node = node.entries.get(name) if isinstance(node, MapNode) else None
        if node is None:
            value = at[ref.axis]
            hint = _fields_of(value.node)
            self.fields.add("reference", f"{value.id} of axis {ref.axis} has no {'.'.join(ref.fields)}", span, hint)
            return []
        if not isinstance(node, Scalar) or not isinstance(node.value, str | None):
            self.fields.add("image", f"{ref} is not the path or URL of an image", node.span)
            return []
        return self._named(NOTHING if node.value is None else node.value, node.span, node.span.file)

    def _input(self, ref: InputRef, span: Span) -> list[Any]:
        value = self.scope.values.get(ref.name)
        if value is None:
            self.untold[("inputs", ref.name)] = "image"
            return [Link("https://unknown.invalid/")]
        if value.data is None:
            return []
        if value.image is not None:
            self.labels.append(ref.name)
            return [value.image]
        if value.path is not None:
            return self._named_at(value.path, span)
        home = value.node.span.file if value.node else self.scope.pipeline.file
        return self._named(value.data, value.node.span if value.node else span, home)

    def _named_at(self, path: str, span: Span) -> list[Any]:
        try:
            image = self.binder.images.at(path)
        except NoImage as fault:
            self.fields.add("image", fault.message, span, fault.hint)
            return []
        self.labels.append(_stem(path))
        return [image]

    def _file_field(self, param: Param, path: Path) -> Any:
        value = self._value(param, path)
        if value is NOTHING or path in self.untold:
            return NOTHING
        try:
            return self.binder.images.file(str(value), param.span.file)
        except FlowError as fault:
            self.fields.add("file", fault.message, param.span, fault.hint)
            return NOTHING

    def _size_of(self, param: SizeOf, path: Path) -> Any:
        model = self.cell.model
        images = self._referred(param.ref)
        self.labels = self.labels[: len(self.labels) - len(images)]
        image = images[0] if images else None
        if isinstance(image, Link) and ("inputs", getattr(param.ref, "name", "")) not in self.untold:
            message = f"the size of {param.ref} is not known: it is a URL or an asset"
            self.fields.add("size-of", message, param.span, "write width and height")
            return NOTHING
        if image is None:
            return NOTHING
        wish = _size(image)
        legal = legal_size(model, path, wish) if model is not None else None
        if legal is None:
            if model is not None:
                hint = "size_of stands where a width and a height are asked for"
                self.fields.add("size-of", f"{path[0]} takes no width and height", param.span, hint)
            return NOTHING
        if isinstance(image, Artifact):
            return {"width": legal[0], "height": legal[1]}
        return PendingSize(legal, known=wish is not None)

    # -- checks ---------------------------------------------------------------------------------------------------

    def _labels(self, model: Model, params: dict[str, Any]) -> None:
        """`labels: coordinates` becomes literal text before the key is made."""
        if "labels" in model.parameters and model.images and params.get("labels") == "coordinates":
            params["labels"] = list(self.labels)

    def _check(self, model: Model, params: dict[str, Any]) -> None:
        for fault in check(model, _standing(params), siblings=self.binder.siblings(model)):
            self._fault(fault)

    def _check_pick(self, bound: Bound) -> None:
        pick = self.cell.step.pick
        if pick.rule is PickRule.NUMBER and pick.number > bound.candidates and pick.span is not None:
            hint = f"choose 1 to {bound.candidates}, or raise variants" if bound.candidates > 1 else "leave pick out"
            message = f"pick is candidate {pick.number}; there {_are(bound.candidates)}"
            self.fields.add("pick", message, pick.span, hint)

    def _fault(self, fault: Fault) -> None:
        if self._hidden(fault):
            return
        span = self._place(fault)
        message = fault.message
        make = error if fault.severity is Severity.ERROR else warning
        self.fields.problems.append(make(fault.code, message, span, fault.hint))

    def _hidden(self, fault: Fault) -> bool:
        for path, kind in self.untold.items():
            if fault.path[: len(path)] == path and not (kind and fault.code == "wrong-type"):
                return True
        return False

    def _place(self, fault: Fault) -> Span:
        if not fault.path:
            return self.cell.step.params_span or self.cell.step.span
        if fault.about_key and len(fault.path) == 1 and fault.path[0] in self.keys:
            return self.keys[str(fault.path[0])]
        for length in range(len(fault.path), 0, -1):
            found = self.origins.get(tuple(fault.path[:length]))
            if found is not None:
                return found
        return self.cell.step.span

    def _lint(self, model: Model, params: dict[str, Any]) -> None:
        step = self.cell.step
        if model.count and step.variants > 1 and model.count in params:
            message = f"{model.count} and variants multiply: {planned_images(model, params)} × {step.variants} pictures"
            hint = "one of them is enough; variants gives each picture a key and a seed of its own"
            self.fields.problems.append(warning("count-and-variants", message, self.keys[model.count], hint))
        if model.provider == LOCAL and step.variants > 1 and step.variants_span:
            message = "a local operation gives the same picture each time"
            self.fields.problems.append(warning("local-variants", message, step.variants_span, "leave variants out"))
        self._lint_reshape(model, params)

    def _lint_reshape(self, model: Model, params: dict[str, Any]) -> None:
        if not model.size or model.size in params or model.size in self.cell.params or not model.images:
            return
        default = model.parameters.get(model.size, {}).get("default")
        shape = _SHAPES.get(default) if isinstance(default, str) else None
        first = next(iter(_leaves(params)), None)
        size = _size(first) if first is not None else None
        if shape is None or size is None or abs(size[0] / size[1] / shape - 1) < 0.02:
            return
        message = f"the first image is {size[0]}x{size[1]}; without {model.size} the result is {default}"
        ref = self.cell.params.get(model.images[0])
        shown = _first_reference(ref.param) if ref else ""
        hint = f"add {model.size}: {{size_of: {shown}}}" if shown else f"add {model.size}"
        place = ref.key if ref else self.cell.step.span
        self.fields.problems.append(warning("edit-reshapes", message, place, hint))


_SHAPES = {
    "square_hd": 1.0,
    "square": 1.0,
    "portrait_4_3": 3 / 4,
    "portrait_16_9": 9 / 16,
    "landscape_4_3": 4 / 3,
    "landscape_16_9": 16 / 9,
}
"""Ratios that the presets' own names say; their sizes in pixels are published nowhere."""


@dataclass(frozen=True, slots=True)
class PendingSize:
    """A size that follows from an image which is not there yet; `size` is legal, and `known` says whether it is what
    the image's request asks for, or only a stand-in."""

    size: Size
    known: bool


def _adapter(provider: str) -> int:
    if provider == LOCAL:
        from flowrunner.providers import image

        return image.ADAPTER
    return PROVIDERS[provider].adapter


def _asked_size(model: Model, params: Mapping[str, Any]) -> Size | None:
    if model.provider == LOCAL:
        from flowrunner.providers import image

        return image.output_size(model.id, params, _size)
    size = params.get(model.size) if model.size else None
    if isinstance(size, PendingSize):
        return size.size if size.known else None
    return output_size(model, params)


def _size(leaf: Any) -> Size | None:
    if isinstance(leaf, Artifact):
        return leaf.width, leaf.height
    return leaf.size if isinstance(leaf, Pending) else None


def _walk(tree: Any) -> Iterator[Any]:
    if isinstance(tree, dict):
        for item in tree.values():
            yield from _walk(item)
    elif isinstance(tree, list):
        for item in tree:
            yield from _walk(item)
    else:
        yield tree


def _leaves(tree: Any) -> Iterator[Artifact | Link | Pending]:
    """The images of a request, in order."""
    return (leaf for leaf in _walk(tree) if isinstance(leaf, Artifact | Link | Pending))


def _standing(tree: Any) -> Any:
    """The request as the schema sees it: each image stands as a URL, a pending size as a legal one."""
    if isinstance(tree, dict):
        return {key: _standing(item) for key, item in tree.items()}
    if isinstance(tree, list):
        return [_standing(item) for item in tree]
    if isinstance(tree, Link):
        return tree.text
    if isinstance(tree, Artifact | Pending | File):
        return "https://picture.invalid/"
    if isinstance(tree, PendingSize):
        return {"width": tree.size[0], "height": tree.size[1]}
    return tree


def standing(tree: Any) -> Any:
    """The request with stand-ins, for prices."""
    return _standing(tree)


def input_artifacts(bound: Bound) -> list[Artifact | File]:
    """Inputs of which the bytes may be needed."""
    return [leaf for leaf in _walk(bound.params) if isinstance(leaf, Artifact | File)]


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, dict):
        return {key: _clean(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_clean(item) for item in value if item is not None]
    return value


def _is_list(model: Model, name: str) -> bool:
    schema = model.parameters.get(name, {})
    branches = (schema, *schema.get("anyOf", ()), *schema.get("oneOf", ()))
    return any(branch.get("type") == "array" for branch in branches)


def _are(count: int) -> str:
    return "is one" if count == 1 else f"are {count}"


def _takes_text(model: Model, path: Path) -> bool:
    schema = model.parameters.get(str(path[0]))
    if schema is None or len(path) > 1:
        return True
    branches = (schema, *schema.get("anyOf", ()), *schema.get("oneOf", ()))
    return any(branch.get("type") == "string" for branch in branches)


def _shown(param: Param) -> str:
    if isinstance(param, StepRef | InputRef | AxisRef):
        return str(param)
    return param.span.text if "\n" not in param.span.text else "it"


def _first_reference(param: Param) -> str:
    item = param.items[0] if isinstance(param, ListParam) and param.items else param
    return str(item) if isinstance(item, StepRef | InputRef | AxisRef) else ""


def _quote_reference(value: str) -> str:
    return "a $ reference is written in the file itself, not made by a template" if value.startswith("$") else ""


def _fields_of(node: Node) -> str:
    if isinstance(node, MapNode) and node.entries:
        return f"it has {', '.join(list(node.entries)[:12])}"
    return "it has no fields" if isinstance(node, MapNode) else f"it is the plain value {plain(node)}"


def _stem(text: str) -> str:
    return text.rstrip("/").rsplit("/", 1)[-1].rsplit(".", 1)[0][:40]
