"""What must not happen while a stranger's file is looked at: no socket, no program, no file written, none read that is
nobody's business, no key in anything that is shown."""

import base64
import re
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flowrunner import unchanged
from flowrunner.store.workspace import STATE

CANARY = "sk-CANARY-7f3a9c51e2d84b06"
KEYS = {"AIMLAPI_API_KEY": CANARY, "ONEMIN_API_KEY": CANARY[::-1] + "x"}

_HIDDEN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
)
_FORBIDDEN = ("socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.startfile")
_CHANGING = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.symlink", "os.link", "os.truncate", "shutil.")
_WRITING = 0o3 | 0o100 | 0o1000 | 0o2000
"""O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_APPEND."""
_OURS = tuple(
    {*(str(Path(sysconfig.get_path(name)).resolve()) for name in ("stdlib", "purelib")), *filter(None, sys.path)}
)


def forms(secret: str) -> list[str]:
    """The secret as it is, and as it may hide."""
    raw = secret.encode()
    shifted = [base64.b64encode(b"\0" * n + raw).decode()[4:-4] for n in range(3)]
    return [secret, secret[::-1], raw.hex(), raw.hex().upper(), secret[:14], *shifted]


@dataclass
class Seen:
    """Events of the interpreter that are forbidden here."""

    root: str
    events: list[str] = field(default_factory=list)

    def note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if arguments and str(arguments[0]).startswith(f"{self.root}/{STATE}"):
            return  # the store is what may be written; `snapshot` sees what was
        if arguments and "__pycache__" in str(arguments[0]) and str(arguments[0]).startswith((*_OURS, *_REPOSITORY)):
            return  # the interpreter keeps what it has compiled
        if event.startswith(_FORBIDDEN) or event.startswith(_CHANGING):
            self.events.append(f"{event} {arguments!r}"[:200])
        elif event == "open":
            self.opened(*arguments)

    def opened(self, path: Any, mode: str | None, flags: int) -> None:
        if isinstance(path, int) or str(path) == "/dev/null":
            return
        where = path.decode(errors="replace") if isinstance(path, bytes) else str(path)
        if flags & _WRITING or set(mode or "") & set("wax+"):
            self.events.append(f"written {where}")
        elif not where.startswith((self.root, *_OURS, *_REPOSITORY)) and where.startswith("/"):
            self.events.append(f"read {where}")


_KEPT = [f"{STATE}/{name}" for name in (unchanged.FOLDER, "locks", ".gitignore")]
_REPOSITORY = (str(Path(__file__).resolve().parents[2]),)
_watching: list[Seen] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _watching:
        _watching[-1].note(event, arguments)


sys.addaudithook(_hook)  # for ever, as hooks are; it does nothing while nobody watches


@contextmanager
def watched(root: Path) -> Iterator[Seen]:
    """Notes what happens in this process. Files may be read below `root`, and what came with Python and with us."""
    seen = Seen(str(root))
    _watching.append(seen)
    try:
        yield seen
    finally:
        _watching.pop()


def snapshot(root: Path) -> dict[str, Any]:
    """Every file, folder and link below a folder, with what is in it; but for what a plan may keep in the state."""
    found: dict[str, Any] = {}
    for path in sorted(root.rglob("*")):
        if any(path.is_relative_to(root / place) for place in _KEPT) or path == root / STATE:
            continue
        plain = path.is_file() and not path.is_symlink()
        found[str(path)] = (path.lstat().st_mode, path.read_bytes() if plain else b"")
    return found


def check_shown(text: str) -> None:
    """What stands on a terminal or in a log: one line is one line, and nothing hides in it."""
    found = _HIDDEN.search(text)
    assert not found, f"{found[0]!r} is shown raw in {text[max(0, found.start() - 60) : found.end() + 20]!r}"
    assert not [form for secret in KEYS.values() for form in forms(secret) if form in text], "a key is shown"
    lines = text.split("\n")
    assert max(map(len, lines)) <= 4096, "a line is longer than 4 kB"
