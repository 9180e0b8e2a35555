"""A project and one of its pipelines, opened: files, settings, catalogue, store, lock, graph."""

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowrunner import unchanged
from flowrunner.artifact import Artifact
from flowrunner.asked import Asked, Noting
from flowrunner.binding import Binder, skipped
from flowrunner.call import File
from flowrunner.catalog import Catalog
from flowrunner.catalog import load as catalog_load
from flowrunner.collector import uncollected
from flowrunner.credentials import Operator
from flowrunner.errors import InvalidPipeline, UsageError
from flowrunner.files import TEXT_LIMIT, Files, WorkTree, is_text, leads_to_hidden, resolved
from flowrunner.given import Given, given
from flowrunner.graph import Graph, draw
from flowrunner.loading import LOCK_SUFFIXES, read
from flowrunner.loading.fields import MOST, too_many
from flowrunner.loading.scope import Scope
from flowrunner.pipeline import Pipeline
from flowrunner.problems import Problem, error, strict, tidy
from flowrunner.providers.registry import PROVIDERS
from flowrunner.publish import check_outputs
from flowrunner.settings import NAME as SETTINGS
from flowrunner.settings import Settings
from flowrunner.settings import load as settings_load
from flowrunner.slotted import dataclass, field, replace
from flowrunner.store import trash
from flowrunner.store.locked import Lock
from flowrunner.store.lockfile import LockFile
from flowrunner.store.workspace import Edition, Workspace, find_root, trial_id
from flowrunner.suggested import command_line, placed

if TYPE_CHECKING:
    from flowrunner.checks.judge import Judge
    from flowrunner.planning import Judges, Plan, Planner
    from flowrunner.previews import Read, Shown
    from flowrunner.store.ledger import Ledger

SUFFIXES = (".yaml", ".yml")
_KEY = re.compile(r"""^["']?(flowrunner|steps)["']?\s*:""", re.MULTILINE)
"""The keys that make a file a pipeline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a command says beside the path: which inputs, which lock, which cells, what may be spent.

    `only` and `force` are selectors; `max_usd` in nano-dollars; `allow_unpriced` holds model ids, `*` for all;
    `faults` are what goes wrong in a simulated run, rules as `simulate --fault` takes them."""

    inputs: Mapping[str, Any] = field(default_factory=dict)
    inputs_file: Path | None = None
    simulate: bool = False
    strict: bool = False
    """Warnings are errors, and no result stands for a changed request."""
    frozen: bool = False
    only: tuple[str, ...] = ()
    force: tuple[str, ...] = ()
    lock: bool = False
    """Given values that differ are written to the pipeline's own lock."""
    concurrency: int | None = None
    max_usd: int | None = None
    max_calls: int | None = None
    shared: bool = False
    """`max_usd` and `max_calls` are what earlier pipelines of the command have left of its limits."""
    allow_unpriced: frozenset[str] = frozenset()
    resend: bool = False
    output: Path | None = None
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project's folder with everything that its pipelines share."""

    root: Path
    files: Files
    settings: Settings
    catalog: Catalog
    workspace: Workspace
    operator: Operator
    environment: Mapping[str, str]
    asked: Asked = field(default_factory=Asked)

    def has(self, digest: str) -> bool:
        """Whether the store has a picture."""
        objects = self.workspace.objects()
        # What is missing may come to lie in the trash, from where it would be brought back.
        found = objects.has(digest) or (self.asked.tree(trash.folder(self.workspace.store)) and objects.has(digest))
        return self.asked.picture(digest, found)


@contextmanager
def readable() -> Iterator[None]:
    """What may not be read within is told as a mistake of whoever names it."""
    try:
        yield
    except PermissionError as fault:
        raise UsageError(f"{fault.filename} cannot be read: {fault.strerror}") from None


@readable()
def open_project(path: Path, environment: Mapping[str, str] | None = None) -> Project:
    """The project in which a pipeline file or a folder lies. InvalidPipeline for its settings or model files."""
    environ = dict(os.environ) if environment is None else dict(environment)
    root = find_root(path)
    asked = Asked()
    asked.text(root / SETTINGS)
    settings = settings_load(root, providers=PROVIDERS, environment=environ)
    home = Path(environ.get("HOME") or "/nonexistent")
    asked.models(root / unchanged.MODELS)
    return Project(
        root=root,
        files=Noting(WorkTree(root), root, asked),
        settings=settings,
        catalog=catalog_of(root),
        workspace=Workspace.of(root, environ, settings.store.path, read_only=settings.store.read_only),
        operator=Operator(environ, home),
        environment=environ,
        asked=asked,
    )


