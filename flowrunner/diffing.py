"""The door of `diff`: two revisions of a project opened, their pipelines found, planned and compared.

Nothing is fetched, checked out or written. The base is what its commit says, lock included; so is the head, unless it
is the work tree: of that a run would know the ledger too.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from flowrunner.catalog import load as catalog_load
from flowrunner.comparing.compare import Side, by_lock, compare
from flowrunner.comparing.compared import Comparison, Ends, Unread
from flowrunner.errors import FlowError, InvalidPipeline, UsageError
from flowrunner.files import FileProblem
from flowrunner.loading import LOCK_SUFFIXES, document
from flowrunner.planning import plan
from flowrunner.problems import Problem
from flowrunner.project import (
    SUFFIXES,
    Options,
    Project,
    as_on_disk,
    handed_on,
    holds_pipeline,
    named,
    open_named,
    open_project,
    planner,
    sound,
)
from flowrunner.providers.registry import PROVIDERS
from flowrunner.repository import Repository, repository
from flowrunner.revision import Revision
from flowrunner.settings import NAME as SETTINGS
from flowrunner.settings import Settings
from flowrunner.settings import at as settings_at
from flowrunner.slotted import dataclass, field, replace
from flowrunner.store import lockread
from flowrunner.store.ledger import Ledger
from flowrunner.store.locked import LIMIT, Lock
from flowrunner.store.lockfile import LockFile
from flowrunner.store.workspace import STATE, Edition, find_root

Compared: TypeAlias = Comparison | Unread

_ALIKE = 0.5
"""The share of equal recipes from which a file counts as another one under a new name."""


@dataclass(frozen=True, slots=True)
class Diff:
    """All pipelines that were asked for, in two revisions."""

    root: Path
    ends: Ends
    compared: tuple[Compared, ...]

    @property
    def unread(self) -> list[Unread]:
        """What cannot be compared: the head is at fault."""
        return [one for one in self.compared if isinstance(one, Unread)]

    @property
    def comparisons(self) -> list[Comparison]:
        return [one for one in self.compared if isinstance(one, Comparison)]


@dataclass(slots=True, kw_only=True)
class _Tree:
    """One revision of a project. `faults` are those of its settings and models: without them nothing can be read."""

    project: Project
    revision: Revision | None
    """None for the work tree."""
    options: Options
    ledger: Ledger
    lenient: bool = False
    faults: list[Problem] = field(default_factory=list)
    editions: dict[str, Edition] = field(default_factory=dict)
    """Of the pipelines that were opened."""
    lock_problems: dict[str, list[Problem]] = field(default_factory=dict)
    """What is wrong with locks of a lenient revision, by their names."""
    _recipes: dict[str, set[str]] = field(default_factory=dict)

    def pipelines(self, place: str) -> list[str]:
        """The pipelines that a path from the root means: itself, or those directly in the folder."""
        if self._is_file(place):
            return [place]
        start = f"{place}/" if place else ""
        found = (path for suffix in SUFFIXES for path in self.project.files.list(f"{start}*{suffix}"))
        return sorted(path for path in found if self.is_pipeline(path))

    def is_pipeline(self, path: str) -> bool:
        try:
            return not path.endswith(LOCK_SUFFIXES) and holds_pipeline(self.project.files.read(path))
        except FileProblem:
            return False

    def has(self, path: str) -> bool:
        return self.revision.has(path) if self.revision else (self.project.root / path).exists()

    def side(self, name: str) -> Side:
        """A pipeline of this revision, planned. InvalidPipeline with all that is wrong."""
        if self.faults:
            raise InvalidPipeline(self.faults)
        opened = open_named(self.project, name, self.options, self.lock, lenient=self.lenient)
        self.editions[name] = opened.edition
        making = planner(opened, self.ledger)
        found = plan(making)
        problems = [*opened.warnings, *found.problems, *handed_on(opened)]
        if any(problem.is_error for problem in problems):
            raise InvalidPipeline(problems)
        return Side(making)

    def recipes(self, name: str) -> set[str]:
        """What the cells of a pipeline come to, whatever they are called."""
        if name not in self._recipes:
            self._recipes[name] = set(self.side(name).recipes().values())
        return self._recipes[name]

    def lock(self, lock_file: LockFile) -> Lock:
        """A lock as this revision has it. Those of simulated runs and of trials are in no revision."""
        if self.revision is None or lock_file.name.startswith(f"{STATE}/"):
            return as_on_disk(lock_file)
        if not self.revision.has(lock_file.name):
            return Lock()
        data = self.revision.read(lock_file.name, LIMIT)
        lock, problems = lockread.parse(document.decode(data, lock_file.name))
        self.lock_problems[lock_file.name] = [problem for problem in problems if problem.is_error]
        return lock if self.lenient else sound(lock, problems)

    def _is_file(self, path: str) -> bool:
        return path.endswith(SUFFIXES) and self.has(path)


def diff(
    paths: Sequence[Path],
    *,
    base: str | None = None,
    head: str | None = None,
    options: Options | None = None,
    environment: Mapping[str, str] | None = None,
) -> Diff:
    """Every pipeline that the paths mean, as `base` has it and as `head` has it. `base` is by default the merge base
    with the main branch, `head` the work tree. GitError where a revision is not here; UsageError for paths that are in
    neither."""
    with _opened(paths[0], base, head, options or Options(), environment) as (ends, before, after):
        root = after.project.root
        compared = [item for place in _places(paths, after) for item in _compared(place, before, after)]
    return Diff(root, ends, tuple({item.file: item for item in compared}.values()))


@contextmanager
def _opened(
    path: Path, base: str | None, head: str | None, options: Options, environment: Mapping[str, str] | None
) -> Iterator[tuple[Ends, _Tree, _Tree]]:
    root = find_root(path).resolve()
    around = repository(root)
    ends = _ends(around, base, head)
    contents = around.contents()
    project = open_project(path, environment)
    try:
        with project.workspace.ledger(create=False) as ledger:
            frozen = replace(options, frozen=not options.simulate)
            old = _tree(project, Revision(around, ends.base_commit, contents), frozen, ledger, lenient=True)
            if ends.head_commit:
                new = _tree(project, Revision(around, ends.head_commit, contents), frozen, ledger)
            else:
                new = _Tree(project=project, revision=None, options=options, ledger=ledger)
            yield ends, old, new
    finally:
        contents.close()


def _ends(around: Repository, base: str | None, head: str | None) -> Ends:
    head_commit = around.commit(head) if head is not None else ""
    if base is not None:
        shown, commit = base, around.commit(base)
    else:
        shown = around.main()
        commit = around.merge_base(head if head is not None else "HEAD", shown)
    return Ends(base=shown, base_commit=commit, head=head or "", head_commit=head_commit)


def _tree(project: Project, revision: Revision, options: Options, ledger: Ledger, *, lenient: bool = False) -> _Tree:
    found, faults = replace(project, files=revision), []
    try:
        settings = settings_at(revision, providers=PROVIDERS) if revision.has(SETTINGS) else Settings()
        documents = ((name, revision.read(name)) for name in revision.below("schemas", ".json"))
        found = replace(found, settings=settings, catalog=catalog_load.extended(documents))
    except InvalidPipeline as fault:
        faults = fault.problems
    except FileProblem as fault:
        faults = [Problem(code="file", message=fault.message, hint=fault.hint)]
    return _Tree(project=found, revision=revision, options=options, ledger=ledger, lenient=lenient, faults=faults)


def _places(paths: Sequence[Path], after: _Tree) -> Iterator[str]:
    """Paths from the project's root."""
    root = after.project.root
    for path in paths:
        if path.is_dir() or not path.suffix:
            real = path.resolve()
            if not real.is_relative_to(root):
                raise UsageError(f"{path} lies outside its project {root.name}", "compare one project at a time")
            place = real.relative_to(root).as_posix()
            yield "" if place == "." else place
        else:
            yield named(after.project, path)


