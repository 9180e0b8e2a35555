"""What the replies of all providers have in common: strict JSON, error sentences, ends of URLs, and what a status means
for the money.
"""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from flowrunner import money
from flowrunner.money import Nano
from flowrunner.providers.base import Fate, Refused, Response
from flowrunner.providers.enclosed import Base64, with_pictures, without_pictures

DEPTH = 64
"""Levels of a reply's JSON."""
LONGEST_WAIT = 120.0
"""Seconds: Retry-After is the advice of a stranger, and no worker sleeps longer on it."""
DEAREST: Nano = 10_000 * money.DOLLAR
"""No call costs more: what a reply states beyond it is a mistake, and a few such sums are too much for the ledger."""

_AMOUNT = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_TEXT = 1000
_ID = 128
# Statuses with which HTTP says that a request was turned down before it was worked on.
_REJECTED = frozenset({400, 404, 405, 406, 410, 411, 413, 414, 415, 417, 421, 422, 426, 428, 431, 451})
# As words, and within codes: INSUFFICIENT_CREDITS, daily_limit.
_CREDITS = re.compile(r"(?<![a-z])(credits?|funds?|balance|top[ -]up)(?![a-z])", re.IGNORECASE)
_QUOTA = re.compile(r"free[ -]?tier|quota|(?<![a-z])daily(?![a-z])|per day", re.IGNORECASE)
_POLICY = re.compile(r"moderat|nsfw|\bsafety\b|content.polic|prohibited|flagged", re.IGNORECASE)
_INVALID = re.compile(r"validation|invalid (enum|value|type)|expected", re.IGNORECASE)
_JUDGED = frozenset({400, 403, 406, 409, 422, 451})
"""Statuses with which a provider may say that it will not draw this."""
_STAMPED = re.compile(r"[?&]X-(Amz|Tos|Goog)-Date=(\d{8}T\d{6})Z(?:&|$)", re.IGNORECASE)
_LASTING = re.compile(r"[?&]X-(Amz|Tos|Goog)-Expires=(\d{1,8})(?:&|$)", re.IGNORECASE)
_UNTIL = re.compile(r"[?&]Expires=(\d{9,11})(?:&|$)")


class Unreadable(ValueError):
    """A reply that is not the JSON it should be; the sentence says why."""


def parse(body: bytes) -> Any:
    """The JSON of a reply, fractions as Decimal: money is never a float. Unreadable also for what two readers could
    take differently: a key given twice, NaN, more than 64 levels, half a surrogate pair. A long text that is base64
    comes as `Base64`."""
    rest, found = without_pictures(body)
    try:
        value = json.loads(
            rest.decode("utf-8-sig"), parse_float=Decimal, parse_constant=_no_number, object_pairs_hook=_once
        )
    except Unreadable:
        raise
    except UnicodeDecodeError:
        raise Unreadable("it is not UTF-8") from None
    except RecursionError:
        raise Unreadable("it is nested too deeply") from None
    except (ValueError, ArithmeticError):  # a fraction with an exponent beyond all bounds is the latter
        raise Unreadable(_instead(body)) from None
    _vet(value, DEPTH)
    return with_pictures(value, found) if found else value


def lenient(body: bytes) -> Any:
    """The same, and None for what is unreadable."""
    try:
        return parse(body)
    except Unreadable:
        return None


def _instead(body: bytes) -> str:
    """What stands where JSON should."""
    start = body[:200].strip().lower()
    if not start:
        return "it is empty"
    return "it is a web page, not JSON" if start.startswith((b"<!doctype", b"<html")) else "it is not JSON"


