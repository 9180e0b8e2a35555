"""What a lock holds: given inputs, picks, the schemas that were used, and the result of every cell."""

from collections.abc import Mapping, Sequence
from typing import Any

from flowrunner.artifact import Artifact
from flowrunner.digest import tagged
from flowrunner.money import Nano
from flowrunner.slotted import dataclass, field

LIMIT = 32 * 1024 * 1024
"""Bytes of a lock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedSample:
    """One call's images under its request key. `paid` is None where the reply did not say."""

    key: str
    images: tuple[Artifact, ...]
    paid: Nano | None = None

    def looks_like(self, other: "LockedSample") -> bool:
        """Whether its pictures are known to have the pixels of another one's, however their files are packed."""
        mine = [image.pixels for image in self.images]
        return all(mine) and mine == [image.pixels for image in other.images]


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedCell:
    """A cell as it was made. `with_` is `Call.shown`: digests and links in place of images."""

    cell: str
    model: str
    with_: Mapping[str, Any]
    samples: tuple[LockedSample, ...]
    key: str
    """`cell_key` of all samples that were planned, those that failed included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """A person's choice. `image` counts from 1; None says that no candidate will do. What is not known is empty: a
    pick written by hand may lack `digest`, `by`, `why` and `for_`, the key of the cell that it was made for."""

    image: int | None
    digest: str = ""
    by: str = ""
    why: str = ""
    for_: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """A person's word that the result of the cell key `stands` is good enough for the changed request of the cell key
    `for_`, and for no other."""

    stands: str
    for_: str
    by: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A whole lock. Inputs by name; picks, accepts and cells by cell id; models by id, with the digest of their schema.
    All digests are 64 hexadecimal digits without a prefix."""

    inputs: Mapping[str, Any] = field(default_factory=dict)
    picks: Mapping[str, Pick] = field(default_factory=dict)
    accepts: Mapping[str, Acceptance] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)
    cells: Mapping[str, LockedCell] = field(default_factory=dict)

    def samples(self) -> dict[str, LockedSample]:
        """Every result by its request key, made anew by each call."""
        return {sample.key: sample for cell in self.cells.values() for sample in cell.samples}


def cell_key(keys: Sequence[str]) -> str:
    """The key of a cell: the digest of the request keys of all its samples, in their order."""
    return tagged("cell/1", list(keys))
