"""A model as data: its published request schema, what flowrunner knows beside it, and its price."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flowrunner.money import Nano


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a call costs, in nano-dollars. `per` is call, image or megapixel (each image's megapixels rounded up).

    `first` is the first unit, `next` each further one; `counts` says whose images are counted: outputs, inputs.
    `basis` is published or inferred: an inferred price fits published example charges but no price list says it.
    """

    per: str
    first: Nano
    next: Nano
    counts: tuple[str, ...] = ("outputs",)
    basis: str = "published"
    source: str = ""
    date: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One file of `schemas/<provider>/<id>.json`. The field names are those of the file."""

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
    digest: str = ""
    """sha256 of the canonical request and stricter schemas: what the lock records."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The schema of each parameter by name."""
        properties: Mapping[str, Any] = self.request.get("properties", {})
        return properties

    @property
    def required(self) -> tuple[str, ...]:
        return tuple(self.request.get("required", ()))
