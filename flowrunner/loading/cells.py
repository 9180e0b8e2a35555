"""From steps to cells: combinations of axis values, their model, their merged parameters, and `when`."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import product
from math import prod

from flowrunner.catalog import Catalog, NotFound
from flowrunner.catalog.model import Model
from flowrunner.errors import InvalidPipeline
from flowrunner.loading.fields import Fields, did_you_mean
from flowrunner.loading.params import template_problem
from flowrunner.loading.scope import Scope
from flowrunner.nodes import Scalar
from flowrunner.pipeline import AxisValue, Given, Override, Pipeline, Step, Template, leaves, templates
from flowrunner.problems import Problem, error, warning
from flowrunner.slotted import dataclass
from flowrunner.source import Span
from flowrunner.templates import TemplateProblem, Unknown, UsesUnknown, undeclared

MAX_CELLS = 50_000
MAX_VALUES = 2_000_000
"""Parameters of all cells, each item of a list counted."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cell:
    """A step at its coordinates."""

    id: str
    step: Step
    at: Mapping[str, AxisValue]
    """Axis name to value, in the order of the step's `across`."""
    model: Model | None
    """None where the model depends on an input that has no value yet."""
    params: Mapping[str, Given]
    """Defaults, `with` and overrides merged."""
    wanted: bool = True
    """What `when` says."""

    @property
    def coordinates(self) -> dict[str, str]:
        return {name: value.id for name, value in self.at.items()}


def expand(pipeline: Pipeline, scope: Scope, catalog: Catalog, fields: Fields) -> dict[str, list[Cell]]:
    """The cells of every step, in the order of the axes' values, last axis fastest. A step has none where it is told
    already what is wrong with one of its axes. InvalidPipeline for more cells than can be looked at."""
    _count(pipeline, fields)
    _declared(pipeline, scope, fields)
    providers = {*catalog.providers}
    _provider(pipeline.provider, pipeline.provider_span, providers, fields)
    for step in pipeline.steps.values():
        _provider(step.provider, step.provider_span, providers, fields)
    taken: set[str] = set()
    cells = {step.id: list(_cells(step, pipeline, scope, catalog, fields, taken)) for step in pipeline.steps.values()}
    for name, given in pipeline.defaults.items():
        if name not in taken and all(found and all(cell.model for cell in found) for found in cells.values()):
            message = f"no step takes the default {name}"
            fields.problems.append(warning("unused-default", message, given.key, "remove it, or check its spelling"))
    return cells


def _is_clear(step: Step, pipeline: Pipeline) -> bool:
    return all(name in pipeline.axes for name in step.across)


def _count(pipeline: Pipeline, fields: Fields) -> None:
    """Counted before anything is built: a small file can ask for a million cells."""
    total = values = 0
    for step in pipeline.steps.values():
        cells = prod(len(pipeline.axes[name].values) for name in step.across if name in pipeline.axes)
        total += cells
        values += cells * sum(1 for given in step.params.values() for _ in leaves(given.param))
        if total > MAX_CELLS:
            crossed = f": step {step.id} crosses {' × '.join(step.across)}" if step.across else ""
            message = f"more than {MAX_CELLS:,} cells{crossed}"
            raise InvalidPipeline([*fields.problems, error("too-many-cells", message, step.span, "split the pipeline")])
        if values > MAX_VALUES:
            message = f"more than {MAX_VALUES:,} values in the requests of all cells"
            raise InvalidPipeline([*fields.problems, error("too-large", message, step.span, "split the pipeline")])


def _provider(name: str | None, span: Span | None, providers: Collection[str], fields: Fields) -> None:
    if name is not None and span is not None and name not in providers:
        fields.add("unknown-provider", f"there is no provider {name}", span, did_you_mean(name, providers))


def _declared(pipeline: Pipeline, scope: Scope, fields: Fields) -> None:
    """Names in templates must be declared, and axes be among the step's own."""
    for step in pipeline.steps.values():
        for template in step.templates:
            _check(template, scope.declared_for(step), step, pipeline, fields)
    for given in pipeline.defaults.values():
        for template in templates(given.param):
            _check(template, scope.declared, None, pipeline, fields)
    for output in pipeline.outputs.values():
        step_of = pipeline.steps.get(output.ref.step)
        if isinstance(output.name_as, Template) and step_of is not None:
            _check(output.name_as, scope.declared_for(step_of), step_of, pipeline, fields)


def _check(
    template: Template, declared: Mapping[str, Collection[str]], step: Step | None, pipeline: Pipeline, fields: Fields
) -> None:
    for fault in undeclared(template.compiled, declared):
        if not (pipeline.incomplete and fault.message.startswith(("vars.", "axis."))):
            fields.problems.append(_undeclared(fault, template, declared, step, pipeline))


def undeclared_names(template: Template, scope: Scope, step: Step) -> list[Problem]:
    """The names of a text file's template that nothing declares for the step that reads it."""
    fields = Fields()
    _check(template, scope.declared_for(step), step, scope.pipeline, fields)
    return fields.problems


