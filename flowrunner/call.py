"""One call of a model, as bound, and what came of it."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, TypeAlias

from flowrunner.artifact import Artifact
from flowrunner.digest import tagged
from flowrunner.money import Nano
from flowrunner.slotted import dataclass, field


@dataclass(frozen=True, slots=True)
class Link:
    """An image that the provider fetches itself: an `http(s)` URL, or `asset:KEY` of a provider's own store.
    It is keyed by its text and never fetched by flowrunner."""

    text: str


@dataclass(frozen=True, slots=True)
class File:
    """An input file that is no image (a font), by the digest of its bytes."""

    sha256: str


Input: TypeAlias = Artifact | Link | File
"""A leaf of a call's parameters that stands for bytes or for a place on the network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """All that a performer may see. `params` is the model's request as a JSON tree whose images are `Input` leaves
    where the schema wants a URL, a path or a list of them. `adapter` is the version of the provider's module: it rises
    when the same parameters would be sent in another way.
    """

    provider: str
    model: str
    adapter: int
    params: Mapping[str, Any]
    sample: int = 0
    """Tells equal requests apart; 0 where a seed does."""
    simulated: bool = False
    _key: str = field(init=False, repr=False, compare=False, default="")

    @property
    def key(self) -> str:
        """The request key: 64 hexadecimal digits over everything above. It is made once: many ask for it."""
        if not self._key:
            object.__setattr__(self, "_key", self._digest())
        return self._key

    def _digest(self) -> str:
        return tagged(
            "call/1",
            {
                "provider": self.provider,
                "model": self.model,
                "adapter": self.adapter,
                "params": replaced(self.params, _keyed),
                "sample": self.sample,
                "simulated": self.simulated,
            },
        )

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The leaves that stand for bytes or links, in the order of the parameters."""
        return tuple(_leaves(self.params))

    @property
    def shown(self) -> dict[str, Any]:
        """The parameters as the lock records them: `sha256:…` for bytes, the text for links."""
        shown: dict[str, Any] = replaced(self.params, name)
        return shown


def replaced(tree: Any, leaf: Any) -> Any:
    """The JSON tree with every `Input` leaf replaced by `leaf(input)`."""
    if isinstance(tree, (str, int, float)):
        return tree
    if isinstance(tree, (list, tuple)):
        return [replaced(item, leaf) for item in tree]
    if isinstance(tree, (Artifact, Link, File)):
        return leaf(tree)
    return {key: replaced(item, leaf) for key, item in tree.items()} if isinstance(tree, (dict, Mapping)) else tree


def name(leaf: Input) -> str:
    """A leaf in one word, for locks and messages."""
    return leaf.text if isinstance(leaf, Link) else f"sha256:{leaf.sha256}"


def _keyed(leaf: Input) -> dict[str, str]:
    if isinstance(leaf, Link):
        return {"link": leaf.text}
    if isinstance(leaf, Artifact) and leaf.pixels:
        return {"pixels": leaf.pixels}
    return {"sha256": leaf.sha256}


def _leaves(tree: Any) -> Iterator[Input]:
    if isinstance(tree, str | int | float):
        return
    if isinstance(tree, dict | Mapping):
        for item in tree.values():
            yield from _leaves(item)
    elif isinstance(tree, list | tuple):
        for item in tree:
            yield from _leaves(item)
    elif isinstance(tree, Artifact | Link | File):
        yield tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A call that gave its images. `paid` is what the reply says was charged, None where it does not say."""

    key: str
    artifacts: tuple[Artifact, ...]
    paid: Nano | None
    seconds: float = 0.0
    usage: Mapping[str, Any] | None = None
    """The provider's own words on usage, for the record."""
    known: bool = False
    """It was paid for before: by an earlier run, or by another one while this one waited for its turn."""


class Billed(StrEnum):
    """Whether a failed call was charged."""

    NO = "no"
    YES = "yes"
    MAYBE = "maybe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A call that gave no image: a value, not an exception."""

    key: str
    error: str
    """One sentence; text from outside in it is escaped by whoever shows it."""
    hint: str = ""
    billed: Billed = Billed.NO
    paid: Nano | None = None
    """What was charged (billed yes), or at most would have been (maybe), where known."""
    stops_run: bool = False
    """Nothing else can work either: a wrong key, no credits."""
    request_id: str = ""
    status: int | None = None
    known: bool = False
    """It happened in an earlier run, and nothing was sent in this one."""
    run: str = ""
    """The run whose call is meant, where the call was sent before this one was asked for."""
    refund: bool = False
    """It was charged, and the reply holds no picture: something to ask the provider about."""
    gone: bool = False
    """It was paid for, and there is no picture to be had any more: only another payment gives one."""
    kept: bool = False
    """It was paid for, its reply is kept, and its pictures are tried again for nothing."""
    moderated: bool = False
    """The provider refuses what is asked for: the same request is refused again."""
    refused: bool = False
    """flowrunner itself declined to send: a limit, or a result that is missing."""
