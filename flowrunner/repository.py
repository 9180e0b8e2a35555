"""The commits of a git repository, and the files of each. Git is asked, and nothing is changed.

A repository may come from anybody: no hook, filter, pager or file system monitor of it is run, and nothing is fetched.
"""

import os
import re
import subprocess
from pathlib import Path
from typing import IO

from flowrunner.errors import FlowError
from flowrunner.git import SAFELY, environment
from flowrunner.slotted import dataclass

MAIN = ("refs/remotes/origin/HEAD", "refs/remotes/origin/main", "refs/heads/main", "refs/heads/master")
"""Where the main branch is looked for, in this order."""

_PATIENCE = 60.0
"""Seconds for a question about commits and trees."""
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_ABBREVIATED = re.compile(r"[0-9a-f]{4,40}|HEAD")
_BRANCH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*")
_UNUSABLE = re.compile(r"[\x00-\x20\x7f]")


class GitError(FlowError):
    """Git cannot answer, or there is no such commit; the hint is the command that helps."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Blob:
    """A file of a commit: its mode as git writes it (`100644`, `120000` for a link), and the id of its content."""

    mode: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """The repository around a project. `prefix` is the project's folder in it, `` or `studio/`; `store` is git's own
    folder; `shallow` says that its history is cut off."""

    root: Path
    prefix: str
    store: Path
    shallow: bool

    def commit(self, name: str) -> str:
        """The commit that a person calls `name`. GitError, with what to fetch, where there is none."""
        if name.startswith("-") or not name or _UNUSABLE.search(name):
            raise GitError(f"{name!r} is no name of a revision", "give a branch, a tag or a commit")
        found = _asked(self.root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        if found is None:
            raise GitError(
                f"there is no revision {name} here", self._fetch(name) or "say which: --base REV or --head REV"
            )
        return found.strip()

    def main(self) -> str:
        """The main branch, as one calls it: `origin/main`. GitError, with what to fetch, where none is here."""
        found = _asked(self.root, "for-each-ref", "--format=%(refname) %(symref)", *MAIN) or ""
        here = {name: meant or name for name, meant in (line.split(" ") for line in found.splitlines())}
        chosen = next((here[name] for name in MAIN if name in here), None)
        if chosen is None:
            branch = os.environ.get("GITHUB_BASE_REF") or "main"
            fetch = self._fetch(f"origin/{branch}")
            hint = f"{fetch}, or say which: --base REV" if fetch else "say which: --base REV"
            raise GitError("no main branch is here to compare with", hint)
        return chosen.removeprefix("refs/remotes/").removeprefix("refs/heads/")

    def merge_base(self, one: str, other: str) -> str:
        """The last commit that two revisions share. GitError, with what to fetch, where none is here."""
        found = _asked(self.root, "merge-base", self.commit(one), self.commit(other))
        if found is None:
            hint = (self._fetch(other) if self.shallow else "") or "say what to compare with: --base REV"
            raise GitError(f"{one} and {other} share no commit{' that is here' if self.shallow else ''}", hint)
        return found.split()[0]

    def tree(self, commit: str) -> dict[str, Blob]:
        """Every file of a commit below the project's folder, by its path from there."""
        treeish = f"{commit}:{self.prefix.rstrip('/')}"
        listed = _asked(self.root, "ls-tree", "-r", "-z", "--full-tree", treeish) or ""
        found = {}
        for entry in filter(None, listed.split("\0")):
            meta, _, path = entry.partition("\t")
            mode, _, blob = meta.split(" ")
            found[path] = Blob(mode, blob)
        return found

    def contents(self) -> "Contents":
        return Contents(self.root)

    def _fetch(self, name: str) -> str:
        """The command that brings a revision, and the history before it where that is cut off; empty where there is no
        `origin` to bring it from."""
        if _asked(self.root, "remote", "get-url", "origin") is None:
            return ""
        words = ["git fetch", *(["--unshallow"] if self.shallow else []), "origin"]
        branch = name.removeprefix("origin/")
        if _COMMIT.fullmatch(name):
            words.append(name)
        elif branch != name:
            words.append(f"+refs/heads/{branch}:refs/remotes/origin/{branch}")
        elif _BRANCH.fullmatch(name) and not _ABBREVIATED.fullmatch(name):
            words.append(f"{name}:{name}")
        return " ".join(words)


class Contents:
    """Reads contents by their ids: one process of git for all of them, begun with the first."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, blob: str, limit: int) -> bytes | None:
        """The bytes, None where there are more than `limit`. GitError where the clone does not have them."""
        asks, answers = self._pipes()
        try:
            asks.write(f"{blob}\n".encode())
            asks.flush()
            head = answers.readline().split()
        except OSError:
            head = []
        if len(head) != 3 or head[1] != b"blob":
            if not head:
                self.close()
            raise GitError(f"git has no content {blob[:12]} here", "git fetch --refetch origin")
        size = int(head[2])
        if size > limit:
            self.close()
            return None
        data = answers.read(size + 1)
        if len(data) != size + 1:
            self.close()
            raise GitError(f"git gave only a part of content {blob[:12]}", "git fsck says what is damaged")
        return data[:-1]

    def close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
            process.wait()

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        if self._process is None:
            self._process = subprocess.Popen(  # noqa: S603  # a fixed command
                _command(self._root, "cat-file", "--batch"),
                env=environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        return self._process.stdin, self._process.stdout


def repository(root: Path) -> Repository:
    """The repository in which a project lies. GitError where it lies in none, or there is no git."""
    found = _asked(root, "rev-parse", "--is-shallow-repository", "--git-common-dir", "--show-prefix", loudly=True)
    assert found is not None
    shallow, store, prefix, *_ = [*found.split("\n"), "", ""]
    return Repository(root=root, prefix=prefix, store=(root / store).resolve(), shallow=shallow == "true")


def _asked(root: Path, *words: str, loudly: bool = False) -> str | None:
    """What git answers, None where it says no; `loudly` makes that a GitError with git's own words."""
    try:
        answer = subprocess.run(  # noqa: S603  # fixed commands; what a person gave stands behind --end-of-options
            _command(root, *words),
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
        )
    except OSError:
        raise GitError("git cannot be called", "install git: the two revisions are read from it") from None
    except subprocess.TimeoutExpired:
        raise GitError(f"git {words[0]} did not answer within {_PATIENCE:.0f} seconds") from None
    if answer.returncode == 0:
        return answer.stdout.decode("utf-8", "surrogateescape")
    if loudly:
        said = answer.stderr.decode(errors="replace").strip().partition("\n")[0].removeprefix("fatal: ")
        raise GitError(f"{root} is in no repository that git reads: {said}", "git init, and a first commit, make one")
    return None


def _command(root: Path, *words: str) -> list[str]:
    return ["git", "-C", str(root), *SAFELY, "--literal-pathspecs", *words]