def _compared(place: str, before: _Tree, after: _Tree) -> Iterator[Compared]:
    old, new = before.pipelines(place), after.pipelines(place)
    if not old and not new:
        hint = "give a pipeline file or a folder of pipelines"
        raise UsageError(f"{place or 'the folder'} is, or holds, no pipeline in either revision", hint)
    moved = _moved([name for name in new if name not in old], [name for name in old if name not in new], before, after)
    for name in new:
        yield _pair(moved.get(name, name), name, before, after)
    for name in old:
        if name not in new and name not in moved.values() and not after.has(name):
            yield _gone(name, before)


def _pair(was: str, name: str, before: _Tree, after: _Tree) -> Compared:
    """One pipeline of the head, and the one of the base that it comes from."""
    try:
        head = after.side(name)
    except FlowError as fault:
        return Unread(file=name, fault=fault)
    if not before.has(was):
        return compare(None, head)
    try:
        found = compare(before.side(was), head, was=was if was != name else None)
        lock = after.project.workspace.lock_name(was, before.editions[was])
        problems = before.lock_problems.get(lock, [])
        return replace(found, left_lock=_left_lock(was, name, before, after), base_problems=tuple(problems))
    except FlowError as fault:
        problems = fault.problems if isinstance(fault, InvalidPipeline) else [_problem(was, fault)]
        return replace(_by_lock(was, name, head, before, after), base_problems=tuple(problems))


