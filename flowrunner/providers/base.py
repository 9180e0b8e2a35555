"""What a provider is: data and pure functions. Sending, money and files are other modules' business."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Protocol, Self, TypeAlias

from flowrunner.call import Call, Input
from flowrunner.catalog.model import Model
from flowrunner.escape import LIMIT
from flowrunner.money import Nano
from flowrunner.slotted import dataclass, field


@dataclass(frozen=True, slots=True)
class Credential:
    """Where a key comes from and the header that carries it: `Authorization`, `Bearer {}`."""

    variable: str
    header: str
    form: str = "{}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How hard a provider may be asked. `lifetime` is how long, in seconds, a result's URL that states no end of its
    own may be passed on to the next call."""

    concurrency: int = 4
    requests_per_minute: int | None = None
    lifetime: float = 0.0


class Transport(StrEnum):
    """How an image's bytes reach the provider when it has no URL of it."""

    DATA_URI = "data-uri"
    UPLOAD = "upload"
    LOCAL = "local"


class Inline(str):
    """A data URI whose bytes become base64 on their way out: a picture of megabytes is no text before that. As a text
    it is its beginning only, `data:image/png;base64,`."""

    __slots__ = ("data",)
    data: bytes

    def __new__(cls, media_type: str, data: bytes) -> Self:
        made = super().__new__(cls, f"data:{media_type};base64,")
        made.data = data
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request below the provider's origin. Either `json`, with texts that may be `Inline`, or `file` (name,
    media type, bytes; sent as multipart/form-data under the field `part`) is the body. Credentials are added where it
    is sent."""

    path: str
    json: Mapping[str, Any] | None = None
    part: str = ""
    file: tuple[str, str, bytes] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def body(model: Model, params: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON of a paid POST. What the model file sends wins: a parameter named `model` must not buy another one."""
    return {**model.send, **({model.under: params} if model.under else params), **model.send}


@dataclass(frozen=True, slots=True)
class Response:
    """A complete reply: decoded bytes, header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One image of a reply: a URL to fetch, or the bytes themselves, with a URL in reserve where there is one too;
    `handle` is a name under which the provider takes it as an input again (a URL, or `asset:KEY`), `expires` its end in
    seconds since 1970 where it states one."""

    url: str | None = None
    data: bytes | None = None
    handle: str | None = None
    expires: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The call succeeded. `paid` is what the reply says was charged; None where it does not say. `empty` counts the
    places in the reply's list of images in which there is none."""

    images: tuple[Delivery, ...]
    empty: int = 0
    paid: Nano | None = None
    usage: Mapping[str, Any] | None = None
    request_id: str = ""


class Fate(StrEnum):
    """What a refusal means for the money and for the rest of the run."""

    NOT_EXECUTED = "not-executed"
    """Nothing was done and nothing is charged; the same request would be refused again."""
    TRY_LATER = "try-later"
    """Not executed (429, or 503 with a Retry-After that names a time): may be sent again after `retry_after`, or with
    backoff."""
    STOP_RUN = "stop-run"
    """Not executed, and no other call can work either: key or credits."""
    UNKNOWN = "unknown"
    """It cannot be told whether it was executed and charged."""
    MODERATED = "moderated"
    """Turned down for what it asks for: before it was worked on, or (a success without a picture) after. It is never
    sent again."""
    CHARGED = "charged"
    """Executed and charged, but there is no image in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The call gave no image. `message` is the provider's own sentence, unescaped and of any length; `paid` is what the
    reply says was charged all the same."""

    fate: Fate
    message: str
    hint: str = ""
    status: int = 0
    retry_after: float | None = None
    paid: Nano | None = None
    request_id: str = ""

    @property
    def told(self) -> str:
        """The message with its status, no longer than text from outside may be."""
        told = self.message if len(self.message) <= LIMIT else f"{self.message[:LIMIT]}…"
        plain = 200 <= self.status < 300 or not self.status or told.startswith("HTTP ")
        return told if plain else f"HTTP {self.status}: {told}"


Reading: TypeAlias = Finished | Refused


class Provider(Protocol):
    """A provider of models over HTTP."""

    name: str
    adapter: int
    """Version of `request`: part of every key."""
    base_url: str
    """Published origin; `<NAME>_BASE_URL` in the environment puts another in its place."""
    credential: Credential
    transport: Transport
    limits: Limits

    def request(self, call: Call, model: Model, place: Callable[[Input], str]) -> Request:
        """The paid POST. `place` gives the text that stands for an input: a URL, a data URI or an asset key."""

    def read(self, response: Response) -> Reading:
        """What a complete reply says."""

    def upload(self, name: str, media_type: str, data: bytes) -> Request:
        """The request that uploads an input (only for `Transport.UPLOAD`)."""

    def uploaded(self, response: Response) -> str | Refused:
        """The handle, as `place` may give it, that an upload's reply names."""
