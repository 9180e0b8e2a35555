"""Loading: a pipeline file and what it includes, from text to Pipeline."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePosixPath

from flowrunner.errors import InvalidPipeline
from flowrunner.files import Files
from flowrunner.loading import axes as loading_axes
from flowrunner.loading import data, decode, inputs
from flowrunner.loading import steps as loading_steps
from flowrunner.loading.fields import Fields
from flowrunner.nodes import MapNode, Node
from flowrunner.pipeline import Axis, Given, OutputSpec, Param, Pipeline, Step, Template, TextFile, leaves, templates
from flowrunner.problems import Problem
from flowrunner.slotted import replace
from flowrunner.source import Source, Span

LOCK_SUFFIXES = (".lock.yaml", ".lock.yml")


def load(files: Files, path: str) -> tuple[Pipeline, list[Problem]]:
    """The pipeline at `path` (from the project root) with its includes and axes, and the warnings.

    InvalidPipeline with every fault of every file that was read."""
    pipeline, problems = read(files, path)
    if any(problem.is_error for problem in problems):
        raise InvalidPipeline(problems)
    return pipeline, problems


def read(files: Files, path: str) -> tuple[Pipeline, list[Problem]]:
    """The same, with the errors among the problems: what is wrong stands in for itself, so that the rest can be
    checked too. InvalidPipeline where there is nothing to go on with."""
    fields = Fields()
    root = _root(files, path, fields)
    if root is None:
        raise InvalidPipeline(fields.problems)
    return _pipeline(files, root, fields), fields.problems


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
    fields.known(root, decode.TOP_KEYS, "a pipeline")
    entries = root.entries
    if "steps" not in entries:
        start = Span(root.span.source, root.span.start, root.span.start)
        fields.add("no-steps", "a pipeline has steps", start, "add steps: {portrait: {model: …, with: {prompt: …}}}")
    own = decode.shared(root, fields)
    merged = _merged(_includes(files, entries.get("include"), fields), own, fields)
    steps = loading_steps.steps(entries.get("steps"), fields)
    outputs = decode.outputs(entries.get("outputs"), fields, steps)
    measured = _measured(steps, outputs, merged.defaults) if merged.axes else ()
    axes = _axes(merged, measured, files, fields)
    pipeline = Pipeline(
        source=root.span.source,
        name=_text(entries, "name", fields) or _stem(root.span.file),
        description=_text(entries, "description", fields) or "",
        provider=_text(entries, "provider", fields),
        provider_span=entries["provider"].span if "provider" in entries else None,
        vars={name: node for name, (node, _) in merged.vars.items()},
        budget=decode.budget(entries.get("budget"), fields),
        inputs=inputs.inputs(entries.get("inputs"), fields),
        axes=axes,
        unclear=frozenset(merged.axes.keys() - axes.keys()),
        incomplete=merged.incomplete,
        defaults=merged.defaults,
        timeout=merged.timeout[0] if merged.timeout else None,
        steps=steps,
        outputs=outputs,
        previews=fields.integer(entries["previews"], "previews", *decode.PREVIEWS) if "previews" in entries else None,
    )
    _across(pipeline, fields)
    return pipeline


def _stem(path: str) -> str:
    return PurePosixPath(path).stem


def _text(entries: Mapping[str, Node], key: str, fields: Fields) -> str | None:
    return fields.text(entries[key], key) if key in entries else None


def _includes(files: Files, node: Node | None, fields: Fields) -> list[decode.Shared]:
    found = []
    listed: dict[str, Span] = {}
    for path, span in fields.names(node, "include") if node else ():
        real = data.located(path, span, fields, data.SHARED)
        if real is not None and real in listed:
            fields.add("include-clash", f"{path} is listed twice", span, f"it stands first at {listed[real]}")
            continue
        if real is not None:
            listed[real] = span
        found.append(_include(files, path, real, span, fields))
    return found


def _include(files: Files, path: str, real: str | None, span: Span, fields: Fields) -> decode.Shared:
    root = data.nodes(files, real, span, fields) if real else None
    mapping = fields.mapping(root, f"{path}, as an include,") if root is not None else None
    if mapping is None:
        return decode.Shared(incomplete=True)
    decode.version(mapping, fields, "an included file")
    fields.known(mapping, decode.SHARED_KEYS, "an included file")
    return decode.shared(mapping, fields)


def _merged(includes: list[decode.Shared], own: decode.Shared, fields: Fields) -> decode.Shared:
    """One level, name by name: the pipeline's own names win, two includes must not share one."""
    merged = decode.Shared(incomplete=own.incomplete or any(include.incomplete for include in includes))
    for include in includes:
        _disjoint("vars", _places(merged.vars), _places(include.vars), own.vars, fields)
        _disjoint("axes", _places(merged.axes), _places(include.axes), own.axes, fields)
        _disjoint("defaults.with", _keys(merged.defaults), _keys(include.defaults), own.defaults, fields)
        if include.timeout and merged.timeout and not own.timeout:
            _clash("defaults.timeout", include.timeout[1], merged.timeout[1], fields)
        _take(merged, include)
    _take(merged, own)
    return merged


