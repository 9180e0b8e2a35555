"""Faults for the store's tests: the nth change to the disk fails, or the process ends just before it.

Run as a program (`store_faults.py ACTION FOLDER`) it does ACTION in forks, in FOLDER/1, FOLDER/2, …; the nth fork dies
before its nth change to the disk; it writes how many died. The last one did all of it.
"""

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from flowrunner.store.lockfile import Lock, LockFile
from flowrunner.store.objects import Objects

CHANGES = ("open", "write", "fchmod", "fsync", "link", "rename", "unlink", "mkdir", "close")
PICTURE = b"a picture" * 5000
OLD = "lock: 1\ninputs:\n  word: old\n"
NEW = Lock(inputs={"word": "new"})


class Counter:
    """How many changes were seen, and whether the one that was waited for came."""

    def __init__(self) -> None:
        self.seen = 0
        self.came = False


@contextmanager
def nth(number: int, strike: Callable[[], None], *, sticky: bool = False) -> Iterator[Counter]:
    """`strike()` comes just before the `number`th change to the disk; `sticky`: before all later ones, too."""
    counter = Counter()

    def wrapped(real: Callable[..., Any]) -> Callable[..., Any]:
        def change(*values: Any, **options: Any) -> Any:
            counter.seen += 1
            if counter.seen == number or (sticky and counter.seen > number):
                counter.came = True
                strike()
            return real(*values, **options)

        return change

    with ExitStack() as patches:
        for name in CHANGES:
            patches.enter_context(mock.patch.object(os, name, wrapped(getattr(os, name))))
        yield counter


def fails(code: int) -> Callable[[], None]:
    def strike() -> None:
        raise OSError(code, errno.errorcode[code])

    return strike


def put_picture(folder: Path) -> None:
    Objects(folder).put(PICTURE)


def replace_damaged(folder: Path) -> None:
    objects = Objects(folder)
    path = objects.path(objects.put(PICTURE))
    path.chmod(0o644)
    path.write_bytes(b"not a picture")
    objects.put(PICTURE)


def write_lock(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    path = folder / "a.lock.yaml"
    path.write_text(OLD)
    LockFile(path, guard=folder / "guard", name="a.lock.yaml").update(lambda _: NEW)


ACTIONS = {"put_picture": put_picture, "replace_damaged": replace_damaged, "write_lock": write_lock}


def _dies(action: Callable[[Path], None], folder: Path, number: int) -> bool:
    child = os.fork()
    if child == 0:
        with nth(number, lambda: os._exit(9)):
            action(folder)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def main(name: str, root: Path) -> None:
    number = 1
    while _dies(ACTIONS[name], root / str(number), number):
        number += 1
    sys.stdout.write(str(number - 1))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
