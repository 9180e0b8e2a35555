"""A model as data: its published request schema, what flowrunner knows beside it, and its price."""

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any

from flowrunner.digest import tagged
from flowrunner.money import Nano
from flowrunner.slotted import dataclass, field


class Per(StrEnum):
    """What a price counts."""

    CALL = "call"
    IMAGE = "image"
    MEGAPIXEL = "megapixel"
    """2^20 pixels, each image rounded up by itself."""


class Counted(StrEnum):
    """Whose images a price counts."""

    OUTPUTS = "outputs"
    INPUTS = "inputs"


class Basis(StrEnum):
    """How far a price can be trusted."""

    PUBLISHED = "published"
    """The provider says so, or the user does."""
    INFERRED = "inferred"
    """It fits published example charges, but no price list says it."""
    FREE = "free"
    """Nobody is paid: a local operation. An unknown price is None, never this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a call costs, in nano-dollars: `first` for the first unit, `next` for each further one."""

    per: Per
    first: Nano
    next: Nano
    counts: tuple[Counted, ...] = (Counted.OUTPUTS,)
    input_cap: int | None = None
    """Megapixels that an input counts as at most, where the provider shrinks inputs before it counts them."""
    named: Mapping[str, int] = field(default_factory=dict)
    """Megapixels that an output of a named size counts as; other names count as the model's largest output."""
    credit: Nano = 0
    """The unit in which the provider charges, where it rounds up to whole ones; 0 where it does not."""
    markup_percent: int = 0
    """How much of `first` and `next` the provider adds to the prices that it multiplies."""
    basis: Basis = Basis.PUBLISHED
    source: str = ""
    date: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Model:
    """One file of `schemas/<provider>/<id>.json`. The field names are those of the file. A model is equal to itself
    only, so that what is compiled from its schemas can be kept beside it."""

    id: str
    provider: str
    title: str
    path: str = ""
    """Path of the endpoint on the provider's origin; empty for local operations."""
    send: Mapping[str, Any] = field(default_factory=dict)
    """What is added to the request's body."""
    under: str | None = None
    """The key of the body that takes the parameters; None for the body itself."""
    request: Mapping[str, Any]
    """The schema of `with`: names, types, bounds, enums and defaults as published, descriptions our own. Fields that
    `send` adds (`model`) are not in it."""
    stricter: Mapping[str, Any] = field(default_factory=dict)
    """A second schema with sourced rules that the published one leaves to prose."""
    images: tuple[str, ...] = ()
    """Parameters that take images."""
    files: tuple[str, ...] = ()
    """Parameters that take other files of the project."""
    count: str | None = None
    """The parameter that asks for several images of one call."""
    seed: str | None = None
    size: str | None = None
    """The parameter, an object with width and height, that asks for the output's size."""
    price: Price | None = None
    sources: tuple[Mapping[str, str], ...] = ()
    file: str = ""
    """The file it was read from, for messages."""
    trusted: bool = True
    """Whether it came with flowrunner; the schemas of others are judged before they are compiled."""

    @property
    def digest(self) -> str:
        """sha256 of the canonical request and stricter schemas: what the lock records."""
        return _digest(self)

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The schema of each parameter by name."""
        properties: Mapping[str, Any] = self.request.get("properties", {})
        return properties

    @property
    def required(self) -> tuple[str, ...]:
        return tuple(self.request.get("required", ()))

    @property
    def short(self) -> str:
        """The id as messages use it, without the maker: `flux-2-edit`; a local operation keeps its `image/`."""
        maker, slash, rest = self.id.partition("/")
        return rest if slash and maker != self.provider else self.id


@lru_cache(maxsize=512)
def _digest(model: Model) -> str:
    return tagged("model/1", {"request": model.request, "stricter": model.stricter})
