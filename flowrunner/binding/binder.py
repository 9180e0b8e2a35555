"""Binds the cells of a graph in its order, and remembers what each was planned to give."""

from collections.abc import Mapping, Sequence
from typing import Any

from flowrunner.artifact import Artifact
from flowrunner.binding import checking, pictures, values
from flowrunner.binding.bound import NOTHING, Bound, Known, PendingSize, Said, Size, pending_in, size_of, walk
from flowrunner.binding.judging import judge
from flowrunner.binding.work import Work
from flowrunner.call import Call
from flowrunner.catalog import Catalog
from flowrunner.catalog.check import check
from flowrunner.catalog.faults import Fault
from flowrunner.catalog.form import form
from flowrunner.catalog.model import Model
from flowrunner.catalog.sizes import output_size, planned_images
from flowrunner.errors import InvalidPipeline
from flowrunner.files import Files
from flowrunner.graph import FromCell, FromOutside, Graph
from flowrunner.images import Images
from flowrunner.imaging.typesetting import Typefaces
from flowrunner.loading import data
from flowrunner.loading.cells import MAX_VALUES, Cell, undeclared_names
from flowrunner.loading.fields import Fields
from flowrunner.loading.meter import Meter
from flowrunner.loading.params import MARKS, template
from flowrunner.nodes import Scalar
from flowrunner.pipeline import Selector, Step, StepRef, Template, TextFile
from flowrunner.problems import Problem, error
from flowrunner.providers.registry import LOCAL, PROVIDERS
from flowrunner.slotted import replace

MAX_TEXT = 64 * 1024 * 1024
"""Characters in the requests of all cells."""


class Binder:
    """Binds the cells of a graph in its order; it remembers what each was planned to give."""

    def __init__(self, graph: Graph, catalog: Catalog, files: Files, *, simulated: bool = False) -> None:
        self.graph = graph
        self.catalog = catalog
        self.files = files
        self.simulated = simulated
        self.images = Images(files)
        self.meter = Meter()
        self.typefaces = Typefaces()
        self.bound: dict[str, Bound] = {}
        self._texts: dict[str, Template | Scalar | None] = {}
        self._siblings: dict[Model, Sequence[Model]] = {}
        self._faults: dict[tuple[Model, str], list[Fault]] = {}
        self._weights: dict[str, tuple[int, int]] = {}
        self._values = 0
        self._text = 0

    def over(self, graph: Graph) -> "Binder":
        """Binds another graph of the same pipeline, and shares what was read and judged."""
        other = Binder(graph, self.catalog, self.files, simulated=self.simulated)
        other.images, other.meter, other.typefaces = self.images, self.meter, self.typefaces
        other._texts, other._siblings, other._faults = self._texts, self._siblings, self._faults
        return other

    def bind(self, cell: Cell, known: Known) -> Bound:
        """The cell's calls as far as `known` tells its images: the same value again while that tells the same.
        InvalidPipeline where the requests grow too large."""
        before = self.bound.get(cell.id)
        if before is not None and all(self.said(target, known) == said for target, said in before.asked.items()):
            return before
        bound = _bound(Work(self, cell, known))
        self.bound[cell.id] = bound
        self._weigh(bound)
        return bound

    def said(self, target: FromCell, known: Known) -> Said:
        """What a cell that needs another one is told of it."""
        images, upstream = known(target), self.bound.get(target.cell)
        shown = None if images is None else tuple(images)
        if upstream is None:
            return Said(candidates=1, counted=False, size=None, images=shown)
        return Said(candidates=upstream.candidates, counted=upstream.counted, size=upstream.size, images=shown)

    def _weigh(self, bound: Bound) -> None:
        """A small file can ask for more text than there is memory."""
        asked = [bound.params, *(check.params for check in bound.checks)]
        leaves = [leaf for tree in asked for leaf in walk(tree) if isinstance(leaf, str)]
        values, text = len(bound.origins), sum(map(len, leaves))
        before = self._weights.get(bound.cell.id, (0, 0))
        self._weights[bound.cell.id] = (values, text)
        self._values += values - before[0]
        self._text += text - before[1]
        if self._values > MAX_VALUES or self._text > MAX_TEXT:
            much = f"{MAX_VALUES:,} values" if self._values > MAX_VALUES else f"{MAX_TEXT:,} characters"
            message = f"the requests of all cells hold more than {much}"
            raise InvalidPipeline([error("too-large", message, bound.span, "split the pipeline")])

    def instead(self, cell: Cell) -> list[Problem]:
        """What is wrong with the image that a cell hands on when it is skipped, be it skipped or not. The cells that it
        names are bound before."""
        ref = cell.step.otherwise
        if ref is None or (isinstance(ref, StepRef) and ref.selector is not Selector.CANDIDATE):
            return []
        work = Work(self, cell, lambda _: None)
        pictures.referred(work, ref, ())
        return [_told(work, problem) for problem in work.fields.problems]

    def given(self, target: FromOutside, cell: Cell) -> Artifact | None:
        """The image that an input or an axis value gives to a cell, where its bytes are ours."""
        work = Work(self, cell, lambda _: None)
        found = pictures.outside(work, target, target.ref.span, ())
        return next((image for image in found if isinstance(image, Artifact)), None)

    def siblings(self, model: Model) -> Sequence[Model]:
        if model not in self._siblings:
            self._siblings[model] = self.catalog.siblings(model)
        return self._siblings[model]

    def faults(self, model: Model, request: Mapping[str, Any]) -> list[Fault]:
        """What the catalogue says against a request; requests of one form are checked once."""
        key = model, form(model, request)
        if key not in self._faults:
            self._faults[key] = check(model, request, siblings=self.siblings(model))
        return self._faults[key]

    def text_file(self, param: TextFile, step: Step, fields: Fields) -> Template | Scalar | None:
        """The template or text of a file that lies beside the one in which its path is written."""
        path = data.located(param.path.text, param.path.span, fields, data.TEXTS)
        if path is None:
            return None
        if path not in self._texts:
            text = data.text(self.files, path, param.path.span, fields)
            if text is None:
                return None
            self._texts[path] = template(text, fields) if any(mark in text.text for mark in MARKS) else text
        found = self._texts[path]
        if isinstance(found, Template):
            faults = undeclared_names(found, self.graph.scope, step)
            fields.problems += faults
            return None if faults else found
        return found


