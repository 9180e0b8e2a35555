"""Reading a project's files: the only door through which everything left of a plan sees the disk."""

import fnmatch
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Protocol

from flowrunner.digest import sha256
from flowrunner.errors import FlowError, UsageError
from flowrunner.lfs import pointed

TEXT_LIMIT = 4 * 1024 * 1024
"""Bytes of a pipeline, data or prompt file."""
IMAGE_LIMIT = 64 * 1024 * 1024
"""Bytes of an image or a font in the project."""

MOST = 50_000
"""Files of a folder that a pattern may match: each is a value, and no pipeline has more cells."""
LONGEST = 1024
"""Characters of a path."""
_PROJECT = (
    "keep files inside it: it is the nearest folder upwards with a .git or a flowrunner.toml, else the pipeline's own"
)


class FileProblem(FlowError):
    """A file that cannot be used; the sentence says why, and the caller knows where it was written."""

    exit_code = 2


class Away(FileProblem):
    """A file whose bytes are not here, and whose `digest` is known: a Git LFS pointer stands in its place."""

    def __init__(self, path: str, digest: str) -> None:
        super().__init__(f"{path} is a Git LFS pointer, and the file itself is not here", "git lfs pull brings it")
        self.digest = digest


class NoFile(FileProblem):
    """Nothing lies at a path."""


class Files(Protocol):
    """A tree of files. Paths are relative to the project root, in POSIX form, without `..`."""

    def read(self, path: str, limit: int = TEXT_LIMIT) -> bytes:
        """The bytes of one file. FileProblem when it is absent, no plain file, outside, unreadable or over `limit`;
        Away when only a Git LFS pointer to it is here."""

    def digest(self, path: str, limit: int = IMAGE_LIMIT) -> str:
        """sha256 of one file's bytes, in hexadecimal, also where only a Git LFS pointer to them is here. FileProblem as
        for `read`."""

    def list(self, pattern: str) -> list[str]:
        """Files whose path matches (`*` and `?` in the last part only), in code-point order, without hidden files.
        FileProblem for a folder that cannot be listed, or a name that is not UTF-8."""


class WorkTree:
    """The files under one folder. Links are followed only as far as they stay inside it."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._digests: dict[str, tuple[tuple[int, ...], str]] = {}

    def read(self, path: str, limit: int = TEXT_LIMIT) -> bytes:
        data = self._open(path, limit)[0]
        digest = pointed(data)
        if digest is not None:
            raise Away(path, digest)
        return data

    def digest(self, path: str, limit: int = IMAGE_LIMIT) -> str:
        known = self._digests.get(path)
        with suppress(OSError):  # gone meanwhile: that is told when it is opened
            if known and known[0] == _stamp(self._inside(path).stat()):
                return known[1]
        data, status = self._open(path, limit)
        digest = pointed(data) or sha256(data)
        self._digests[path] = (_stamp(status), digest)
        return digest

    def list(self, pattern: str) -> list[str]:
        folder, _, last = pattern.rpartition("/")
        found = []
        try:
            with os.scandir(self._inside(folder)) as entries:
                for entry in entries:
                    if entry.name.startswith(".") or not fnmatch.fnmatchcase(entry.name, last):
                        continue
                    ensure_text(entry.name, folder)
                    path = f"{folder}/{entry.name}" if folder else entry.name
                    # Only a link can lead elsewhere, and asking where takes longer than all else here.
                    if self._inside(path).is_file() if entry.is_symlink() else entry.is_file():
                        found.append(path)
                    if len(found) > MOST:
                        raise FileProblem(f"more than {MOST:,} files match {pattern}", "split the folder")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise FileProblem(f"{folder} cannot be listed: {error.strerror}") from None
        return sorted(found)

    def path(self, path: str) -> Path:
        """The real place of a path of this tree. FileProblem when it leads outside."""
        return self._inside(path)

    def _inside(self, path: str) -> Path:
        real = resolved(self.root / path, path)
        if real != self.root and self.root not in real.parents:
            raise FileProblem(f"{path} lies outside the project", "keep files inside the project folder")
        if hidden_by_link(path, real.relative_to(self.root).parts):
            raise FileProblem(f"{path} leads to a hidden file", "name the file itself")
        return real

    def _open(self, path: str, limit: int) -> tuple[bytes, os.stat_result]:
        real = self._inside(path)
        if real.suffix.lower() != PurePosixPath(path).suffix.lower():
            raise FileProblem(f"{path} leads to a file of another kind", "let a link have the ending of its file")
        try:
            # O_NONBLOCK: opening a named pipe must not wait for its writer.
            handle = os.open(real, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            raise NoFile(f"{path} does not exist") from None
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not a usable path"
            raise FileProblem(f"{path} cannot be read: {reason}") from None
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            os.close(handle)
            raise FileProblem(f"{path} is not a plain file")
        with os.fdopen(handle, "rb") as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise too_large(path, limit)
        return data, status


def too_large(path: str, limit: int) -> FileProblem:
    much = f"{limit // 1024 // 1024} MiB" if limit >= 1024 * 1024 else f"{limit // 1024} KiB"
    return FileProblem(f"{path} is larger than {much}")


def hidden_by_link(path: str, real: Iterable[str]) -> bool:
    """Whether a path leads, by a link, to a hidden file that it does not name itself. `real` are the parts of the place
    where it ends."""
    return bool(_hidden(tuple(real)) - _hidden(PurePosixPath(path).parts))


def is_text(name: str) -> bool:
    """Whether a file name, or a word of a command line, is UTF-8: what is not came as bytes that no text has."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def folder_of_user(variable: str, value: str) -> Path:
    """The folder that a variable of the environment names, which may begin with `~`. UsageError for one below the home
    of somebody whom nobody knows here."""
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError:
        message = f"{variable} is {value}, and nobody knows the home of that user"
        raise UsageError(message, f"set {variable} to the full path of the folder") from None


