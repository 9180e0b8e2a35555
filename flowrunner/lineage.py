"""Where a picture comes from: looked up by its bytes, by its pixels and by what it says of itself, in the locks that
are here, in those that git remembers, and in the ledger."""

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

from flowrunner import git, imagehead
from flowrunner.artifact import Artifact
from flowrunner.digest import sha256
from flowrunner.errors import FlowError, StoreError
from flowrunner.files import IMAGE_LIMIT
from flowrunner.imageparts import PNG
from flowrunner.loading import document
from flowrunner.money import Nano
from flowrunner.problems import Problem, tidy
from flowrunner.project import SUFFIXES, Project
from flowrunner.slotted import dataclass, field, replace
from flowrunner.store.ledger import Ledger
from flowrunner.store.locked import Lock, LockedCell, LockedSample, Pick
from flowrunner.store.lockfile import LockFile
from flowrunner.store.lockread import parse
from flowrunner.store.objects import is_digest
from flowrunner.store.records import Made
from flowrunner.store.workspace import STATE
from flowrunner.xmp import origin

_LOCKS = "*.lock.yaml"
_SIMULATED, _TRIALS = f"{STATE}/simulated/", f"{STATE}/trials/"
_PICTURES = (".png", ".jpg", ".jpeg", ".webp")
_MOST = 5000
"""Pictures of the work tree among which the inputs of a request are looked for."""


class How(StrEnum):
    """By what a picture was recognised."""

    BYTES = "bytes"
    PIXELS = "pixels"
    """Other bytes, the same picture: what stood in the file beside it is gone or other."""
    METADATA = "metadata"
    """It says so itself, and there is nothing here to compare it with."""
    CHANGED = "changed"
    """It says so itself, and is not the picture that was made: someone has changed it since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """An image that a request took. `cell` and `candidate` where a cell made it, `path` where a file of the project
    has these bytes; `text` is the link or `sha256:…` of the lock."""

    text: str
    cell: str = ""
    candidate: int = 0
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """A request that gave the picture. `lock` is the file that names it, empty where only the ledger's `run` does;
    `candidate` counts from 1 within the cell. `paid` is what the whole call cost, which gave `shared` pictures."""

    pipeline: str
    inputs: str = ""
    cell: str
    candidate: int
    of: int
    model: str
    key: str
    with_: Mapping[str, Any] = field(default_factory=dict)
    parents: tuple[Parent, ...] = ()
    pick: Pick | None = None
    paid: Nano | None = None
    shared: int = 1
    simulated: bool = False
    lock: str = ""
    run: str = ""
    commit: git.Commit | None = None
    artifact: Artifact


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known of a file's bytes. `how` is None, and nothing was found, for a picture that is not known."""

    digest: str
    how: How | None
    makings: tuple[Making, ...]


Test: TypeAlias = Callable[[LockedSample, Artifact], bool]
Pixels: TypeAlias = frozenset[str]


