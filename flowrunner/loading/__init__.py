"""Loading: a pipeline file and what it includes, from text to Pipeline."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from flowrunner.errors import InvalidPipeline
from flowrunner.files import Files
from flowrunner.loading import axes as loading_axes
from flowrunner.loading import data, decode
from flowrunner.loading.fields import Fields
from flowrunner.nodes import MapNode, Node
from flowrunner.pipeline import Axis, Pipeline, Step, Template, templates
from flowrunner.problems import Problem
from flowrunner.source import Source, Span

LOCK_SUFFIXES = (".lock.yaml", ".lock.yml")


def load(files: Files, path: str) -> tuple[Pipeline, list[Problem]]:
    """The pipeline at `path` (from the project root) with its includes and axes, and the warnings.

    InvalidPipeline with every fault of every file that was read."""
    fields = Fields()
    root = _root(files, path, fields)
    if root is None:
        raise InvalidPipeline(fields.problems)
    pipeline = _pipeline(files, root, fields)
    if any(problem.is_error for problem in fields.problems):
        raise InvalidPipeline(fields.problems)
    return pipeline, fields.problems


def _root(files: Files, path: str, fields: Fields) -> MapNode | None:
    nowhere = Source(path, "")
    found = data.nodes(files, path, Span(nowhere, 0, 0), fields)
    if found is None:
        fields.problems[:] = [_unplaced(problem, nowhere) for problem in fields.problems]
        return None
    return fields.mapping(found, "a pipeline")


def _unplaced(problem: Problem, nowhere: Source) -> Problem:
    """The pipeline file itself is at fault: there is no place to show."""
    if problem.span is None or problem.span.source is not nowhere:
        return problem
    return replace(problem, span=None, file=nowhere.name)


def _pipeline(files: Files, root: MapNode, fields: Fields) -> Pipeline:
    decode.version(root, fields, "a pipeline")
    fields.known(root, decode.TOP_KEYS, "a pipeline", decode.LATER_TOP)
    entries = root.entries
    if "steps" not in entries:
        start = Span(root.span.source, root.span.start, root.span.start)
        fields.add("no-steps", "a pipeline has steps", start, "add steps: {portrait: {model: …, with: {prompt: …}}}")
    own = decode.shared(root, fields)
    merged = _merged(_includes(files, entries.get("include"), fields), own, fields)
    steps = decode.steps(entries.get("steps"), fields)
    outputs = decode.outputs(entries.get("outputs"), fields, steps)
    measured = set(_measured(steps))
    pipeline = Pipeline(
        source=root.span.source,
        name=_text(entries, "name", fields) or _stem(root.span.file),
        description=_text(entries, "description", fields) or "",
        provider=_text(entries, "provider", fields),
        provider_span=entries["provider"].span if "provider" in entries else None,
        vars={name: node for name, (node, _) in merged.vars.items()},
        budget=decode.budget(entries.get("budget"), fields),
        inputs=decode.inputs(entries.get("inputs"), fields),
        axes=_axes(merged, measured, files, fields),
        defaults=merged.defaults,
        timeout=merged.timeout[0] if merged.timeout else None,
        steps=steps,
        outputs=outputs,
    )
    _across(pipeline, merged.axes, fields)
    return pipeline


def _stem(path: str) -> str:
    return PurePosixPath(path).stem


def _text(entries: Mapping[str, Node], key: str, fields: Fields) -> str | None:
    return fields.text(entries[key], key) if key in entries else None


def _includes(files: Files, node: Node | None, fields: Fields) -> list[decode.Shared]:
    found = []
    for path, span in fields.names(node, "include") if node is not None else []:
        real = data.located(path, span, fields)
        root = data.nodes(files, real, span, fields) if real else None
        mapping = fields.mapping(root, f"{path}, as an include,") if root is not None else None
        if mapping is None:
            continue
        decode.version(mapping, fields, "an included file")
        fields.known(mapping, decode.SHARED_KEYS, "an included file")
        found.append(decode.shared(mapping, fields))
    return found


def _merged(includes: list[decode.Shared], own: decode.Shared, fields: Fields) -> decode.Shared:
    """One level, name by name: the pipeline's own names win, two includes must not share one."""
    merged = decode.Shared()
    for include in includes:
        for what, into, items in (
            ("vars", merged.vars, include.vars),
            ("axes", merged.axes, include.axes),
        ):
            for name, (_, span) in items.items():
                if name in into:
                    _clash(f"{what}.{name}", span, into[name][1], fields)
            into.update(items)
        for name, given in include.defaults.items():
            if name in merged.defaults:
                _clash(f"defaults.with.{name}", given.key, merged.defaults[name].key, fields)
        merged.defaults.update(include.defaults)
        if include.timeout and merged.timeout:
            _clash("defaults.timeout", include.timeout[1], merged.timeout[1], fields)
        merged.timeout = include.timeout or merged.timeout
    merged.vars.update(own.vars)
    merged.axes.update(own.axes)
    merged.defaults.update(own.defaults)
    merged.timeout = own.timeout or merged.timeout
    return merged


def _clash(name: str, span: Span, other: Span, fields: Fields) -> None:
    hint = f"the other stands at {other}; keep one, or write it in the pipeline"
    fields.add("include-clash", f"two includes bring {name}", span, hint)


def _axes(merged: decode.Shared, measured: set[str], files: Files, fields: Fields) -> dict[str, Axis]:
    found = {}
    for name, (node, span) in merged.axes.items():
        axis = loading_axes.axis(name, node, span, files, fields, measured=name in measured)
        if axis is not None:
            found[name] = axis
    return found


def _across(pipeline: Pipeline, declared: Mapping[str, object], fields: Fields) -> None:
    for step in pipeline.steps.values():
        for name in step.across:
            if name not in declared:
                decode.unknown_name("axis", name, step.across_at[name], declared, fields)


def _measured(steps: Mapping[str, Step]) -> Iterator[str]:
    """Axes of which a template may ask the width or the height."""
    for step in steps.values():
        for template in _templates(step):
            for use in template.compiled.paths:
                if use.path[:1] == ("axis",) and (len(use.path) < 3 or use.path[2] in ("width", "height")):
                    yield from use.path[1:2]


def _templates(step: Step) -> Iterator[Template]:
    if isinstance(step.model, Template):
        yield step.model
    if step.when:
        yield step.when
    for given in step.params.values():
        yield from templates(given.param)
    for override in step.overrides:
        for given in override.params.values():
            yield from templates(given.param)