def resolved(path: Path, written: str | None = None) -> Path:
    """The real place of a path, every link followed. FileProblem, with the path as `written`, for a ring of links."""
    try:
        return path.resolve()
    except (OSError, ValueError, RuntimeError):
        name = str(path) if written is None else written
        raise FileProblem(f"{name!r} is not a usable path", "a link in it may lead back to itself") from None


def leads_to_hidden(path: Path, root: Path) -> bool:
    """Whether a link makes a hidden file below `root` of a path that names none."""
    real = resolved(path)
    inside = real.relative_to(root) if real.is_relative_to(root) else real
    return bool(_hidden(inside.parts) - _hidden(path.absolute().parts))


def as_named(path: Path, root: Path) -> Path:
    """The real place of a path that a person names. It may lie anywhere; but a link in the project `root` may have come
    with a change of somebody else. FileProblem where one leads out, to a hidden file, or to a file of another kind."""
    real, root = resolved(path), resolved(root)
    if not _takes_link_of(root, path):
        return real
    if not real.is_relative_to(root):
        raise FileProblem(f"{path} is a link that leads out of the project", "name the file itself")
    if leads_to_hidden(path, root):
        raise FileProblem(f"{path} leads to a hidden file", "name the file itself")
    if real.suffix.lower() != path.suffix.lower():
        raise FileProblem(f"{path} leads to a file of another kind", "name the file itself")
    return real


def _takes_link_of(root: Path, path: Path) -> bool:
    """Whether the way to a path, which holds no ring, takes a link that lies below a folder."""
    here, parts = Path("/"), list(reversed(path.absolute().parts[1:]))
    while parts:
        part = parts.pop()
        try:
            target = (here / part).readlink()
        except OSError:  # no link, or nothing
            here = here.parent if part == ".." else here / part
            continue
        if here.is_relative_to(root):
            return True
        parts += [part for part in reversed(target.parts) if part != "/"]
        here = Path("/") if target.is_absolute() else here
    return False


def join(home: str, path: str) -> str:
    """`path` as written in the file `home`, relative to the project root. FileProblem when it leaves the project."""
    if len(path) > LONGEST:
        raise FileProblem(f"{path[:60]}… is longer than a path may be", f"at most {LONGEST:,} characters")
    if "\0" in path or "\\" in path:
        raise FileProblem(f"{path!r} is not a path: write it with / and without control characters")
    if path.startswith(("/", "~")) or (len(path) > 1 and path[1] == ":"):
        raise FileProblem(f"{path} is an absolute path", "write it relative to the file that names it")
    if _hidden(PurePosixPath(path).parts):
        hint = "what begins with a dot may hold keys, as .env and .git do; move or rename it"
        raise FileProblem(f"{path} is hidden, and hidden files are not read", hint)
    parts: list[str] = list(PurePosixPath(home).parent.parts)
    for part in PurePosixPath(path).parts:
        if part == "..":
            if not parts:  # be it to come back by the project's name, which may be another one elsewhere
                raise FileProblem(f"{path} leads out of the project", _PROJECT)
            parts.pop()
        elif part != ".":
            parts.append(part)
    if not parts or PurePosixPath(path).name in ("", ".."):
        raise FileProblem(f"{path!r} names no file")
    return "/".join(parts)


def relative(path: str, home: str) -> str:
    """The path as it would be written in the file `home`."""
    there, here = PurePosixPath(path).parts, PurePosixPath(home).parent.parts
    shared = 0
    while shared < min(len(there) - 1, len(here)) and there[shared] == here[shared]:
        shared += 1
    return "/".join([".."] * (len(here) - shared) + list(there[shared:]))


def nearby(files: Files, text: str, home: str, endings: tuple[str, ...]) -> str:
    """What may be meant by a path, as written in the file `home`, where nothing lies: the file to which it leads from
    the project's root, else one that is spelled much alike and has one of the endings. Empty where there is none."""
    from flowrunner.spelling import nearest

    with suppress(FileProblem):
        if not set(text) & set("*?[") and files.list(join("pipeline", text)):
            meant = relative(join("pipeline", text), home)
            return f"did you mean {meant}? a path is relative to the file that names it"
        folder, _, name = join(home, text).rpartition("/")
        found = files.list(f"{folder}/*" if folder else "*")
        close = nearest(name, [path.rpartition("/")[2] for path in found if path.lower().endswith(endings)])
        return f"did you mean {relative(f'{folder}/{close}' if folder else close, home)}?" if close else ""
    return ""


def _hidden(parts: tuple[str, ...]) -> set[str]:
    return {part for part in parts if part.startswith(".") and part not in (".", "..")}


def ensure_text(name: str, folder: str) -> None:
    """FileProblem for a file's name that is not UTF-8."""
    if not _is_text(name):
        raise FileProblem(f"{folder or 'the folder'} holds a name that is not UTF-8", "rename the file")


def _is_text(name: str) -> bool:
    """Python stands half a surrogate pair for a byte that is not UTF-8."""
    return name.isascii() or not any("\ud800" <= character <= "\udfff" for character in name)


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_ino, status.st_size, status.st_mtime_ns)