def _take(merged: decode.Shared, more: decode.Shared) -> None:
    merged.vars.update(more.vars)
    merged.axes.update(more.axes)
    merged.defaults.update(more.defaults)
    merged.timeout = more.timeout or merged.timeout


def _places(named: Mapping[str, tuple[Node, Span]]) -> dict[str, Span]:
    return {name: span for name, (_, span) in named.items()}


def _keys(defaults: Mapping[str, Given]) -> dict[str, Span]:
    return {name: given.key for name, given in defaults.items()}


def _disjoint(
    what: str, known: Mapping[str, Span], more: Mapping[str, Span], own: Mapping[str, object], fields: Fields
) -> None:
    for name, span in more.items():
        if name in known and name not in own:
            _clash(f"{what}.{name}", span, known[name], fields)


def _clash(name: str, span: Span, other: Span, fields: Fields) -> None:
    hint = f"the other stands at {other}; keep one, or write it in the pipeline"
    fields.add("include-clash", f"two includes bring {name}", span, hint)


def _axes(merged: decode.Shared, measured: Collection[str], files: Files, fields: Fields) -> dict[str, Axis]:
    """The axes whose values are known."""
    found = {}
    for name, (node, span) in merged.axes.items():
        before = len(fields.problems)
        axis = loading_axes.axis(name, node, span, files, fields, measured=name in measured)
        if axis is not None and not any(problem.is_error for problem in fields.problems[before:]):
            found[name] = axis
    return found


def _across(pipeline: Pipeline, fields: Fields) -> None:
    declared = dict.fromkeys((*pipeline.axes, *pipeline.unclear))
    for step in pipeline.steps.values():
        for name in step.across:
            if name not in declared and not pipeline.incomplete:
                decode.unknown_name("axis", name, step.across_at[name], declared, fields)


def _measured(steps: Mapping[str, Step], outputs: Mapping[str, OutputSpec], defaults: Mapping[str, Given]) -> set[str]:
    """Axes of which a template may ask the width or the height; what a text file asks is known when it is read."""
    named = [output.name_as for output in outputs.values() if isinstance(output.name_as, Template)]
    shared = [template for given in defaults.values() for template in templates(given.param)]
    found = {axis for template in (*named, *shared) for axis in _asked(template)}
    in_files = any(_has_file(given.param) for given in defaults.values())
    for step in steps.values():
        found.update(axis for template in step.templates for axis in _asked(template))
        if in_files or any(_has_file(param) for param in step.written):
            found.update(step.across)
    return found


def _asked(template: Template) -> Iterator[str]:
    for use in template.compiled.paths:
        if use.path[:1] == ("axis",) and (len(use.path) < 3 or use.path[2] in ("width", "height")):
            yield from use.path[1:2]


def _has_file(param: Param) -> bool:
    return any(isinstance(leaf, TextFile) for leaf in leaves(param))