def plain(value: Any) -> Any:
    """The value with each Decimal as its text, so that it can be written down as JSON again without loss."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, Decimal) else value


def mapping(value: Any) -> Mapping[str, Any]:
    """The value where it is an object, else an empty one: a reply may leave out, or empty, whatever it likes."""
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    """A list as it is, nothing as no item, and anything else as one item."""
    return value if isinstance(value, list) else [] if value is None else [value]


def refused(response: Response, *, provider: str, variable: str, paid: Nano | None = None) -> Refused:
    """What a reply whose status is not a success means; `variable` is where the provider's key comes from, `paid` what
    the reply says was charged.

    Only a status that proves it counts as not executed, and none does beside a charge. A provider that documents no
    idempotency key leaves nothing to find out with, so every other status is unknown, and nothing sends it again
    unasked."""
    said = _said(response)
    wait = _wait(response.headers)
    fate = _fate(response, said, wait)
    if paid and fate not in (Fate.MODERATED, Fate.STOP_RUN):
        fate = Fate.CHARGED
    hint = _hint(response, said, wait, provider=provider, variable=variable)
    return Refused(
        fate=fate,
        message=_message(response, said),
        hint="" if fate is Fate.CHARGED else hint,  # it tells of waiting, or of what nobody can tell
        status=response.status,
        retry_after=None if wait is None or fate is not Fate.TRY_LATER else min(wait, LONGEST_WAIT),
        paid=paid or None,
        request_id=request_id(response, lenient(response.body)),
    )


def request_id(response: Response, body: Any) -> str:
    """The provider's own name for the call, for asking it about a charge; empty where there is none."""
    known = (
        response.headers.get("x-inference-id"),
        response.headers.get("x-request-id"),
        mapping(body).get("requestId"),
        mapping(body).get("request_id"),
    )
    return next((name[:_ID] for name in known if isinstance(name, str) and name), "")


def sentence(value: Any) -> str:
    """What an error object says, in whatever of the usual ways it says it; empty where it says nothing."""
    if isinstance(value, str):
        return value.strip()[:_TEXT]
    if isinstance(value, list):
        return "; ".join(dict.fromkeys(filter(None, map(_issue, value[:10]))))[:_TEXT]
    if not isinstance(value, dict):
        return ""
    first = next(filter(None, (sentence(value.get(key)) for key in ("message", "error", "detail", "msg", "title"))), "")
    more = "; ".join(filter(None, (sentence(value.get(key)) for key in ("errors", "issues", "details", "meta"))))
    return "; ".join(filter(None, (first, more)))[:_TEXT]


