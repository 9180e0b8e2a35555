"""What git knows: of the person at work, and of when a text came into a file. There may be no git, no repository and
no name.

A repository may come from anybody: no hook, filter, pager or file system monitor of it is run, and nothing is fetched.
"""

import os
from pathlib import Path

from flowrunner.slotted import dataclass

_SECONDS = 5.0
_HISTORY_SECONDS = 120.0
_LONGEST = 100
SAFELY = (
    "--no-pager",
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.untrackedCache=false"),
    *("-c", "log.showSignature=false"),
    *("-c", "protocol.allow=never"),
    *("-c", "safe.bareRepository=explicit"),
)
"""Options of git that stand before each of its commands."""
_FIELDS = "%x1e%H%x1f%as%x1f%an%x1f%s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A commit. `date` is the author's day, `2026-11-20`; `paths`, from the project's root, those that were asked for
    and that it changed."""

    id: str
    date: str
    author: str
    subject: str
    paths: tuple[str, ...] = ()


def user_name(root: Path) -> str | None:
    """Git's `user.name` as it stands for the folder `root`: what a pick is signed with."""
    answer = _answer(root, "config", "--get", "user.name", seconds=_SECONDS)
    name = " ".join((answer or b"").decode(errors="replace").split())[:_LONGEST]
    return name or None


def first_with(root: Path, text: str, pattern: str) -> Commit | None:
    """The oldest commit of any branch that put `text` into a file whose path below `root` matches `pattern`
    (`*.lock.yaml`). None where no commit did."""
    words = ("log", "--all", "--no-ext-diff", "--no-textconv", "--name-only", "--relative", "-z")
    answer = _answer(root, *words, f"--format={_FIELDS}", "-S", text, "--", pattern, seconds=_HISTORY_SECONDS)
    records = (answer or b"").decode(errors="replace").split("\x1e")[1:]
    return _commit(records[-1]) if records else None


def content(root: Path, commit: str, path: str) -> bytes | None:
    """A file below `root` as a commit, by its full id or as `HEAD`, has it."""
    return _answer(root, "cat-file", "blob", f"{commit}:./{path}", seconds=_HISTORY_SECONDS)


def is_here(root: Path) -> bool:
    """Whether the folder `root` lies in the files of a repository."""
    return _answer(root, "rev-parse", "--is-inside-work-tree", seconds=_SECONDS) == b"true\n"


def environment() -> dict[str, str]:
    """The environment in which git is called. GIT_DIR and its kin would answer for another repository; git's own hooks
    set them."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    more = {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1"}
    return {**kept, **more, "GIT_NO_REPLACE_OBJECTS": "1"}


def _commit(record: str) -> Commit:
    head, *paths = record.replace("\n", "\0").split("\0")
    identity, date, author, subject = (*head.split("\x1f"), "", "", "")[:4]
    return Commit(id=identity, date=date, author=author, subject=subject, paths=tuple(path for path in paths if path))


def _answer(root: Path, *words: str, seconds: float) -> bytes | None:
    """What git prints; None where it fails or is not there."""
    import subprocess

    try:
        answer = subprocess.run(  # noqa: S603  # a fixed command
            ["git", "-C", str(root), *SAFELY, *words],  # noqa: S607  # git is where the user has it
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout if answer.returncode == 0 else None