def _left_lock(was: str, name: str, before: _Tree, after: _Tree) -> str:
    """The lock of a moved pipeline that stayed where it was."""
    old, new = (after.project.workspace.lock_name(path, after.editions[name]) for path in (was, name))
    return old if was != name and before.has(old) and not after.has(new) else ""


def _by_lock(was: str, name: str, head: Side, before: _Tree, after: _Tree) -> Comparison:
    """The head against the lock of a base that cannot be read."""
    try:
        lock = before.lock(after.project.workspace.lock_file(was, after.editions[name]))
    except FlowError:
        lock = Lock()
    opened = open_named(after.project, name, replace(after.options, frozen=True), lambda _: lock)
    making = planner(opened, after.ledger)
    plan(making)
    return by_lock(head, making)


def _gone(name: str, before: _Tree) -> Compared:
    try:
        return compare(before.side(name), None)
    except FlowError:
        return Comparison(file=name, name=PurePosixPath(name).stem, cells={}, is_gone=True)


def _problem(file: str, fault: FlowError) -> Problem:
    return Problem(code="file", message=fault.message, hint=fault.hint, file=file)


def _moved(new: Sequence[str], old: Sequence[str], before: _Tree, after: _Tree) -> dict[str, str]:
    """Files of the head to those of the base that they were: with the same text, else with most of its recipes."""
    assert before.revision is not None
    if not new:
        return {}
    everywhere = (path for suffix in SUFFIXES for path in before.revision.below("", suffix))
    left = [path for path in dict.fromkeys((*old, *everywhere)) if not after.has(path) and before.is_pipeline(path)]
    found = {}
    for name in new if left else ():
        likely = max(left, key=lambda path: _likeness(path, name, before, after), default=None)
        if likely is not None and _likeness(likely, name, before, after) >= _ALIKE:
            found[name] = likely
            left.remove(likely)
    return found


def _likeness(was: str, name: str, before: _Tree, after: _Tree) -> float:
    """How much of two pipelines is alike, from 0 to 1."""
    if before.project.files.read(was) == after.project.files.read(name):
        return 1.0
    try:
        old, new = before.recipes(was), after.recipes(name)
    except FlowError:
        return 0.0
    return len(old & new) / max(len(old), len(new), 1)
