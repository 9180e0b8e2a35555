"""Faults for the store's tests: the nth change to the disk fails, or the process ends just before it.

Run as a program (`store_faults.py ACTION FOLDER`) it does ACTION in forks, in FOLDER/1, FOLDER/2, …; the nth fork dies
before its nth change to the disk; it writes how many died. The last one did all of it.
"""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import store_sweeps

from flowrunner.errors import StoreError
from flowrunner.store.locked import Lock
from flowrunner.store.lockfile import LockFile
from flowrunner.store.objects import Objects

CHANGES = ("open", "write", "fchmod", "fsync", "link", "rename", "unlink", "mkdir", "rmdir")
PICTURE = b"a picture" * 5000
DAMAGED = b"no picture"
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


def empty(folder: Path) -> None:
    folder.mkdir()


def damage_picture(folder: Path) -> None:
    objects = Objects(folder)
    path = objects.path(objects.put(PICTURE))
    path.chmod(0o644)
    path.write_bytes(DAMAGED)


def put_picture(folder: Path) -> None:
    Objects(folder).put(PICTURE)


def set_aside(folder: Path) -> None:
    with Objects(folder).writer() as writer:
        writer.write(DAMAGED)
        writer.set_aside(7)


def old_lock(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "a.lock.yaml").write_text(OLD)


def write_lock(folder: Path) -> None:
    LockFile(folder / "a.lock.yaml", guard=folder / "guard", name="a.lock.yaml").update(lambda _: NEW)


ACTIONS = {
    "put": (empty, put_picture),
    "mend": (damage_picture, put_picture),
    "aside": (empty, set_aside),
    "lock": (old_lock, write_lock),
    "sweep": (store_sweeps.fill, store_sweeps.sweep_once),
}
"""What is done beforehand, and what faults strike in."""


def failure(action: Callable[[Path], None], folder: Path) -> StoreError | None:
    """How the store told that an action failed."""
    try:
        action(folder)
    except StoreError as fault:
        return fault
    return None


def deaths(name: str, folder: Path) -> int:
    """Runs this file as a program; the number of changes before which a process died."""
    command = [sys.executable, __file__, name, str(folder)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _dies(action: Callable[[Path], None], folder: Path, number: int) -> bool:
    child = os.fork()
    if child == 0:
        with nth(number, lambda: os._exit(9)):
            action(folder)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def main(name: str, root: Path) -> None:
    prepare, action = ACTIONS[name]
    prepare(root / "prepared")
    for number in range(1, 1000):
        shutil.copytree(root / "prepared", root / str(number))
        if not _dies(action, root / str(number), number):
            sys.stdout.write(str(number - 1))
            return


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
