"""What `plan`, and a `run` with nothing to do, have said: told again while nothing has changed that it follows from.

One file below `.flowrunner/unchanged` for each command line, and safe to delete. It names all that was asked on the way
to the answer, and what came of it: texts by their content, published files by their stamps, folders by what lies in
them, pictures of the store by whether they are there, the ledger by what it knows of each key. Everything is asked
again before a word is repeated; only a ledger whose files have their stamps stays closed. Nothing is ever sent because
of it: a run with something to do, now or behind a choice, leaves no such file.

A repository could bring such a file with it. Its name follows from the times of the installed flowrunner, and it holds
the inode and the times of the pipeline as it lay on this disk: nobody can know those beforehand. Another user of this
machine can, so that a file is believed only where it is this user's and not for everyone to write. It holds its own
name, lest it stand for another command line, and a digest of itself, for it is written without waiting for the disk.

This module is loaded before all others, and loads next to nothing itself.
"""

import hashlib
import json
import os
import stat
import sys

from flowrunner.roots import root_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

FOLDER = "unchanged"
"""Its folder below the state."""
COMMANDS = ("plan", "run")
ENVIRONMENT = (
    *("FLOWRUNNER_DEBUG", "FLOWRUNNER_REMOTE", "FLOWRUNNER_STORE", "HOME"),
    *("COLUMNS", "FORCE_COLOR", "LINES", "NO_COLOR", "TERM", "TTY_COMPATIBLE", "TTY_INTERACTIVE"),
)
"""What of the environment can show in an answer; the second row, in what `rich` draws on a terminal."""
FORMAT = 2
LIMIT = 64 * 1024 * 1024
"""Bytes of a kept answer."""
MODELS = "schemas"
"""The folder of a project's own models."""
_STATE = ".flowrunner"


def again(words: "Sequence[str]") -> int | None:
    """Repeats what a command line has said, if nothing has changed: its exit code. None where it has to be run."""
    if not words or words[0] not in COMMANDS:
        return None
    name = name_of(words)
    for place in _roots(words[1:]):
        known = _read(os.path.join(place, _STATE), name)
        if known is not None and holds(known):
            return _told(known)
    return None


def name_of(words: "Sequence[str]") -> str:
    """The name of the answer to a command line, as it is given here and now, to these streams, by this flowrunner."""
    asked = {
        "format": FORMAT,
        "code": [sys.version, _code(), _installed()],
        "words": list(words),
        "folder": _folder(),
        "environment": [os.environ.get(name) for name in ENVIRONMENT],
        "streams": [_stream(stream) for stream in (sys.stdin, sys.stdout, sys.stderr)],
    }
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:  # somebody has removed it
        return ""