def charge(value: Any, unit: Decimal) -> Nano | None:
    """What a reply states as an amount, at so many dollars a unit; None for what is none, or beyond all reason. Decimal
    alone would read `1_0` as ten, and the digits of every script."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        return None
    if isinstance(value, str) and not _AMOUNT.fullmatch(value.strip()):
        return None
    try:
        stated = money.of(Decimal(value) * unit)
    except (ArithmeticError, ValueError):
        return None
    return stated if stated <= DEAREST else None


def moderates(said: str) -> bool:
    """Whether a sentence is a refusal by moderation, and not one about a field of that name."""
    return bool(_POLICY.search(said)) and not _INVALID.search(said)


def expires(url: str) -> float | None:
    """When a signed URL ends, in seconds since 1970, as its query says; None where it does not."""
    from datetime import UTC, datetime

    if until := _UNTIL.search(url):
        return float(until[1])
    stamped, lasting = _STAMPED.search(url), _LASTING.search(url)
    if not stamped or not lasting:
        return None
    try:
        start = datetime.strptime(stamped[2], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return start.timestamp() + int(lasting[2])


def decoded(text: str) -> bytes | None:
    """The bytes of base64, bare or in a data URI; None for what is not base64. Its two alphabets are both read, and
    padding may be missing: what is no picture is told later, and what is one was paid for."""
    from base64 import b64decode
    from binascii import Error

    if isinstance(text, Base64):
        return text.data
    if text.startswith("data:"):
        head, _, text = text.partition(",")
        if not head.endswith(";base64"):
            return None
    try:
        bare = "".join(text.split()).rstrip("=").replace("-", "+").replace("_", "/")
        return b64decode(bare + "=" * (-len(bare) % 4), validate=True) or None
    except (Error, ValueError):
        return None


def _fate(response: Response, said: str, wait: float | None) -> Fate:
    if response.status in _JUDGED and not _CREDITS.search(said) and moderates(said):
        return Fate.MODERATED
    match response.status:
        case 401 | 402:
            return Fate.STOP_RUN
        case 403:
            return Fate.STOP_RUN if _CREDITS.search(said) else Fate.NOT_EXECUTED
        case 429 if _QUOTA.search(said):
            return Fate.NOT_EXECUTED
        case 425 | 429:
            return Fate.TRY_LATER
        case 503 if wait is not None:
            return Fate.TRY_LATER
        case status if status in _REJECTED:
            return Fate.NOT_EXECUTED
        case _:
            return Fate.UNKNOWN


def _message(response: Response, said: str) -> str:
    if 300 <= response.status < 400:
        return f"redirected to {_target(response)}; a paid request follows no redirect"
    return said or f"HTTP {response.status} {_phrase(response.status)}".rstrip()


def _phrase(status: int) -> str:
    try:
        from http import HTTPStatus

        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _hint(response: Response, said: str, wait: float | None, *, provider: str, variable: str) -> str:
    match response.status:
        case 401:
            return f"put a valid key into {variable}"
        case 402 | 403 if response.status == 402 or _CREDITS.search(said):
            return f"top up the account at {provider}, then run again: what is finished is kept"
        case status if 300 <= status < 400:
            return f"check {provider.upper()}_BASE_URL"
        case 429 if _QUOTA.search(said):
            return f"run again when {provider} allows it: what is finished is kept"
        case 429 | 503 if wait is not None and wait > LONGEST_WAIT:
            return f"{provider} asks to wait {_duration(wait)}{_until(response.headers, wait)}"
        case 503 if wait is None and "retry-after" in response.headers:
            return "with a Retry-After that names no time it does not say that nothing was done"
        case 503 if wait is None:
            return "without Retry-After it does not say that nothing was done"
        case 408 | 409 | 500 | 502 | 504:
            return f"{provider} does not say that nothing was done"
        case _:
            return ""


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:.0f} h" if seconds >= 2 * 3600 else f"{seconds / 60:.0f} min"


def _until(headers: Mapping[str, str], wait: float) -> str:
    """When a wait ends, by the provider's own clock; empty where it states none."""
    from datetime import UTC, timedelta
    from email.utils import parsedate_to_datetime

    try:
        end = parsedate_to_datetime(headers.get("date", "")) + timedelta(seconds=wait)
        return f", until {end.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, TypeError, OverflowError, IndexError):
        return ""


def _target(response: Response) -> str:
    """Scheme and host of a redirect: its path and query may hold a secret."""
    found = re.match(r"[a-z+.-]+://[^/?#\\@\s]*", response.headers.get("location", ""), re.IGNORECASE)
    return found[0][:200] if found else "another path"


def _said(response: Response) -> str:
    body = lenient(response.body)
    if body is not None:
        return sentence(body)
    text = response.body[: 4 * _TEXT].decode(errors="replace").strip()
    return "" if text.startswith("<") else text[:_TEXT]


def _issue(value: Any) -> str:
    """One entry of a list of faults, led by the field it is about where it names one."""
    said = sentence(value)
    where = next((mapping(value)[key] for key in ("path", "loc", "field") if mapping(value).get(key)), None)
    field = ".".join(map(str, where)) if isinstance(where, list) else where if isinstance(where, str) else ""
    return f"{field}: {said}" if field and said else said


def _wait(headers: Mapping[str, str]) -> float | None:
    """Seconds that Retry-After asks for. A date counts from the reply's own Date: the two clocks may differ."""
    from email.utils import parsedate_to_datetime

    text = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text, re.ASCII):
        return float(text)
    try:
        seconds = (parsedate_to_datetime(text) - parsedate_to_datetime(headers.get("date", ""))).total_seconds()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return max(0.0, seconds)


def _no_number(text: str) -> Any:
    raise Unreadable(f"{text} is no number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Unreadable("a key stands in it twice")
    return found


def _vet(value: Any, levels: int) -> None:
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            raise Unreadable("it holds half a character")
        return
    if not isinstance(value, dict | list):
        return
    if not levels:
        raise Unreadable("it is nested too deeply")
    for item in (*value, *value.values()) if isinstance(value, dict) else value:
        _vet(item, levels - 1)