def catalog_of(root: Path) -> Catalog:
    """The built-in models and the project's own."""
    return catalog_load.load(root / unchanged.MODELS)


@readable()
def pipelines_below(path: Path) -> list[Path]:
    """The pipeline files that a path means: itself, or those directly in the folder. UsageError where none is."""
    if not path.is_dir():
        if not path.exists():
            raise UsageError(f"{path} does not exist", "give a pipeline file or a folder of pipelines")
        return [path]
    found = sorted(item for item in path.iterdir() if item.suffix in SUFFIXES and _is_pipeline(item))
    if not found:
        raise UsageError(f"no pipelines in {path}", "a pipeline is a .yaml file with flowrunner: and steps:")
    return found


def _is_pipeline(path: Path) -> bool:
    """One that cannot be read counts: it may be, and whoever opens it is told why it cannot be."""
    is_other = path.exists() and not path.is_file()
    if path.name.endswith(LOCK_SUFFIXES) or path.name.startswith(".") or is_other:
        return False
    try:
        with path.open("rb") as file:
            return holds_pipeline(file.read(TEXT_LIMIT))
    except OSError:
        return True


def holds_pipeline(data: bytes) -> bool:
    """Whether a file has the keys of a pipeline, sound or not."""
    text = data.decode("utf-8-sig", "replace")
    return {"flowrunner", "steps"} <= {found[1] for found in _KEY.finditer(text)}


@dataclass(slots=True, kw_only=True)
class Opened:
    """One pipeline with its inputs bound and its graph built; nothing is decided yet."""

    project: Project
    pipeline: Pipeline
    given: Given
    graph: Graph
    edition: Edition
    lock_file: LockFile
    lock: Lock
    binder: Binder
    warnings: list[Problem]
    options: Options

    @property
    def lock_name(self) -> str:
        return self.lock_file.name

    @property
    def results(self) -> Path:
        """The folder of what is published, an absolute path: the one that `--output` names, or that of the pipeline."""
        named = self.options.output
        folder = named or self.project.workspace.outputs_dir(self.pipeline.file, self.edition)
        return Path(os.path.normpath(folder.absolute()))

    def command(self, verb: str, *words: str) -> str:
        """A command line for the same pipeline and inputs, as it is called from here."""
        path, options = placed(self.project.root, self.pipeline.file), self.options
        inputs = [f"{name}={value}" for name, value in options.inputs.items()]
        file, simulate = options.inputs_file, options.simulate
        return " ".join(command_line(verb, path, words, inputs=inputs, file=file, simulate=simulate))

    @property
    def has_checks(self) -> bool:
        return any(step.checks for step in self.pipeline.steps.values())

    def wanted(self) -> set[str] | None:
        """The cells that `--only` names and what they need; None for all."""
        if not self.options.only:
            return None
        from flowrunner.selection import selected, with_needs

        return with_needs(self.graph, selected(self.graph, self.options.only))

    def forced(self) -> frozenset[str]:
        if not self.options.force:
            return frozenset()
        from flowrunner.selection import selected

        return frozenset(selected(self.graph, self.options.force))


@readable()
def open_pipeline(project: Project, path: Path, options: Options | None = None) -> Opened:
    """Loads a pipeline and binds its inputs. InvalidPipeline with everything that is wrong."""
    options = options or Options()
    if options.frozen and options.force:
        raise UsageError("--frozen never pays, and --force pays anew", "leave one of them out")
    return open_named(project, named(project, path), options)


def as_on_disk(lock_file: LockFile) -> Lock:
    """The lock as it lies in the work tree. InvalidPipeline where something is wrong with it."""
    lock, problems = lock_file.read()
    return sound(lock, problems)


