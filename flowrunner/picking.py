"""Picking: what waits for a human choice, and recording one in the lock."""

import re
from collections.abc import Iterable, Mapping, Sequence

from flowrunner import git
from flowrunner.api import PipelineFile
from flowrunner.artifact import Artifact
from flowrunner.checks.verdict import Verdicts
from flowrunner.decisions import Decision
from flowrunner.errors import UsageError
from flowrunner.loading.fields import did_you_mean
from flowrunner.pipeline import PickRule
from flowrunner.planning import Choice, Planner, Settled
from flowrunner.project import Opened, looking, planned, previewed
from flowrunner.slotted import dataclass, replace
from flowrunner.store.locked import Lock, Pick

_LINE = re.compile(
    r"(?P<cell>\S+)\s+(?P<choice>none|[0-9]{1,9})(?:@(?:sha256:)?(?P<digest>[0-9a-f]{4,64}))?(?:\s+(?P<why>.*))?"
)
_NUMBER = re.compile(r"[0-9]{1,3}")
_DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{4,64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One picture to choose: `number` from 1, `path` below the project root, empty where no copy was written;
    `verdicts` are those of its step's checks."""

    number: int
    artifact: Artifact
    path: str
    verdicts: Verdicts = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingCell:
    """A cell that waits. `state` is new, stale or none; `sheet` is its numbered contact sheet, empty if none."""

    cell: str
    state: Choice
    why: str
    sheet: str
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A choice as asked for: a number, a digest's beginning, both (they must agree), or neither for `none`."""

    cell: str
    number: int | None = None
    digest: str = ""
    why: str = ""


def waiting(pipeline: PipelineFile) -> list[WaitingCell]:
    """The cells that have their candidates and no valid choice."""
    opened = pipeline.opened
    making = _settled(opened)
    return [
        _waiting(opened, name, settled)
        for name, settled in making.settled.items()
        if settled.pick.is_open and any(settled.candidates)
    ]


def to_come(pipeline: PipelineFile) -> int:
    """How many choices there will be once a run has made their candidates."""
    if not _human(pipeline.opened):
        return 0
    cells = _settled(pipeline.opened).planned.values()
    to_make = (cell for cell in cells if cell.decision in (Decision.RUN, Decision.AWAIT))
    return sum(cell.cell.step.pick.rule is PickRule.HUMAN for cell in to_make)


def failures(pipeline: PipelineFile) -> dict[str, str]:
    """The cells whose pictures their checks fail, and why: a choice does not overrule a check."""
    return {name: settled.failure for name, settled in _settled(pipeline.opened).settled.items() if settled.failure}


def wish(cell: str, choice: str, why: str = "") -> Wish:
    """`N`, `none` or the beginning of a digest, as the command line takes them. UsageError for anything else."""
    if choice == "none":
        return Wish(cell=cell, why=why)
    if _NUMBER.fullmatch(choice):
        return Wish(cell=cell, number=int(choice), why=why)
    found = _DIGEST.fullmatch(choice)
    if found is None:
        raise UsageError(f"{choice!r} is no choice", "give the number of a candidate, the start of its digest, or none")
    return Wish(cell=cell, digest=found[1], why=why)


def wishes(lines: Iterable[str]) -> list[Wish]:
    """The lines of `pick --from`: `CELL N[@DIGEST] [REASON]`; blank lines and lines with # are passed over."""
    found = []
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = _LINE.fullmatch(text)
        if match is None:
            raise UsageError(f"line {number} is no pick: {text[:80]}", "write CELL N[@DIGEST] [REASON]")
        chosen = None if match["choice"] == "none" else int(match["choice"])
        found.append(Wish(cell=match["cell"], number=chosen, digest=match["digest"] or "", why=match["why"] or ""))
    return found


def record(pipeline: PipelineFile, asked: Sequence[Wish]) -> dict[str, Pick]:
    """Writes the choices to the lock, all of them or none; what was written, by cell. UsageError for one that cannot
    be made."""
    opened = pipeline.opened
    making = _settled(opened)
    by = git.user_name(opened.project.root) or ""
    picks = {one.cell: _pick(opened, making, one, by) for one in asked}
    opened.lock_file.update(lambda lock: _with(lock, picks))
    objects = opened.project.workspace.objects()
    previewed(opened, lambda artifact: objects.read(artifact.sha256), _shown(making, picks))
    return picks


def _shown(making: Planner, picks: Mapping[str, Pick]) -> dict[str, Artifact | None]:
    candidates = {name: making.settled[name].candidates for name in picks}
    return {name: candidates[name][pick.image - 1] if pick.image else None for name, pick in picks.items()}


def _with(lock: Lock, picks: dict[str, Pick]) -> Lock:
    return replace(lock, picks={**lock.picks, **picks})


def _settled(opened: Opened) -> Planner:
    with opened.project.workspace.ledger(create=False) as ledger:
        making = looking(opened, ledger)
        planned(opened, making, bytes_needed=False)
        return making


def _pick(opened: Opened, making: Planner, asked: Wish, by: str) -> Pick:
    cell = opened.graph.cells.get(asked.cell)
    if cell is None:
        raise UsageError(f"there is no cell {asked.cell}", did_you_mean(asked.cell, _human(opened)))
    if cell.step.pick.rule is not PickRule.HUMAN:
        by_check = cell.step.pick.rule is PickRule.CHECK
        taken = "the first candidate that passes its checks" if by_check else f"candidate {cell.step.pick.number}"
        message = f"{asked.cell} takes {taken} by itself"
        raise UsageError(message, f"write pick: human in step {cell.step.id} to choose")
    settled = making.settled.get(asked.cell)
    if settled is None:
        waits = any(making.settled[name].pick.is_open for name in _before(making, asked.cell) if name in making.settled)
        raise UsageError(f"{asked.cell} has no candidates yet", opened.command("pick" if waits else "run"))
    why = " ".join(asked.why.split())  # a page, a comment and a list of choices show it as one line
    if asked.number is None and not asked.digest:
        return Pick(image=None, by=by, why=why, for_=settled.key)
    number = _numbered(settled, asked) if asked.number is None else asked.number
    artifact = _candidate(settled, asked, number)
    return Pick(image=number, digest=artifact.sha256, by=by, why=why, for_=settled.key)


def _before(making: Planner, name: str) -> tuple[str, ...]:
    """The cells for which another one waits."""
    return making.planned[name].because if name in making.planned else ()


def _human(opened: Opened) -> list[str]:
    return [cell.id for cell in opened.graph.cells.values() if cell.step.pick.rule is PickRule.HUMAN]


def _numbered(settled: Settled, asked: Wish) -> int:
    matching = [
        number
        for number, artifact in enumerate(settled.candidates, 1)
        if artifact is not None and artifact.sha256.startswith(asked.digest)
    ]
    if len(set(matching)) != 1:
        kind = "no candidate" if not matching else "several candidates"
        raise UsageError(f"{asked.digest} is the start of {kind} of {asked.cell}", _choices(settled))
    return matching[0]


def _candidate(settled: Settled, asked: Wish, number: int) -> Artifact:
    artifact = settled.candidates[number - 1] if 1 <= number <= len(settled.candidates) else None
    if artifact is None:
        raise UsageError(f"{asked.cell} has no candidate {number}", _choices(settled))
    if not artifact.sha256.startswith(asked.digest):
        message = f"candidate {number} of {asked.cell} is {artifact.sha256[:12]} now, not {asked.digest[:12]}"
        raise UsageError(message, "look at the candidates again: they were made anew")
    return artifact


def _choices(settled: Settled) -> str:
    numbers = [str(number) for number, artifact in enumerate(settled.candidates, 1) if artifact is not None]
    return f"choose {', '.join(numbers)} or none"


def _waiting(opened: Opened, name: str, settled: Settled) -> WaitingCell:
    several = len(settled.candidates) > 1

    def shown(place: str) -> str:
        path = opened.results / place
        root = opened.project.root
        if not path.exists():
            return ""
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)

    candidates = tuple(
        Candidate(
            number=number,
            artifact=artifact,
            path=shown(f"{name}.{number}.{artifact.suffix}" if several else f"{name}.{artifact.suffix}"),
            verdicts=settled.verdicts[number - 1] if settled.verdicts else (),
        )
        for number, artifact in enumerate(settled.candidates, 1)
        if artifact is not None
    )
    sheet = shown(f"{name}/candidates.png")
    return WaitingCell(cell=name, state=settled.pick.choice, why=settled.pick.why, sheet=sheet, candidates=candidates)