def _code() -> str:
    """What flowrunner is made of: a module that was edited in place counts, too."""
    found = hashlib.sha256()
    package = os.path.dirname(os.path.abspath(__file__))
    for top in (package, os.path.join(os.path.dirname(package), "schemas")):
        for folder, below, names in os.walk(top):
            below[:] = sorted(name for name in below if name != "__pycache__")
            for name in sorted(names):
                status = os.stat(os.path.join(folder, name))
                found.update(f"{folder}/{name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return found.hexdigest()


def _installed() -> "list[int]":
    """What else is installed, as far as the folders tell in which packages come and go."""
    places = [place for place in sys.path if place.endswith("site-packages") and os.path.isdir(place)]
    return [os.stat(place).st_mtime_ns for place in places]


def _stream(stream: "Any") -> "list[Any]":
    try:
        size = list(os.get_terminal_size(stream.fileno())) if stream.isatty() else []
    except (AttributeError, OSError, ValueError):
        return ["none"]
    return [stream.isatty(), size]


def _roots(words: "Iterable[str]") -> "Iterable[str]":
    """The projects of the paths among the words of a command line."""
    for word in words:
        if not word.startswith("-") and os.path.lexists(word) and not os.path.islink(word):
            place = os.path.realpath(word)
            yield root_of(place if os.path.isdir(place) else os.path.dirname(place))


# Files


def digest_of(path: str) -> str:
    """sha256 of a plain file that is reached by no link; empty where there is no such file."""
    handle = _opened(path)
    if handle is None:
        return ""
    with os.fdopen(handle, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _opened(path: str) -> int | None:
    """A plain file that is reached by no link. O_NONBLOCK: a named pipe must not hold us."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return handle
    os.close(handle)
    return None


def stamp_of(path: str) -> "list[int]":
    """What changes when a file is written, moved or put in another one's place; empty where there is none."""
    try:
        status = os.lstat(path)
    except OSError:
        return []
    return [status.st_mode, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def is_settled(stamp: "Sequence[int]", since: int) -> bool:
    """Whether a file was there and at rest at `since`, in nanoseconds, so that any later change shows in its stamp: a
    file system ticks slower than the clock, some once in two seconds."""
    coarse = bool(stamp) and stamp[-1] % 1_000_000_000 == 0
    return bool(stamp) and stamp[-1] < since - (2_000_000_000 if coarse else 20_000_000)


def tree(folder: str) -> "list[str]":
    """Every file and folder below a folder; none where there is no such folder."""
    return sorted(os.path.join(place, name) for place, below, names in os.walk(folder) for name in (*below, *names))


def _read(state: str, name: str) -> "dict[str, Any] | None":
    """What was kept under a name below the state. A file is believed that nobody else can have written there, and that
    has the name under which it was written."""
    folder = os.path.join(state, FOLDER)
    handle = _opened(os.path.join(folder, name))
    if handle is None:
        return None
    try:
        with os.fdopen(handle, "rb") as file:
            status = os.fstat(handle)
            if not all(map(_is_own, (status, os.lstat(folder), os.lstat(state)))) or status.st_size > LIMIT:
                return None
            digest, _, text = file.read(LIMIT).partition(b"\n")
        if hashlib.sha256(text).hexdigest().encode() != digest:
            return None
        found = json.loads(text)
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and found.get("name") == name else None


def _is_own(status: os.stat_result) -> bool:
    """Whether it is this user's, no link, and not for everyone to write."""
    return status.st_uid == os.geteuid() and not (stat.S_ISLNK(status.st_mode) or status.st_mode & stat.S_IWOTH)


def holds(known: "Mapping[str, Any]") -> bool:
    """Whether everything that was asked would be answered alike."""
    try:
        return (
            all(os.path.realpath(given) == real for given, real in known["places"].items())
            and all(shelf(folder) == found for folder, found in known["shelves"].items())
            and bool(known["answers"])
            and all(map(_answer_holds, known["answers"]))
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False


def shelf(folder: str) -> "dict[str, str]":
    """The files of a folder that may be pipelines, each with its digest."""
    names = sorted(name for name in os.listdir(folder) if name.endswith((".yaml", ".yml")))
    return {name: digest_of(os.path.join(folder, name)) for name in names}


def _answer_holds(known: "Mapping[str, Any]") -> bool:
    """The same for one pipeline."""
    return (
        stamp_of(known["pipeline"]) == known["seal"]
        and not any(os.path.lexists(path) for path in known["absent"])
        and all(os.path.exists(path) for path in known["present"])
        and all(stat.S_ISDIR(os.lstat(path).st_mode) for path in known["folders"])
        and all(digest_of(path) == digest for path, digest in known["files"].items())
        and all(stamp_of(path) == stamp for path, stamp in known["stamps"].items())
        and all(tree(folder) == found for folder, found in known["trees"].items())
        and _lists_hold(known["root"], known["lists"])
        and all(os.path.isfile(path) == here for path, here in known["pictures"].items())
        and ledger_holds(known["ledger"])
    )


def _lists_hold(root: str, lists: "Mapping[str, list[str]]") -> bool:
    if not lists:
        return True
    from pathlib import Path

    from flowrunner.files import FileProblem, WorkTree

    try:
        return all(WorkTree(Path(root)).list(pattern) == names for pattern, names in lists.items())
    except FileProblem:
        return False


def ledger_holds(known: "Mapping[str, Any]") -> bool:
    """The files of the ledger as they were are answer enough; else it is asked for each key."""
    if not _is_usable(known["store"]):
        return False
    if known["stamps"] and all(stamp_of(path) == stamp for path, stamp in known["stamps"].items()):
        return True
    from pathlib import Path

    from flowrunner.errors import StoreError
    from flowrunner.store.ledger import Ledger

    try:
        with Ledger.open(Path(known["store"]), create=False) as ledger:
            return bool(ledger.fingerprint(known["keys"], known["name"]) == known["answer"])
    except StoreError:
        return False


def _is_usable(store: str) -> bool:
    """Whether the ledger and the pictures there, if any, are this user's to change, as they were."""
    try:
        return _is_own(os.stat(store)) and os.access(store, os.W_OK)
    except FileNotFoundError:
        return True


def _told(known: "Mapping[str, Any]") -> int | None:
    """Says it. A run is one more run in the ledger, with a name of its own."""
    try:
        runs = {str(answer["run"]): answer["ledger"]["store"] for answer in known["answers"] if answer["run"]}
        said = [((sys.stdout, sys.stderr)[number], str(text)) for number, text in known["said"]]
        code = int(known["code"])
    except (LookupError, ValueError, TypeError):
        return None
    names = {}
    for run, store in runs.items():
        names[run] = _repeated(store, run)
        if not names[run]:
            return None
    for stream, text in said:
        for old, new in names.items():
            text = text.replace(old, new)  # noqa: PLW2901 - one name after another
        stream.write(text)
        stream.flush()
    return code


def _repeated(store: str, run: str) -> str:
    from pathlib import Path

    from flowrunner.errors import StoreError
    from flowrunner.store.ledger import Ledger

    try:
        with Ledger.open(Path(store)) as ledger:
            ledger.recover()
            return ledger.repeat(run)
    except StoreError:
        return ""
