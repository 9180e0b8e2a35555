"""What a mishap makes of a reply."""

import gzip
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from typing import Any, TypeAlias

from flowrunner import money
from flowrunner.simulator import damaged
from flowrunner.simulator.faults import Word
from flowrunner.simulator.mishaps import Mishap, sentence
from flowrunner.simulator.wire import Asked, Clock, End, Reply, answer
from flowrunner.slotted import replace

_PAUSE = "0.4"
"""Seconds between two bytes: a thousand bytes take longer than any call may."""
_BOMB = 65 * 2**20
"""Bytes that a bomb unpacks to: more than an image or a reply may have."""
_SKEW = "3600"
_OVER = "X-Amz-Date=20200101T000000Z&X-Amz-Expires=60"
_NANO_A_CREDIT = 500
_PAGE = (
    b"<!DOCTYPE html>\n<html><head><title>Just a moment...</title></head><body>Checking your browser</body></html>\n"
)
_MODERATED = "Your request was rejected by our content moderation system: the prompt may violate the content policy."
_CREDITS = (
    "You've run out of credits. Please top up your balance or update your payment method to continue:"
    " https://aimlapi.com/app/billing/"
)
_QUOTA = "Free-tier limit reached: your daily quota is used up. Please upgrade, or try again tomorrow."
_ENDS: Mapping[int | Word, End] = {
    Word.DROP: End.NOTHING,
    Word.RESET: End.RESET,
    Word.UNREAD: End.UNREAD,
    Word.CUT: End.BODY,
    Word.CUT_UNSIZED: End.UNSIZED,
    Word.CUT_HEAD: End.HEAD,
}
_REFUSALS: Mapping[int | Word, tuple[int, str]] = {
    Word.MODERATED: (400, _MODERATED),
    Word.CREDITS: (403, _CREDITS),
    Word.QUOTA: (429, _QUOTA),
}
_PICTURES: Mapping[int | Word, tuple[str, bytes]] = {
    Word.WRONG: ("image/gif", damaged.GIF),
    Word.BROKEN: ("image/png", damaged.broken()),
    Word.HUGE: ("image/png", damaged.huge()),
    Word.ANIMATED: ("image/png", damaged.animated()),
}


def spoiled(mishap: Mishap, asked: Asked, right: Callable[[], Reply], clock: Clock) -> Reply:
    """The reply that a request meets; `right` makes the one that it would have had, and does what is asked."""
    made = _made(mishap, asked, right, clock)
    return replace(made, headers={**made.headers, **mishap.headers}, wait=mishap.wait, fault=mishap.rule)


def _made(mishap: Mishap, asked: Asked, right: Callable[[], Reply], clock: Clock) -> Reply:
    fault = mishap.fault
    if fault is Word.UNREAD:
        return Reply(0, end=End.UNREAD)
    if fault in _REFUSALS:
        return _refused(*_REFUSALS[fault])
    if isinstance(fault, int):
        return _status(fault, mishap)
    if fault is Word.ECHO:
        return _echo(int(mishap.said.get("status", "400")), asked)
    return _changed(mishap, right(), clock)


def _changed(mishap: Mishap, reply: Reply, clock: Clock) -> Reply:
    """A reply to what was done, spoiled on its way or wrong in itself."""
    fault = mishap.fault
    if fault in _ENDS:
        return replace(reply, end=_ENDS[fault])
    if fault in _PICTURES:
        kind, data = _PICTURES[fault]
        return Reply(200, {**reply.headers, "content-type": kind}, data)
    if fault is Word.SKEW:
        return _skewed(reply, clock() + timedelta(seconds=int(mishap.said.get("seconds", _SKEW))))
    if fault is Word.DRIP:
        return replace(reply, pause=float(mishap.said.get("pause", _PAUSE)))
    change = _CHANGES.get(fault)
    return change(reply) if change else _edited(mishap, reply)


def _skewed(reply: Reply, moment: datetime) -> Reply:
    return replace(reply, headers={**reply.headers, "date": format_datetime(moment.astimezone(UTC), usegmt=True)})


