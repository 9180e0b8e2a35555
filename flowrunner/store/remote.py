"""The shared folder from which several stores are filled: objects by digest, each hashed where it is read and where it
comes to lie. Whatever ends a transfer, what has a name there is whole, and the next one goes on from it."""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from flowrunner.errors import StoreError, UsageError
from flowrunner.imagehead import simulated
from flowrunner.slotted import dataclass, field
from flowrunner.store.locked import Lock
from flowrunner.store.objects import Absent, Damaged, Objects, is_digest

_STALE = 24 * 60 * 60.0
"""Seconds after which nobody is at work on a draft any more, whatever the clocks of other machines say."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What locks name. `needed` are their pictures and given images, each with the places that name it; `inputs` are
    the images that requests were made of, of which some are files of the project and in no store."""

    needed: Mapping[str, tuple[str, ...]]
    inputs: frozenset[str]


@dataclass(slots=True)
class Transfer:
    """What a transfer did, or would do. `bytes` of what was copied; what is `missing` is on neither side, with the
    places that name it; `damaged` and `refused` are sentences."""

    copied: int = 0
    bytes: int = 0
    there: int = 0
    missing: dict[str, tuple[str, ...]] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        return not (self.missing or self.damaged or self.refused)


def folder(place: Path, local: Objects) -> Objects:
    """The objects of a shared folder. UsageError where it is not there: an empty one in its place would take them."""
    if not place.is_dir():
        raise UsageError(f"the shared folder {place} is not there", "mount it, or make it once")
    if place.resolve() == local.root.resolve():
        raise UsageError(f"{place} is this project's own store", "share another folder")
    return Objects(place, shared=True)


def wanted(locks: Iterable[tuple[str, Lock]]) -> Wanted:
    """What these locks, each with its name, need and name."""
    needed: dict[str, list[str]] = {}
    inputs: set[str] = set()
    for name, lock in locks:
        for digest, place in _needed(lock):
            needed.setdefault(digest, []).append(f"{place} ({name})")
        for cell in lock.cells.values():
            inputs.update(_digests(cell.with_))
    return Wanted({digest: tuple(places) for digest, places in needed.items()}, frozenset(inputs - needed.keys()))


def push(local: Objects, remote: Objects, asked: Wanted, *, dry_run: bool = False) -> Transfer:
    """Copies to the shared folder what is not there. A file of another size there is set aside and sent anew."""
    done = Transfer()
    for digest in [*asked.needed, *sorted(asked.inputs)]:
        if _is_there(local, remote, digest, look=not dry_run):
            done.there += digest in asked.needed
        else:
            _copy(local, remote, digest, asked, done, dry_run=dry_run)
    if not dry_run:
        _tidy(remote)
    return done


def pull(local: Objects, remote: Objects, asked: Wanted, *, dry_run: bool = False) -> Transfer:
    """Copies from the shared folder what is not here, or damaged here."""
    done = Transfer()
    for digest in [*asked.needed, *sorted(asked.inputs)]:
        if local.has(digest) if dry_run else local.is_sound(digest):
            done.there += digest in asked.needed
        else:
            _copy(remote, local, digest, asked, done, dry_run=dry_run)
    return done


def _copy(source: Objects, target: Objects, digest: str, asked: Wanted, done: Transfer, *, dry_run: bool) -> None:
    try:
        data = source.read(digest)
        if simulated(data):
            done.refused.append(f"{digest[:12]} is a simulated picture: {_places(asked, digest)}")
            return
        if not dry_run:
            target.put(data)
            target.read(digest)  # as whoever asks for it next will find it
    except Absent:
        if digest in asked.needed:
            done.missing[digest] = asked.needed[digest]
    except Damaged as fault:
        done.damaged.append(f"{_places(asked, digest)}: {fault.message}")
    except StoreError as fault:
        message = f"{fault.message}, after {done.copied:,} files"
        raise StoreError(message, "run it again when that is mended: it goes on from there", path=fault.path) from None
    else:
        done.copied += 1
        done.bytes += len(data)


def _is_there(local: Objects, remote: Objects, digest: str, *, look: bool) -> bool:
    """By its name and its size: to read all that is shared would take long, and whoever pulls does. `look` reads one
    that is not as long as ours, and sets it aside."""
    if not remote.has(digest):
        return False
    with suppress(OSError):
        if local.path(digest).stat().st_size != remote.path(digest).stat().st_size:
            return look and remote.is_sound(digest)
    return True


def _tidy(remote: Objects) -> None:
    """Drafts of writers that died."""
    for path in remote.drafts():
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _STALE:
                path.unlink()


def _places(asked: Wanted, digest: str) -> str:
    return ", ".join(asked.needed.get(digest, ("an input",))[:3])


def _needed(lock: Lock) -> Iterator[tuple[str, str]]:
    for name, cell in lock.cells.items():
        for sample in cell.samples:
            yield from ((image.sha256, name) for image in sample.images)
    for name, value in lock.inputs.items():
        yield from ((digest, f"input {name}") for digest in _digests(value))


def _digests(tree: Any) -> Iterator[str]:
    if isinstance(tree, str):
        if tree.startswith("sha256:") and is_digest(tree.removeprefix("sha256:")):
            yield tree.removeprefix("sha256:")
    elif isinstance(tree, Mapping):
        for item in tree.values():
            yield from _digests(item)
    elif isinstance(tree, list | tuple):
        for item in tree:
            yield from _digests(item)