@uncollected()
def open_named(
    project: Project,
    name: str,
    options: Options,
    lock_of: Callable[[LockFile], Lock] = as_on_disk,
    *,
    lenient: bool = False,
) -> Opened:
    """The same for a path from the project's root, as `project.files` has it; `lock_of` reads a lock. `lenient` passes
    over given inputs that the pipeline does not declare."""
    pipeline, problems = read(project.files, name)
    lines = {key: value for key, value in options.inputs.items() if not lenient or key in pipeline.inputs}
    own = Edition(inputs=options.inputs_file.stem if options.inputs_file else None, simulated=options.simulate)
    lock_file = project.workspace.lock_file(name, own)
    project.asked.text(lock_file.path)
    lock = lock_of(lock_file)
    values = given(
        pipeline,
        root=project.root,
        lines=lines,
        file=options.inputs_file,
        locked=lock.inputs,
        objects=project.workspace.objects(),
        files=project.files,
        looked=project.asked.file,
    )
    edition = own
    if values.differs and not options.lock:
        edition = Edition(inputs=own.inputs, simulated=own.simulated, trial=trial_id(values.record))
        lock_file = project.workspace.lock_file(name, edition)
        project.asked.text(lock_file.path)
        lock = _over(lock, lock_of(lock_file))
    graph, more = draw(pipeline, Scope(pipeline, values.values), project.catalog)
    binder = Binder(graph, project.catalog, project.files, simulated=options.simulate)
    for data in values.outside.values():
        binder.images.take(data)
    opened = Opened(
        project=project,
        pipeline=pipeline,
        given=values,
        graph=graph,
        edition=edition,
        lock_file=lock_file,
        lock=lock,
        binder=binder,
        warnings=[*problems, *more, *check_outputs(graph)],
        options=options,
    )
    if any(problem.is_error for problem in opened.warnings):
        raise InvalidPipeline(checked(opened))
    return opened


def sound(lock: Lock, problems: Sequence[Problem]) -> Lock:
    """The lock. InvalidPipeline where something is wrong with it."""
    if any(problem.is_error for problem in problems):
        raise InvalidPipeline(problems)
    return lock


def _over(own: Lock, trial: Lock) -> Lock:
    """What a trial knows: what its inputs do not touch is found in the pipeline's own lock, picks too."""
    return Lock(
        inputs=trial.inputs,
        picks={**own.picks, **trial.picks},
        accepts={**own.accepts, **trial.accepts},
        models={**own.models, **trial.models},
        cells={**own.cells, **trial.cells},
    )


def named(project: Project, path: Path) -> str:
    """A pipeline's path from the project's root. UsageError and InvalidPipeline for what cannot be one."""
    if not is_text(str(path)):
        encoding = sys.getfilesystemencoding()
        hint = "rename it" if encoding == "utf-8" else f"set LC_ALL=C.UTF-8: file names are read as {encoding} here"
        raise UsageError(f"the name of {path} is not UTF-8", hint)
    real = resolved(path)
    if not real.is_relative_to(project.root):
        raise UsageError(f"{path} lies outside its project {project.root.name}")
    if leads_to_hidden(path, project.root):
        raise UsageError(f"{path} leads to a hidden file", "name the file itself")
    if path.is_symlink() and not path.exists():
        raise UsageError(f"{path} is a link to {path.readlink()}, which does not exist", "turn the link, or remove it")
    if real.suffix not in SUFFIXES and real.is_file():  # its lines are no pipeline's, and must not be shown as one's
        raise UsageError(f"{path} is no pipeline", f"a pipeline ends in {' or '.join(SUFFIXES)}")
    for suffix in SUFFIXES:
        twin = real.with_suffix(suffix)
        if twin != real and twin.exists() and real.suffix in SUFFIXES:
            if not real.exists():
                raise UsageError(f"{path} does not exist", f"did you mean {path.with_suffix(suffix)}?")
            message = f"{real.name} and {twin.name} would share one lock"
            name = real.relative_to(project.root).as_posix()
            raise InvalidPipeline([replace(error("twins", message, None, "rename one of them"), file=name)])
    return real.relative_to(project.root).as_posix()


@uncollected()
def checked(opened: Opened, *, strictly: bool = False, as_given: bool = False) -> list[Problem]:
    """Every problem of a pipeline that can be known before spending: each cell bound, nothing looked up. `as_given`
    leaves out the cells that are skipped with the inputs that are given: no run with them meets their faults."""
    found = list(opened.warnings)
    told = {(problem.code, problem.span) for problem in found}
    faults: set[tuple[object, ...]] = set()
    for cell_faults in _faults(opened, as_given=as_given):
        # A name that nothing declares is told once, with its step, and not again by each cell that needs it.
        more = [problem for problem in cell_faults if (problem.code, problem.span) not in told]
        found += more
        faults.update((problem.span, problem.code, problem.message) for problem in more if problem.is_error)
        if len(faults) > MOST:
            found.append(too_many(found.pop()))
            break
    return strict(tidy([*found, *_accepted(opened)])) if strictly else tidy(found)


def _faults(opened: Opened, *, as_given: bool) -> Iterator[list[Problem]]:
    """What is wrong with each cell."""
    for cell in opened.graph.cells.values():
        yield opened.binder.instead(cell)
        if cell.id not in opened.graph.skipped:
            yield opened.binder.bind(cell, lambda _: None).problems
    if not as_given:
        yield from skipped.problems(opened.graph, opened.binder)


