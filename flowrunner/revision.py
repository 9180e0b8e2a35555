"""A project as a commit has it: `Files` over a tree of git, without a checkout."""

import fnmatch
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from flowrunner.digest import sha256
from flowrunner.files import IMAGE_LIMIT, TEXT_LIMIT, Away, FileProblem, NoFile, ensure_text, hidden_by_link, too_large
from flowrunner.lfs import pointed
from flowrunner.repository import Contents, GitError, Repository

_LINK = "120000"
_SUBMODULE = "160000"
_HOPS = 40
"""Links in a path, as Linux counts them."""


class Revision:
    """The files of one commit below the project's folder. Links are followed only as far as they stay inside it.

    `contents` may serve several revisions. Of a Git LFS pointer the digest is that of the content; its bytes are taken
    from git's own store, where they are."""

    def __init__(self, repository: Repository, commit: str, contents: Contents) -> None:
        self.commit = commit
        self._store = repository.store
        self._contents = contents
        self._blobs = repository.tree(commit)
        self._folders = {str(folder) for path in self._blobs for folder in _parents(path)}
        self._digests: dict[str, str] = {}
        self._last: tuple[str, bytes] = ("", b"")

    def read(self, path: str, limit: int = TEXT_LIMIT) -> bytes:
        blob = self._blob(path)
        data = self._bytes(path, blob, limit)
        digest = pointed(data)
        if digest is None:
            return data
        self._digests[blob] = digest
        return self._large(path, digest, limit)

    def digest(self, path: str, limit: int = IMAGE_LIMIT) -> str:
        blob = self._blob(path)
        if blob not in self._digests:
            data = self._bytes(path, blob, limit)
            self._digests[blob] = pointed(data) or sha256(data)
        return self._digests[blob]

    def list(self, pattern: str) -> list[str]:
        folder, _, last = pattern.rpartition("/")
        try:
            real = self._resolved(folder)
        except FileProblem:
            if folder in self._blobs:
                raise
            return []
        found = []
        for name in self._names(real):
            if not name.startswith(".") and fnmatch.fnmatchcase(name, last):
                ensure_text(name, folder)
                path = f"{folder}/{name}" if folder else name
                if self._resolved(path) in self._blobs:
                    found.append(path)
        return sorted(found)

    def below(self, folder: str, suffix: str) -> Sequence[str]:
        """The plain files of a folder and of those in it, without hidden ones, whose names end so."""
        start = f"{folder}/" if folder else ""
        return sorted(
            path
            for path, blob in self._blobs.items()
            if path.startswith(start)
            and path.endswith(suffix)
            and blob.mode not in (_LINK, _SUBMODULE)
            and not any(part.startswith(".") for part in PurePosixPath(path).parts)
        )

    def has(self, path: str) -> bool:
        """Whether there is a file or a folder."""
        return path in self._blobs or path in self._folders

    def _names(self, folder: str) -> set[str]:
        """What lies directly in a folder."""
        start = f"{folder}/" if folder else ""
        inside = (path for path in (*self._blobs, *self._folders) if path.startswith(start) and path != folder)
        return {path.removeprefix(start) for path in inside if "/" not in path.removeprefix(start)} - {""}

    def _blob(self, path: str) -> str:
        real = self._resolved(path)
        blob = self._blobs.get(real)
        if blob is None:
            if real in self._folders:
                raise FileProblem(f"{path} is not a plain file in {self.commit[:12]}")
            raise NoFile(f"{path} does not exist in {self.commit[:12]}")
        if blob.mode == _SUBMODULE:
            raise FileProblem(f"{path} is a submodule")
        return blob.id

    def _resolved(self, path: str) -> str:
        """The path without links."""
        left = [part for part in path.split("/") if part not in ("", ".")][::-1]
        real: list[str] = []
        hops = 0
        while left:
            part = left.pop()
            if part == "..":
                if not real:
                    raise FileProblem(f"{path} lies outside the project", "keep files inside the project folder")
                real.pop()
                continue
            real.append(part)
            blob = self._blobs.get("/".join(real))
            if blob is not None and blob.mode == _LINK:
                hops += 1
                target = self._target(path, blob.id)
                if hops > _HOPS or target.startswith("/"):
                    raise FileProblem(f"{path} lies outside the project", "keep files inside the project folder")
                real.pop()
                left += [step for step in target.split("/") if step not in ("", ".")][::-1]
        if hidden_by_link(path, real):
            raise FileProblem(f"{path} leads to a hidden file", "name the file itself")
        return "/".join(real)

    def _target(self, path: str, blob: str) -> str:
        return self._bytes(path, blob, 4096).decode("utf-8", "surrogateescape")

    def _bytes(self, path: str, blob: str, limit: int) -> bytes:
        if self._last[0] != blob:
            try:
                data = self._contents.read(blob, limit)
            except GitError as fault:
                raise FileProblem(f"{path}: {fault.message}", fault.hint) from None
            if data is None:
                raise too_large(path, limit)
            self._last = (blob, data)
        if len(self._last[1]) > limit:
            raise too_large(path, limit)
        return self._last[1]

    def _large(self, path: str, digest: str, limit: int) -> bytes:
        """The content of a Git LFS pointer."""
        place = Path(self._store, "lfs", "objects", digest[:2], digest[2:4], digest)
        try:
            with place.open("rb") as file:
                data = file.read(limit + 1)
        except OSError:
            raise Away(path, digest) from None
        if len(data) > limit:
            raise too_large(path, limit)
        if sha256(data) != digest:
            raise Away(path, digest)
        return data


def _parents(path: str) -> tuple[PurePosixPath, ...]:
    return tuple(PurePosixPath(path).parents)[:-1]