class Lineage:
    """Looks pictures up in one project. Nothing is sent, nothing written."""

    def __init__(self, project: Project, ledger: Ledger) -> None:
        self._project = project
        self._ledger = ledger
        self._objects = project.workspace.objects()

    @property
    def problems(self) -> list[Problem]:
        """What is wrong with the locks that are here: a picture that only such a part of one names is not known."""
        return tidy(problem for _, _, found in self._read for problem in found)

    def of(self, data: bytes) -> Answer:
        """Where these bytes come from; imagehead.BadImage for what is no picture."""
        imagehead.head(data)
        digest = sha256(data)
        makings = self._by_digest(digest)
        if makings:
            return Answer(digest, How.BYTES, makings)
        own = _pixels(data)
        how = self._judged(own, self._claimed(data))
        if how is not None and how[0] is not How.CHANGED:
            return Answer(digest, *how)
        seen = self._by_pixels(own, imagehead.head(data))
        if seen:
            return Answer(digest, How.PIXELS, seen)
        return Answer(digest, *(how or (None, ())))

    def _by_digest(self, digest: str) -> tuple[Making, ...]:
        return self._found(digest, lambda _, artifact: artifact.sha256 == digest)

    def _found(self, text: str, test: Test) -> tuple[Making, ...]:
        """In the locks that are here; else in what git remembers; else in the ledger. `text` is what a lock has of it,
        a digest or a key."""
        here = [making for name, lock in self._locks for making in self._in_lock(name, lock, test)]
        if here:
            return tuple(replace(making, commit=self._commit(text)) for making in here)
        return tuple(self._in_history(text, test)) or tuple(self._in_ledger(text, test))

    @property
    def _locks(self) -> list[tuple[str, Lock]]:
        return [(name, lock) for name, lock, _ in self._read]

    @cached_property
    def _read(self) -> list[tuple[str, Lock, list[Problem]]]:
        return [(file.name, *_whatever_of(file)) for file in self._project.workspace.lock_files()]

    def _commit(self, text: str) -> git.Commit | None:
        return git.first_with(self._project.root, text, _LOCKS)

    def _in_history(self, text: str, test: Test) -> Iterator[Making]:
        commit = self._commit(text)
        for path in commit.paths if commit else ():
            data = git.content(self._project.root, commit.id, path) if commit else None
            try:
                lock = parse(document.decode(data or b"", path))[0]
            except FlowError:
                continue
            yield from (replace(making, commit=commit) for making in self._in_lock(path, lock, test))

    def _in_ledger(self, text: str, test: Test) -> Iterator[Making]:
        for made in self._ledger.made(text):
            images = made.outcome.artifacts
            sample = LockedSample(key=made.outcome.key, images=images, paid=made.outcome.paid)
            yield from (_unlocked(made, number) for number, one in enumerate(images, 1) if test(sample, one))

    def _in_lock(self, name: str, lock: Lock, test: Test) -> Iterator[Making]:
        for cell in lock.cells.values():
            number = 0
            for sample in cell.samples:
                for artifact in sample.images:
                    number += 1
                    if test(sample, artifact):
                        yield self._making(name, lock, cell, sample, number, artifact)

    def _making(
        self, name: str, lock: Lock, cell: LockedCell, sample: LockedSample, number: int, artifact: Artifact
    ) -> Making:
        pipeline, inputs = self._pipeline(name)
        return Making(
            pipeline=pipeline,
            inputs=inputs,
            cell=cell.cell,
            candidate=number,
            of=sum(len(one.images) for one in cell.samples),
            model=cell.model,
            key=sample.key,
            with_=cell.with_,
            parents=tuple(self._parent(text, lock) for text in dict.fromkeys(_named(cell.with_))),
            pick=lock.picks.get(cell.cell),
            paid=sample.paid,
            shared=len(sample.images),
            simulated=name.startswith(_SIMULATED),
            lock=name,
            artifact=artifact,
        )

    def _pipeline(self, lock: str) -> tuple[str, str]:
        """The pipeline of a lock, and the inputs file that it is for."""
        inner = lock.removeprefix(_SIMULATED).removeprefix(_TRIALS)
        path = PurePosixPath(inner)
        name = path.name.removesuffix(_LOCKS[1:])
        path = path.parent if is_digest(name) else path.with_name(name)
        stem, _, inputs = path.name.partition("@")
        names = [str(path.with_name(stem + suffix)) for suffix in SUFFIXES]
        return next((one for one in names if (self._project.root / one).is_file()), names[0]), inputs

    def _parent(self, text: str, lock: Lock) -> Parent:
        digest = text.removeprefix("sha256:")
        for cell in lock.cells.values():
            images = [artifact.sha256 for sample in cell.samples for artifact in sample.images]
            if digest in images:
                return Parent(text=text, cell=cell.cell, candidate=images.index(digest) + 1)
        return Parent(text=text, path="" if digest == text else self._files.get(digest, ""))

    @cached_property
    def _files(self) -> dict[str, str]:
        """The pictures of the work tree by their digests, results left out."""
        found = {}
        for path in _pictures(self._project.root):
            digest = sha256(path.read_bytes())
            found[digest] = path.relative_to(self._project.root).as_posix()
        return found

    def _claimed(self, data: bytes) -> tuple[Making, ...]:
        """The pictures of the request that a file names in its metadata."""
        said = origin(data)
        return self._found(said.key, lambda sample, _: sample.key == said.key) if said else ()

    def _judged(self, own: Pixels, claimed: tuple[Making, ...]) -> tuple[How, tuple[Making, ...]] | None:
        if not claimed:
            return None
        here = [making for making in claimed if self._objects.has(making.artifact.sha256)]
        same = tuple(making for making in here if self._is_same(own, making.artifact))
        if same:
            return How.PIXELS, same
        return (How.CHANGED if len(here) == len(claimed) else How.METADATA), claimed

    def _by_pixels(self, own: Pixels, head: imagehead.Head) -> tuple[Making, ...]:
        """Among all pictures of this size: those of locks first, then whatever the store has."""
        size = head.width, head.height
        listed = [artifact for _, lock in self._locks for one in lock.samples().values() for artifact in one.images]
        candidates = {one.sha256: one for one in listed if (one.width, one.height) == size}
        digests = [digest for digest, one in candidates.items() if self._is_same(own, one)]
        if not digests:
            digests = [digest for digest in self._of_size(size) if self._is_same(own, _unnamed(digest, size))]
        return tuple(making for digest in digests for making in self._by_digest(digest))

    def _of_size(self, size: tuple[int, int]) -> Iterator[str]:
        for digest in self._objects.digests():
            try:
                head = imagehead.head(self._objects.read(digest))
            except FlowError:
                continue
            if (head.width, head.height) == size:
                yield digest

    def _is_same(self, own: Pixels, artifact: Artifact) -> bool:
        if artifact.pixels:
            return artifact.pixels in own
        try:
            return not own.isdisjoint(_pixels(self._objects.read(artifact.sha256)))
        except FlowError:
            return False