def handed_on(opened: Opened) -> list[Problem]:
    """What is wrong with the images that skipped cells hand on. A plan knows of it no other way: it binds what takes
    them, and neither the cells themselves nor, where only some are wanted, all of the others."""
    return [problem for cell in opened.graph.cells.values() for problem in opened.binder.instead(cell)]


def _accepted(opened: Opened) -> list[Problem]:
    """What a strict check has against the lock's acceptances."""
    return [
        Problem(
            code="accepted",
            message=f"the locked result of {cell} is to stand for a changed request"
            + (f": {one.why}" if one.why else ""),
            hint=f"{opened.command('accept --undo', cell)}, and run it",
            file=opened.lock_name,
            cells=(cell,),
        )
        for cell, one in opened.lock.accepts.items()
    ]


def judge(opened: Opened, *, keep: bool) -> "Judge":
    """Holds pictures against checks; `keep` writes what it finds below the state."""
    from flowrunner.checks.judge import Judge

    objects, asked = opened.project.workspace.objects(), opened.project.asked

    def bytes_of(artifact: Artifact) -> bytes:
        from flowrunner.images import read as bytes_at

        asked.file(objects.path(artifact.sha256))
        return bytes_at(artifact, opened.binder.images, objects, live=not opened.options.simulate)

    root, state = opened.project.root, opened.project.workspace.state
    return Judge(state=state, root=root, read=bytes_of, keep=keep, looked=asked.file)


def looking(opened: Opened, ledger: "Ledger") -> "Planner":
    """A planner that holds pictures against the checks of their steps, and writes nothing."""
    return planner(opened, ledger, judge(opened, keep=False).verdict if opened.has_checks else None)


def planner(opened: Opened, ledger: "Ledger", judges: "Judges | None" = None) -> "Planner":
    """A planner over what is known here. Without `judges` nobody looks at a picture: the lock says which passed."""
    from flowrunner.choices import without_refusals
    from flowrunner.known import Known
    from flowrunner.missing import standing
    from flowrunner.planning import Planner

    options, asked, forced = opened.options, opened.project.asked, opened.forced()
    history = Known(ledger, simulated=options.simulate, resend=options.resend, asked=asked.keys)
    return Planner(
        graph=opened.graph,
        binder=opened.binder,
        lock=without_refusals(standing(opened.lock, history.outcome, opened.project.has), forced),
        history=history,
        prices=opened.project.settings.prices,
        force=forced,
        frozen=opened.options.frozen,
        judges=judges,
    )


@uncollected()
def planned(opened: Opened, making: "Planner", *, bytes_needed: bool = True) -> "Plan":
    """The plan. UsageError while an input has no value; InvalidPipeline for a faulty request."""
    from flowrunner.planning import plan

    missing = opened.graph.scope.missing
    if missing:
        listed = " and ".join(spec.name for spec in missing)
        hint = f"give it: -i {missing[0].name}=…, or a default at {missing[0].span}"
        raise UsageError(
            f"input {listed} has no value" if len(missing) == 1 else f"inputs {listed} have no value", hint
        )
    images = opened.binder.images

    def present(artifact: Artifact | File) -> bool:
        digest = artifact.sha256
        return digest in images.paths or digest in images.inline or opened.project.has(digest)

    found = plan(making, opened.wanted(), present if bytes_needed else None)
    problems = [*opened.warnings, *found.problems, *handed_on(opened)]
    problems = strict(problems) if opened.options.strict else problems
    if any(problem.is_error for problem in problems):
        raise InvalidPipeline(problems)
    return found


def previewed(opened: Opened, read: "Read", shown: "Shown") -> str:
    """Brings the previews beside the lock up to date; their folder, from the project's root, where any changed. A trial
    has none: nobody reviews it."""
    from flowrunner.digest import tagged
    from flowrunner.previews import Previews, folder_of
    from flowrunner.store.durable import Explained
    from flowrunner.store.flocks import held

    workspace, lock = opened.project.workspace, opened.lock_file.path
    folder = folder_of(lock)
    side = opened.pipeline.previews
    if opened.edition.trial or (side is None and not folder.is_dir()):
        return ""
    previews = Previews(folder=folder, root=opened.project.root, side=side, read=read)
    guard = held(workspace.state / "locks" / tagged("previews/1", opened.lock_name))
    with guard, Explained("written", folder, elsewhere=""):
        changed = previews.write(opened.graph, shown)
    return folder.relative_to(opened.project.root).as_posix() if changed else ""