def _half(body: bytes) -> bytes:
    return body[: len(body) // 2]


def _compressed(reply: Reply, body: bytes) -> Reply:
    return replace(reply, headers={**reply.headers, "content-encoding": "gzip"}, body=body)


@cache
def _bomb() -> bytes:
    return gzip.compress(bytes(_BOMB), 1, mtime=0)


_CHANGES: Mapping[int | Word, Callable[[Reply], Reply]] = {
    Word.OK: lambda reply: reply,
    Word.HALF: lambda reply: replace(reply, body=_half(reply.body)),
    Word.HTML: lambda _: Reply(200, {"content-type": "text/html; charset=utf-8"}, _PAGE),
    Word.EMPTY: lambda reply: replace(reply, body=b""),
    Word.CUT_GZIP: lambda reply: _compressed(reply, _half(gzip.compress(reply.body, mtime=0))),
    Word.BOMB: lambda reply: _compressed(reply, _bomb()),
}


def _refused(status: int, said: str) -> Reply:
    return answer(status, {"message": said, "statusCode": str(status)})


def _status(status: int, mishap: Mishap) -> Reply:
    said = mishap.said
    more = {"retry-after": said.get("retry-after"), "location": said.get("to")}
    headers = {name: value for name, value in more.items() if value is not None}
    if "body" in said:
        return Reply(status, headers, said["body"].encode())
    refusal = _refused(status, said.get("message", sentence(status)))
    return replace(refusal, headers={**refusal.headers, **headers})


def _echo(status: int, asked: Asked) -> Reply:
    """What careless gateways do: the request's own headers, key and all, in the body and in a header."""
    said = "; ".join(f"{name}: {value}" for name, value in asked.headers.items())
    refusal = answer(status, {"message": f"Bad request, received {said}", "headers": dict(asked.headers)})
    return replace(refusal, headers={**refusal.headers, "x-request-id": said[:1000], "x-echo": said[:4000]})


_Edit: TypeAlias = Callable[[dict[str, Any], Mishap], None]


def _edited(mishap: Mishap, reply: Reply) -> Reply:
    """A success whose JSON says something else; an error stays as it is."""
    if reply.status != 200:
        return reply
    said = json.loads(reply.body)
    edit = _ONEMIN if "aiRecord" in said else _AIMLAPI
    edit[mishap.fault](said, mishap)
    headers = dict(reply.headers)
    if mishap.fault is Word.CHARGE:
        headers |= {"x-aimlapi-usd-spent": "", "x-aimlapi-credits-used": ""} | _priced(mishap.usd)
        headers = {name: value for name, value in headers.items() if value}
    return replace(reply, headers=headers, body=json.dumps(said, ensure_ascii=False).encode())


def _priced(usd: money.Nano | None) -> dict[str, str]:
    if usd is None:
        return {}
    return {"x-aimlapi-usd-spent": money.text(usd), "x-aimlapi-credits-used": str(-(-usd // _NANO_A_CREDIT))}


def _data(change: Callable[[list[Any]], Any]) -> _Edit:
    def edit(said: dict[str, Any], _: Mishap) -> None:
        said["data"] = change(said["data"])

    return edit


def _link(change: Callable[[str], Any]) -> _Edit:
    """The link of 1min.ai's record; without one there is no list of results either."""

    def edit(said: dict[str, Any], _: Mishap) -> None:
        record = said["aiRecord"]
        record["temporaryUrl"] = change(record["temporaryUrl"])
        if not record["temporaryUrl"]:
            record["aiRecordDetail"]["resultObject"] = record["temporaryUrl"]

    return edit


def _nothing(_: dict[str, Any], __: Mishap) -> None:
    """1min.ai publishes no such thing in its replies."""


def _flag(said: dict[str, Any], _: Mishap) -> None:
    said["has_nsfw_concepts"] = [True for _ in said["data"]]


def _charge(said: dict[str, Any], mishap: Mishap) -> None:
    usd = mishap.usd
    usage = None if usd is None else {"credits_used": -(-usd // _NANO_A_CREDIT), "usd_spent": float(money.text(usd))}
    said["meta"] = {"usage": usage} if usage else None


def _expired(url: str) -> str:
    return f"{url.partition('?')[0]}?{_OVER}"


_AIMLAPI: Mapping[int | Word, _Edit] = {
    Word.NULL_DATA: _data(lambda _: None),
    Word.NO_DATA: _data(lambda _: []),
    Word.NULL_URL: _data(lambda items: [{**item, "url": None} for item in items]),
    Word.FEWER: _data(lambda items: items[:-1]),
    Word.MORE: _data(lambda items: [*items, items[0]]),
    Word.EXPIRED: _data(lambda items: [{**item, "url": _expired(item["url"])} for item in items]),
    Word.FLAGGED: _flag,
    Word.CHARGE: _charge,
}
_ONEMIN: Mapping[int | Word, _Edit] = {
    Word.NULL_DATA: _link(lambda _: None),
    Word.NO_DATA: _link(lambda _: []),
    Word.NULL_URL: _link(lambda _: None),
    Word.FEWER: _link(lambda _: []),
    Word.MORE: _link(lambda url: [url, url]),
    Word.EXPIRED: _link(_expired),
    Word.FLAGGED: _nothing,
    Word.CHARGE: _nothing,
}
