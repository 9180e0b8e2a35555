"""Locks for the tests: cells whose digests follow from words, so that a case is one line."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from flowrunner.artifact import Artifact
from flowrunner.digest import sha256
from flowrunner.problems import Problem
from flowrunner.source import Source
from flowrunner.store.locked import Lock, LockedCell, LockedSample, Pick, cell_key
from flowrunner.store.lockfile import LockFile
from flowrunner.store.lockread import parse


def hexed(*words: object) -> str:
    return sha256(" ".join(map(str, words)).encode())


def sample(*words: object, paid: int | None = 47_250_000, picture: str = "", **more: Any) -> LockedSample:
    image = Artifact(
        sha256=hexed("image", *words, picture), media_type="image/png", width=1024, height=768, bytes=1400, **more
    )
    return LockedSample(key=hexed("sample", *words), images=(image,), paid=paid)


def cell(name: str, prompt: str = "a desk", *, variants: int = 2, picture: str = "", salt: str = "") -> LockedCell:
    """`prompt` is in the request and so in its keys, with `salt` for a request of its own; `picture` is not."""
    samples = tuple(sample(prompt, salt or name, number, picture=picture) for number in range(variants))
    params = {"seed": 42, "prompt": prompt, "image_size": {"width": 1024, "height": 768}, "guidance": 2.5, "n": 1}
    key = cell_key([one.key for one in samples])
    return LockedCell(cell=name, model="blackforestlabs/flux-2-pro", with_=params, samples=samples, key=key)


def lock(*cells: LockedCell, picks: dict[str, Pick] | None = None, **more: Any) -> Lock:
    return Lock(cells={one.cell: one for one in cells}, picks=picks or {}, **more)


def read(text: str) -> tuple[Lock, list[Problem]]:
    return parse(Source("a.lock.yaml", text))


def lock_file(folder: Path) -> LockFile:
    return LockFile(folder / "a.lock.yaml", guard=folder / "locks" / "guard", name="a.lock.yaml")


def added(name: str, before: Lock) -> Lock:
    return replace(before, cells={**before.cells, name: cell(name)})
