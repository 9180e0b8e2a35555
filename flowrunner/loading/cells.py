"""From steps to cells: combinations of axis values, their model, their merged parameters, and `when`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from math import prod

from flowrunner.catalog import Catalog, NotFound
from flowrunner.catalog.model import Model
from flowrunner.errors import InvalidPipeline
from flowrunner.loading.fields import Fields, did_you_mean
from flowrunner.loading.params import template_problem
from flowrunner.loading.scope import Scope
from flowrunner.nodes import Scalar
from flowrunner.pipeline import AxisValue, Given, Override, Pipeline, Step, Template, templates
from flowrunner.problems import error, warning
from flowrunner.templates import TemplateProblem, UsesUnknown, undeclared

MAX_CELLS = 50_000


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
    """The cells of every step, in the order of the axes' values, last axis fastest."""
    _count(pipeline)
    _declared(pipeline, scope, fields)
    if any(problem.is_error for problem in fields.problems):
        raise InvalidPipeline(fields.problems)
    taken: set[str] = set()
    cells = {step.id: list(_cells(step, pipeline, scope, catalog, fields, taken)) for step in pipeline.steps.values()}
    for name, given in pipeline.defaults.items():
        if name not in taken and all(cell.model for found in cells.values() for cell in found):
            message = f"no step takes the default {name}"
            fields.problems.append(warning("unused-default", message, given.key, "remove it, or check its spelling"))
    return cells


def _count(pipeline: Pipeline) -> None:
    """Counted before anything is built: a small file can ask for a million cells."""
    total = 0
    for step in pipeline.steps.values():
        total += prod(len(pipeline.axes[name].values) for name in step.across)
        if total > MAX_CELLS:
            message = f"more than {MAX_CELLS:,} cells: step {step.id} crosses {' × '.join(step.across)}"
            raise InvalidPipeline([error("too-many-cells", message, step.span, "split the pipeline")])


def _declared(pipeline: Pipeline, scope: Scope, fields: Fields) -> None:
    """Names in templates must be declared, and axes be among the step's own."""
    for step in pipeline.steps.values():
        own = {**scope.declared, "axis": set(step.across)}
        for template in _step_templates(step):
            _check(template, own, step, pipeline, fields)
    for given in pipeline.defaults.values():
        for template in templates(given.param):
            _check(template, scope.declared, None, pipeline, fields)
    for output in pipeline.outputs.values():
        if isinstance(output.name_as, Template) and output.ref.step in pipeline.steps:
            step = pipeline.steps[output.ref.step]
            _check(output.name_as, {**scope.declared, "axis": set(step.across)}, step, pipeline, fields)


def _check(
    template: Template, declared: Mapping[str, set[str]], step: Step | None, pipeline: Pipeline, fields: Fields
) -> None:
    for fault in undeclared(template.compiled, declared):
        problem = template_problem(fault, template.scalar)
        used = next((use.path[1] for use in template.compiled.paths if use.path[:1] == ("axis",) and use.path[1:]), "")
        if step and used in pipeline.axes and used not in declared["axis"] and used in fault.message:
            hint = f"add {used} to across of {step.id}"
            problem = error(problem.code, f"{step.id} has no axis {used}", problem.span, hint)
        fields.problems.append(problem)


def _step_templates(step: Step) -> Iterator[Template]:
    if isinstance(step.model, Template):
        yield step.model
    if step.when is not None:
        yield step.when
    for given in step.params.values():
        yield from templates(given.param)
    for override in step.overrides:
        for given in override.params.values():
            yield from templates(given.param)


def _cells(
    step: Step, pipeline: Pipeline, scope: Scope, catalog: Catalog, fields: Fields, taken: set[str]
) -> Iterator[Cell]:
    axes = [pipeline.axes[name] for name in step.across]
    _overrides(step, pipeline, fields)
    merged: dict[tuple[str, tuple[int, ...]], Mapping[str, Given]] = {}
    found: dict[str, Model | None] = {}
    for values in product(*(axis.values for axis in axes)):
        at = dict(zip(step.across, values, strict=True))
        model = _model(step, at, pipeline, scope, catalog, fields, found)
        matching = tuple(i for i, override in enumerate(step.overrides) if _matches(override, at))
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
    for override in step.overrides:
        for axis, value in override.at.items():
            span = override.places[axis]
            if axis not in step.across:
                hint = did_you_mean(axis, step.across, "the step has no axes")
                fields.add("override", f"{step.id} has no axis {axis}", span, hint)
            elif value not in {known.id for known in pipeline.axes[axis].values}:
                hint = did_you_mean(value, [known.id for known in pipeline.axes[axis].values])
                fields.add("override", f"axis {axis} has no value {value}: this override matches no cell", span, hint)


def _matches(override: Override, at: Mapping[str, AxisValue]) -> bool:
    return all(axis in at and at[axis].id == value for axis, value in override.at.items())


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
    if name is None:
        return None
    if name not in found:
        known = catalog.find(name, provider=step.provider, default=pipeline.provider)
        if isinstance(known, NotFound):
            fields.add("model", known.message, step.model.span, known.hint)
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
        fields.problems.append(template_problem(fault, step.model.scalar))
        return None
    return rendered if isinstance(rendered, str) else None


def _wanted(step: Step, at: Mapping[str, AxisValue], scope: Scope, fields: Fields) -> bool:
    if step.when is None:
        return True
    try:
        return bool(step.when.compiled.render(scope.at(at)))
    except UsesUnknown:
        return True
    except TemplateProblem as fault:
        fields.problems.append(template_problem(fault, step.when.scalar))
        return True
