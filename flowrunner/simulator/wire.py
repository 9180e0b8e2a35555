"""What goes over the wire: replies, JSON, ids and times, and the form in which a file is uploaded."""

import json
import re
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.message import Message
from enum import StrEnum
from typing import Any, TypeAlias

from flowrunner.digest import sha256
from flowrunner.slotted import dataclass, field

SAMPLE = "x-flowrunner-sample"
"""A request's header by which equal requests get pictures of their own, as a provider's chance would give them."""
SIMULATED = "x-flowrunner-simulated"
"""The header that every reply of the simulator carries, with the value 1."""
Clock: TypeAlias = Callable[[], datetime]
_NAME = re.compile(r"[^A-Za-z0-9._-]+")


class Rejected(Exception):
    """A request that the provider would answer with an error; each line is one fault."""

    def __init__(self, *lines: str, status: int = 400) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines
        self.status = status


@dataclass(frozen=True, slots=True)
class Asked:
    """One HTTP request: path without its query, header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """A UUID that follows from the request."""
        return identity(f"{self.method} {self.path} {sha256(self.body)}")


class End(StrEnum):
    """How far a reply comes."""

    WHOLE = "whole"
    BODY = "body"
    """The connection closes in the middle of the body."""
    UNSIZED = "unsized"
    """The same, and no length was stated."""
    HEAD = "head"
    """It closes in the middle of the headers."""
    NOTHING = "nothing"
    """It closes before the reply."""
    RESET = "reset"
    """It is reset before the reply."""
    UNREAD = "unread"
    """It is reset before the request's body was read."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP reply: header names in lower case, no content-length. `wait` is in seconds before it, `pause` between
    two bytes of its body; `fault` is the rule that made it so."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    end: End = End.WHOLE
    wait: float = 0.0
    pause: float = 0.0
    fault: str = ""


def identity(text: str) -> str:
    return str(uuid.UUID(hex=sha256(text.encode())[:32], version=4))


def answer(status: int, said: Any, headers: Mapping[str, str] | None = None) -> Reply:
    """A JSON reply."""
    body = json.dumps(said, ensure_ascii=False, allow_nan=False).encode()
    return Reply(status, {"content-type": "application/json; charset=utf-8", **(headers or {})}, body)


def standing_still() -> datetime:
    """The clock of a simulator that is to give the same bytes every time."""
    return datetime(2026, 1, 1, tzinfo=UTC)


def stamp(moment: datetime) -> str:
    """`2026-01-01T00:00:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parsed(body: bytes) -> dict[str, Any]:
    """A JSON object. Rejected for anything else, NaN and doubled keys included."""
    try:
        said = json.loads(body, parse_constant=_no_constant, object_pairs_hook=_no_doubles)
    except (ValueError, RecursionError) as fault:
        raise Rejected(f"The body is not JSON: {fault}") from fault
    if not isinstance(said, dict):
        raise Rejected("The body is not a JSON object.")
    return said


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    known = dict(pairs)
    if len(known) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return known


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a multipart form. `name` keeps letters, digits, dot, hyphen and underscore."""

    name: str
    media_type: str
    data: bytes


def uploaded(asked: Asked, part: str) -> Upload:
    """The file under the field `part` of a multipart/form-data body (RFC 7578). Rejected where there is none."""
    content = _header("content-type", asked.headers.get("content-type", ""))
    boundary = content.get_param("boundary")
    if content.get_content_type() != "multipart/form-data" or not isinstance(boundary, str):
        raise Rejected("The body is not multipart/form-data with a boundary.")
    # Every delimiter but the first begins with the line end that closes the part before it.
    for section in (b"\r\n" + asked.body).split(b"\r\n--" + boundary.encode())[1:-1]:
        head, blank, data = section.partition(b"\r\n\r\n")
        headers = _headers(head.decode("utf-8", "replace"))
        disposition = _header("content-disposition", headers.get("content-disposition", ""))
        if blank and disposition.get_param("name", header="content-disposition") == part:
            name = disposition.get_filename() or "file"
            return Upload(_NAME.sub("-", name)[-100:], headers.get("content-type", "application/octet-stream"), data)
    raise Rejected(f"The form has no file under {part!r}.")


def _headers(text: str) -> dict[str, str]:
    lines = (line.partition(":") for line in text.split("\r\n"))
    return {name.strip().lower(): value.strip() for name, colon, value in lines if colon}


def _header(name: str, value: str) -> Message:
    message = Message()
    message[name] = value
    return message
