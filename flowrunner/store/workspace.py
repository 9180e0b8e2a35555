"""Where things lie: state, store, locks and results of a project."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from flowrunner.digest import sha256, tagged
from flowrunner.errors import StoreError
from flowrunner.files import folder_of_user, resolved
from flowrunner.roots import MARKS, root_of
from flowrunner.slotted import dataclass, field
from flowrunner.store.durable import Explained, make_folder, replace
from flowrunner.store.flocks import held
from flowrunner.store.lockfile import LockFile
from flowrunner.store.objects import Objects

if TYPE_CHECKING:
    from flowrunner.store.ledger import Ledger

STATE = ".flowrunner"
"""The folder below the project's root for everything that is not checked in."""

_LOCK = ".lock.yaml"
_PATH_LIMIT = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """Which lock and which results of a pipeline are meant. `inputs` is the stem of the `--inputs` file (`lamp`),
    `trial` a `trial_id`; both may be absent."""

    inputs: str | None = None
    simulated: bool = False
    trial: str | None = None


def find_root(path: Path) -> Path:
    """The project of a pipeline: the nearest folder upwards with a flowrunner.toml or a .git, else its own folder."""
    return Path(root_of(str(resolved(path if path.is_dir() else path.parent))))


def trial_id(values: Mapping[str, Any]) -> str:
    """What tells the trials of a pipeline apart: the digest of the values given for its inputs."""
    return tagged("trial/1", values)