def _undeclared(
    fault: TemplateProblem,
    template: Template,
    declared: Mapping[str, Collection[str]],
    step: Step | None,
    pipeline: Pipeline,
) -> Problem:
    problem = template_problem(fault, template.scalar)
    word = fault.message.partition(" ")[0].removeprefix("axis.")
    if step is None or word not in pipeline.axes or word in declared["axis"]:
        return problem
    hint = f"add {word} to across of {step.id}"
    return error(problem.code, f"{step.id} has no axis {word}", problem.span, hint)


def _cells(
    step: Step, pipeline: Pipeline, scope: Scope, catalog: Catalog, fields: Fields, taken: set[str]
) -> Iterator[Cell]:
    if not _is_clear(step, pipeline):
        return
    axes = [pipeline.axes[name] for name in step.across]
    _overrides(step, pipeline, fields)
    merged: dict[tuple[str, tuple[int, ...]], Mapping[str, Given]] = {}
    found: dict[str, Model | None] = {}
    matching_at = _matcher(step.overrides)
    for values in product(*(axis.values for axis in axes)):
        at = dict(zip(step.across, values, strict=True))
        model = _model(step, at, pipeline, scope, catalog, fields, found)
        matching = tuple(matching_at(at))
        key = (model.id if model else "", matching)
        if key not in merged:
            merged[key] = _params(step, pipeline, model, matching, taken)
        yield Cell(
            id="/".join((step.id, *(value.slug for value in values))),
            step=step,
            at=at,
            model=model,
            params=merged[key],
            wanted=_wanted(step, at, scope, fields),
        )


def _overrides(step: Step, pipeline: Pipeline, fields: Fields) -> None:
    ids = {axis: {value.id: None for value in pipeline.axes[axis].values} for axis in step.across if step.overrides}
    for override in step.overrides:
        for axis, value in override.at.items():
            span = override.places[axis]
            if axis not in step.across:
                hint = did_you_mean(axis, step.across, "the step has no axes")
                fields.add("override", f"{step.id} has no axis {axis}", span, hint)
            elif value not in ids[axis]:
                hint = did_you_mean(value, ids[axis])
                fields.add("override", f"axis {axis} has no value {value}: this override matches no cell", span, hint)


def _matcher(overrides: Sequence[Override]) -> Callable[[Mapping[str, AxisValue]], list[int]]:
    """Which overrides hold at given coordinates, by their place in the list: found by the axes that they name."""
    tables: dict[tuple[str, ...], dict[tuple[str, ...], list[int]]] = {}
    for index, override in enumerate(overrides):
        axes = tuple(sorted(override.at))
        tables.setdefault(axes, {}).setdefault(tuple(override.at[axis] for axis in axes), []).append(index)

    def matching(at: Mapping[str, AxisValue]) -> list[int]:
        hit = (
            table.get(tuple(at[axis].id for axis in axes), [])
            for axes, table in tables.items()
            if all(axis in at for axis in axes)
        )
        return sorted(index for indices in hit for index in indices)

    return matching


def _params(
    step: Step, pipeline: Pipeline, model: Model | None, matching: tuple[int, ...], taken: set[str]
) -> Mapping[str, Given]:
    has = set(model.parameters) if model else set()
    merged = {name: given for name, given in pipeline.defaults.items() if name in has}
    taken.update(merged)
    merged.update(step.params)
    for index in matching:
        merged.update(step.overrides[index].params)
    return {name: given for name, given in merged.items() if not _removed(given)}


def _removed(given: Given) -> bool:
    return isinstance(given.param, Scalar) and given.param.value is None


def _model(
    step: Step,
    at: Mapping[str, AxisValue],
    pipeline: Pipeline,
    scope: Scope,
    catalog: Catalog,
    fields: Fields,
    found: dict[str, Model | None],
) -> Model | None:
    name = _model_id(step, at, scope, fields)
    if name is None or (step.provider is not None and step.provider not in catalog.providers):
        return None
    if name not in found:
        known = catalog.find(name, provider=step.provider, default=pipeline.provider)
        if isinstance(known, NotFound):
            fields.add(known.code, known.message, step.model.span, known.hint)
        found[name] = None if isinstance(known, NotFound) else known
    return found[name]


def _model_id(step: Step, at: Mapping[str, AxisValue], scope: Scope, fields: Fields) -> str | None:
    if isinstance(step.model, Scalar):
        return step.model.value if isinstance(step.model.value, str) else None
    try:
        rendered = step.model.compiled.render(scope.at(at))
    except UsesUnknown:
        return None
    except TemplateProblem as fault:
        fields.once(template_problem(fault, step.model.scalar))
        return None
    if isinstance(rendered, str):
        return rendered
    if not isinstance(rendered, Unknown):
        fields.once(error("model", f"a model is named by text; this gives {rendered!r}", step.model.span))
    return None


def _wanted(step: Step, at: Mapping[str, AxisValue], scope: Scope, fields: Fields) -> bool:
    if step.when is None:
        return True
    try:
        return bool(step.when.compiled.render(scope.at(at)))
    except UsesUnknown:
        return True
    except TemplateProblem as fault:
        fields.once(template_problem(fault, step.when.scalar))
        return True
