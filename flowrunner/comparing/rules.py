"""What was edited beside the requests: limits, checks, who chooses, what is published. Nothing is sent anew for it, and
a reviewer has to see it all the same."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from flowrunner import money
from flowrunner.artifact import Artifact
from flowrunner.binding.bound import Bound, BoundCheck
from flowrunner.call import Link, name
from flowrunner.changes import Change, flat, spelled
from flowrunner.digest import canonical
from flowrunner.money import Nano
from flowrunner.nodes import Scalar
from flowrunner.pipeline import (
    AxisRef,
    Given,
    InputRef,
    OutputSpec,
    Param,
    PickRule,
    Pipeline,
    SizeOf,
    Step,
    StepRef,
)
from flowrunner.source import Span


def beside(before: Pipeline, after: Pipeline, cells: Iterable[tuple[Bound, Bound]]) -> tuple[Change, ...]:
    """The differences, each once. `cells` are those of both sides as bound, of the base and of the head."""
    found = [*_limits(before, after), *_outputs(before.outputs, after.outputs)]
    if before.previews != after.previews:
        found.append(Change(path="previews", before=before.previews, after=after.previews))
    for old, new in cells:
        found += _choice(old.cell.step, new.cell.step)
        found += _checks(old, new)
    told: dict[tuple[str, ...], Change] = {}
    for change in found:
        told.setdefault((change.path, canonical(change.before), canonical(change.after)), change)
    return tuple(told.values())


def _limits(before: Pipeline, after: Pipeline) -> Iterator[Change]:
    old, new = before.budget, after.budget
    for field, one, two in (("max_usd", old.max_usd, new.max_usd), ("total_usd", old.total_usd, new.total_usd)):
        if one != two:
            yield _change(f"budget.{field}", _amount(one), _amount(two), new.span, old.span)


def _amount(limit: Nano | None) -> str | None:
    return None if limit is None else money.cap(limit)


def _outputs(before: Mapping[str, OutputSpec], after: Mapping[str, OutputSpec]) -> Iterator[Change]:
    for output in (*after, *(gone for gone in before if gone not in after)):
        old, new = before.get(output), after.get(output)
        one, two = _published(old), _published(new)
        if one != two:
            yield _change(f"outputs.{output}", one, two, new.span if new else None, old.span if old else None)


def _published(spec: OutputSpec | None) -> str | None:
    if spec is None:
        return None
    named = spec.name_as
    written = named.value if isinstance(named, Scalar) else named.scalar.value if named is not None else ""
    return f"{spec.ref} as {written}" if written else str(spec.ref)


def _choice(old: Step, new: Step) -> Iterator[Change]:
    one, two = _chooser(old), _chooser(new)
    if one != two:
        yield _change(f"{new.id}.pick", one, two, new.pick.span or new.span, old.pick.span or old.span)


def _chooser(step: Step) -> str:
    return str(step.pick.number) if step.pick.rule is PickRule.NUMBER else step.pick.rule.value


def _checks(old: Bound, new: Bound) -> Iterator[Change]:
    """Checks of the same name are paired in their order."""
    before, after = _asserted(old), _asserted(new)
    step = new.cell.step.id
    for mark in (*after, *(gone for gone in before if gone not in after)):
        path = f"{step}.check.{mark[0]}"
        (one, was), (two, span) = before.get(mark, (None, None)), after.get(mark, (None, None))
        if one is None or two is None:
            yield _change(path, _told(one), _told(two), span, was)
            continue
        for leaf in (*two, *(gone for gone in one if gone not in two)):
            if canonical(one.get(leaf)) != canonical(two.get(leaf)):
                yield _change(f"{path}.{leaf}" if leaf else path, one.get(leaf), two.get(leaf), span, was)


def _asserted(bound: Bound) -> dict[tuple[str, int], tuple[dict[str, Any], Span]]:
    """What each check asks for, by its name and its number among those of that name."""
    written = {(check.span.file, check.span.start): check for check in bound.cell.step.checks}
    numbers: Counter[str] = Counter()
    found = {}
    for check in bound.checks:
        params = written[check.span.file, check.span.start].params
        found[check.name, numbers[check.name]] = _values(check, params), check.span
        numbers[check.name] += 1
    return found


def _values(check: BoundCheck, written: Mapping[str, Given]) -> dict[str, Any]:
    """The leaves of a check, pictures of other cells by the reference: they come anew without an edit of the check."""
    tree = {key: _shown(value, written[key].param) for key, value in check.params.items()}
    leaves = {spelled(path[1:] if path[:1] == (check.name,) else path): value for path, value in flat(tree)}
    return {**leaves, "level": check.level.value}


def _shown(value: Any, written: Param) -> Any:
    if isinstance(written, StepRef | InputRef | AxisRef):
        return str(written)
    if isinstance(written, SizeOf):
        return f"size_of {written.ref}"
    return name(value) if isinstance(value, Artifact | Link) else value


def _told(values: Mapping[str, Any] | None) -> str | None:
    """A check in one line: `of $a, ssim 0.9`."""
    if values is None:
        return None
    parts = [f"{key} {value if isinstance(value, str) else canonical(value)}".strip() for key, value in values.items()]
    return ", ".join(part for part in parts if part != "level fail")


def _change(path: str, before: Any, after: Any, span: Span | None, was: Span | None) -> Change:
    """Each side with its place, where there is something on it."""
    here, there = span if after is not None else None, was if before is not None else None
    return Change(path=path, before=before, after=after, span=here, was=there)