def _whatever_of(file: LockFile) -> tuple[Lock, list[Problem]]:
    """What can be read of a lock: one that cannot be says nothing of the pictures that others name."""
    try:
        return file.read()
    except StoreError as fault:
        return Lock(), [Problem(code="file", message=fault.message, hint=fault.hint, file=file.name)]


def _pixels(data: bytes) -> Pixels:
    """The digests of a picture's pixels: as they are, and as they would be in a file that keeps a transparency which
    hides nothing, or leaves it out."""
    from flowrunner.imaging.picture import decode, pixels

    image = decode(data)
    if image.mode == "RGB":
        return frozenset((pixels(image), pixels(image.convert("RGBA"))))
    opaque = image.getchannel("A").getextrema() == (255, 255)
    return frozenset((pixels(image), pixels(image.convert("RGB")))) if opaque else frozenset((pixels(image),))


def _unlocked(made: Made, number: int) -> Making:
    images = made.outcome.artifacts
    return Making(
        pipeline=made.pipeline,
        cell=made.cell,
        candidate=number,
        of=len(images),
        model=made.model,
        key=made.outcome.key,
        paid=made.outcome.paid,
        shared=len(images),
        simulated=made.simulated,
        run=made.run,
        artifact=images[number - 1],
    )


def _unnamed(digest: str, size: tuple[int, int]) -> Artifact:
    return Artifact(sha256=digest, media_type=PNG, width=size[0], height=size[1])


def _named(tree: Any) -> Iterator[str]:
    """The images of a request as a lock writes them: `sha256:…`, and links."""
    if isinstance(tree, Mapping):
        for item in tree.values():
            yield from _named(item)
    elif isinstance(tree, list | tuple):
        for item in tree:
            yield from _named(item)
    elif isinstance(tree, str) and (tree.startswith(("sha256:", "asset:", "https://", "http://")) and " " not in tree):
        yield tree


def _pictures(root: Path) -> Iterator[Path]:
    from itertools import islice

    yield from islice(_walked(root), _MOST)


def _walked(root: Path) -> Iterator[Path]:
    import os

    for folder, below, names in os.walk(root):
        here = Path(folder)
        below[:] = sorted(name for name in below if not name.startswith(".") and here / name != root / "outputs")
        for name in sorted(names):
            path = here / name
            if path.suffix.lower() in _PICTURES and path.is_file() and path.stat().st_size <= IMAGE_LIMIT:
                yield path