def _bound(work: Work) -> Bound:
    cell, model = work.cell, work.cell.model
    params = _params(work, model)
    bound = Bound(cell=cell, params=params, origins=work.origins, templates=work.templates, counted=model is not None)
    if model is not None:
        _write_labels(work, model, params)
        bound.images = planned_images(model, params)
        bound.counted = model.count is None or (model.count,) not in work.untold
        bound.size = _asked_size(model, params)
        judge(work, model, bound)
    wants = bound.pending = pending_in(params)
    if cell.step.checks:
        bound.checks = tuple(checking.bind(work, bound))
        bound.pending = tuple(dict.fromkeys((*wants, *checking.pending(bound.checks))))
    bound.asked = work.asked
    bound.problems = [_told(work, problem) for problem in work.fields.problems]
    sound = not work.untold and not any(problem.is_error for problem in bound.problems)
    if model is not None and sound and not wants:
        bound.calls = _calls(work, model, params)
    return bound


def _params(work: Work, model: Model | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, given in work.cell.params.items():
        work.keys[name] = given.key
        value = values.parameter(work, model, name, given.param)
        if value is not NOTHING:
            found[name] = value
    return found


def _told(work: Work, problem: Problem) -> Problem:
    step = work.cell.step
    return replace(problem, cells=(work.cell.id,), of=len(work.binder.graph.index.cells[step.id]), step=step.whole)


def _write_labels(work: Work, model: Model, params: dict[str, Any]) -> None:
    """`labels: coordinates` becomes literal text before the key is made."""
    if "labels" in model.parameters and model.images and params.get("labels") == "coordinates":
        params["labels"] = list(work.labels)


def _calls(work: Work, model: Model, params: dict[str, Any]) -> tuple[Call, ...]:
    """One call for each sample: told apart by its seed where the model has one and one is given, else by a number."""
    seed = params.get(model.seed) if model.seed else None
    seeded = model.seed is not None and isinstance(seed, int | float)
    return tuple(
        Call(
            provider=model.provider,
            model=model.id,
            adapter=_adapter(model.provider),
            params={**params, str(model.seed): seed + index} if seeded and seed is not None else params,
            sample=0 if seeded else index,
            simulated=work.binder.simulated,
        )
        for index in range(work.cell.step.variants)
    )


def _adapter(provider: str) -> int:
    if provider == LOCAL:
        from flowrunner.providers import image

        return image.ADAPTER
    return PROVIDERS[provider].adapter


def _asked_size(model: Model, params: Mapping[str, Any]) -> Size | None:
    """The size of the result, as far as the request says it."""
    if model.provider == LOCAL:
        from flowrunner.providers import image

        return image.output_size(model.id, params, size_of)
    size = params.get(model.size) if model.size else None
    if isinstance(size, PendingSize):
        return size.size if size.known else None
    return output_size(model, params)