@dataclass(frozen=True, slots=True)
class Workspace:
    """A project's folder, and the folder of the store and ledger, which several projects may share."""

    root: Path
    store: Path
    read_only: bool = field(default=False, kw_only=True)
    """Set so: see `is_read_only`."""

    @classmethod
    def of(
        cls, root: Path, environment: Mapping[str, str], store: Path | None = None, *, read_only: bool = False
    ) -> "Workspace":
        """FLOWRUNNER_STORE comes first, then `store` (from the settings, relative to the root), then the state."""
        given = environment.get("FLOWRUNNER_STORE")
        own = root / store if store else root / STATE
        chosen = folder_of_user("FLOWRUNNER_STORE", given) if given else own.absolute()
        return cls(root, chosen, read_only=read_only)

    @property
    def state(self) -> Path:
        return self.root / STATE

    @property
    def is_read_only(self) -> bool:
        """Whether nothing may be written to the store: its settings say so, or its file system does."""
        return self.read_only or (self.store.is_dir() and not os.access(self.store, os.W_OK))

    def prepare(self) -> None:
        """Makes the state and the store, for this user only, the state ignored by git. StoreError when that fails, or
        where a link stands in place of the state or of a part of it. Beside a read-only store nothing is made."""
        if self.is_read_only:
            return
        self.prepare_state()
        with Explained("written", self.store):
            make_folder(self.store)
            if self.store != self.state:
                self._register()

    def prepared(self) -> list[Path]:
        """The files that are there once it is prepared."""
        return [self._ignore] if self.store == self.state else [self._ignore, self._entry]

    @property
    def _ignore(self) -> Path:
        return self.state / ".gitignore"

    @property
    def _entry(self) -> Path:
        """This project among those that use its store."""
        return self.store / "projects" / sha256(os.fsencode(self.root))

    def prepare_state(self) -> None:
        """The state alone, which lies in the project: the settings of a stranger may say that the store lies anywhere.
        StoreError where a link stands in its place, or in that of a part of it: it came with the repository."""
        _refuse_link(self.state)
        with Explained("written", self.state):
            make_folder(self.state)
            for part in self.state.iterdir():
                _refuse_link(part)
            if not self._ignore.exists():
                with held(self.state / "locks" / "state"):
                    replace(self._ignore, b"*\n")

    def _register(self) -> None:
        """Tells a store that lies elsewhere that this project uses it: what its locks name is not swept there."""
        if not self._entry.exists():
            make_folder(self._entry.parent)
            with held(self.store / "locks" / "projects"):
                replace(self._entry, os.fsencode(self.root))

    def sharing(self) -> "list[Workspace]":
        """This project and the others that use its store. StoreError when one of them is not where it was."""
        found = {self.root: self}
        for path in _registered(self.store):
            with Explained("read", path), path.open("rb") as file:
                root = Path(os.fsdecode(file.read(_PATH_LIMIT)))
            if not root.is_dir():
                hint = f"bring it back or, if it is gone for good, remove {path}"
                raise StoreError(f"{root}, a project that uses {self.store}, is not there", hint, path=str(path))
            found.setdefault(root, Workspace(root, self.store))
        if self.store.name == STATE:
            found.setdefault(self.store.parent, Workspace(self.store.parent, self.store))
        return list(found.values())

    def objects(self) -> Objects:
        return Objects(self.store, read_only=self.is_read_only)

    def ledger(self, *, create: bool) -> "Ledger":
        from flowrunner.store.ledger import Ledger

        if self.is_read_only:
            return Ledger.read_only(self.store)
        return Ledger.open(self.store, create=create)

    def lock_name(self, pipeline: str, edition: Edition) -> str:
        """The lock of a pipeline; both are relative to the root."""
        folder, name = _place(pipeline, edition.inputs)
        base = PurePosixPath(STATE, "simulated") if edition.simulated else PurePosixPath()
        if edition.trial:
            base = base if edition.simulated else PurePosixPath(STATE, "trials")
            return str(base / folder / name / f"{edition.trial}.lock.yaml")
        return str(base / folder / f"{name}.lock.yaml")

    def lock_files(self) -> list[LockFile]:
        """Every lock of the project, those of trials and simulated runs too, by name. StoreError when a folder cannot
        be read."""
        try:
            return [self._lock_file(name) for name in sorted(_locks_below(self.root, self.store))]
        except OSError as fault:
            path = str(fault.filename or self.root)
            hint = "a lock in it may name pictures: make it readable, or move it out of the project"
            raise StoreError(f"{path} cannot be read: {fault.strerror}", hint, path=path) from fault

    def lock_file(self, pipeline: str, edition: Edition) -> LockFile:
        return self._lock_file(self.lock_name(pipeline, edition))

    def _lock_file(self, name: str) -> LockFile:
        guard = self.state / "locks" / tagged("guard", name)
        return LockFile(self.root / name, guard=guard, name=name)

    def outputs_dir(self, pipeline: str, edition: Edition) -> Path:
        """Where the results go: trials of one pipeline share a folder, each takes the place of the last."""
        folder, name = _place(pipeline, edition.inputs if not edition.trial else "trial")
        return self.root / "outputs" / ("simulated" if edition.simulated else "") / folder / name


def _registered(store: Path) -> list[Path]:
    try:
        return sorted(path for path in (store / "projects").iterdir() if not path.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _locks_below(root: Path, store: Path) -> Iterator[str]:
    """Paths from the root. Links are passed over, and so are other projects inside this one."""

    def refuse(fault: OSError) -> None:
        raise fault

    skipped = {root / ".git", store / "objects", store / "trash", store / "quarantine"}
    for folder, below, names in os.walk(root, onerror=refuse):
        here = Path(folder)
        if here != root and not {*below, *names}.isdisjoint(MARKS):
            below.clear()
            continue
        below[:] = [name for name in below if here / name not in skipped]
        for path in (here / name for name in names if name.endswith(_LOCK)):
            if not path.is_symlink():
                yield path.relative_to(root).as_posix()


def _refuse_link(path: Path) -> None:
    if path.is_symlink():
        raise StoreError(f"{path} is a link", "remove it; FLOWRUNNER_STORE keeps the store elsewhere", path=str(path))


def _place(pipeline: str, inputs: str | None) -> tuple[PurePosixPath, str]:
    path = PurePosixPath(pipeline)
    return path.parent, f"{path.stem}@{inputs}" if inputs else path.stem
