"""The faults that a simulator can be told to have: each word, which requests it is for, what can be said of it."""

from collections.abc import Mapping
from enum import StrEnum

from flowrunner.slotted import dataclass


class On(StrEnum):
    """Which requests a fault is for."""

    POST = "post"
    """A paid call."""
    UPLOAD = "upload"
    DOWNLOAD = "download"


class Word(StrEnum):
    """A fault that is no status. How it shows stands in `FAULTS`."""

    OK = "ok"
    DROP = "drop"
    RESET = "reset"
    UNREAD = "unread"
    CUT = "cut"
    CUT_UNSIZED = "cut-unsized"
    CUT_HEAD = "cut-head"
    CUT_GZIP = "cut-gzip"
    HALF = "half"
    DRIP = "drip"
    BOMB = "bomb"
    HTML = "html"
    EMPTY = "empty"
    ECHO = "echo"
    SKEW = "skew"
    NULL_DATA = "null-data"
    NO_DATA = "no-data"
    NULL_URL = "null-url"
    FEWER = "fewer"
    MORE = "more"
    CHARGE = "charge"
    FLAGGED = "flagged"
    MODERATED = "moderated"
    CREDITS = "credits"
    QUOTA = "quota"
    EXPIRED = "expired"
    WRONG = "wrong"
    BROKEN = "broken"
    HUGE = "huge"
    ANIMATED = "animated"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a word means. Without `on` a rule is for the first of `where`; `keys` are those of its own."""

    says: str
    where: tuple[On, ...] = (On.POST, On.UPLOAD, On.DOWNLOAD)
    keys: tuple[str, ...] = ()


_CALL = (On.POST,)
_PICTURE = (On.DOWNLOAD,)
STATUS = Kind(
    "a status from 300 to 599: its published sentence, or `message=TEXT`, or `body=TEXT` as it is; `retry-after=` a "
    "number of seconds or a date; `to=URL` for a redirect",
    keys=("message", "body", "retry-after", "to"),
)
FAULTS: Mapping[Word, Kind] = {
    Word.OK: Kind("nothing goes wrong; for `wait=` and `header=`"),
    Word.DROP: Kind("done, and the connection closes without a reply"),
    Word.RESET: Kind("done, and the connection is reset without a reply"),
    Word.UNREAD: Kind("the connection is reset before the request's body is read: nothing is done"),
    Word.CUT: Kind("the connection closes in the middle of the reply's body"),
    Word.CUT_UNSIZED: Kind("the same, and no length was stated: only the content shows it"),
    Word.CUT_HEAD: Kind("the connection closes in the middle of the reply's headers"),
    Word.CUT_GZIP: Kind("the body is compressed, and its stream ends too early"),
    Word.HALF: Kind("a complete reply with half of the content"),
    Word.DRIP: Kind("the body comes byte by byte, `pause=S` (default 0.4) between two", keys=("pause",)),
    Word.BOMB: Kind("a small compressed body that unpacks to more than flowrunner takes"),
    Word.HTML: Kind("200 with a web page"),
    Word.EMPTY: Kind("200 with nothing"),
    Word.ECHO: Kind("an error that repeats the request's headers, its key among them; `status=N`", keys=("status",)),
    Word.SKEW: Kind("the reply's Date is `seconds=N` off (default 3600)", keys=("seconds",)),
    Word.NULL_DATA: Kind("charged, and `data` is null", _CALL),
    Word.NO_DATA: Kind("charged, and `data` is an empty list", _CALL),
    Word.NULL_URL: Kind("charged, and the picture has no URL", _CALL),
    Word.FEWER: Kind("one picture less than asked for", _CALL),
    Word.MORE: Kind("one picture more than asked for", _CALL),
    Word.CHARGE: Kind("the reply states another charge, `usd=0.5`, or none, `usd=none` (AIML API)", _CALL, ("usd",)),
    Word.FLAGGED: Kind("done, and every picture is flagged by the safety checker (AIML API)", _CALL),
    Word.MODERATED: Kind("400: the prompt is refused by moderation", _CALL),
    Word.CREDITS: Kind("403: out of credits", _CALL),
    Word.QUOTA: Kind("429: the free tier is used up", _CALL),
    Word.EXPIRED: Kind("the picture's URL has expired: its download answers 403", _CALL),
    Word.WRONG: Kind("a GIF in the place of the picture", _PICTURE),
    Word.BROKEN: Kind("a picture whose pixels cannot be decoded", _PICTURE),
    Word.HUGE: Kind("a picture of 40000x40000 pixels in a few bytes", _PICTURE),
    Word.ANIMATED: Kind("an animated picture", _PICTURE),
}
COMMON: Mapping[str, str] = {
    "on": "`post` (paid calls), `upload` or `download`; without it the first that the fault can be for",
    "at": "the Nth such request: `at=3`, `at=2-5`, `at=10-`",
    "rate": "a share of them, `rate=20%`; the same ones every time",
    "seed": "another choice of that share: `seed=2`",
    "times": "at most so often: `times=2`",
    "match": "only requests with this text in them: a word of the prompt, a part of the path",
    "wait": "seconds before the reply: `wait=1.5`",
    "header": "a header of the reply, as often as you like: `header=content-type:text/plain`",
}
"""What can be said of every fault."""


def table() -> str:
    """All faults and keys as Markdown, for the documentation."""
    first = ["| fault | what happens | for |", "| --- | --- | --- |", _row("a status: `429`", STATUS)]
    faults = [_row(f"`{word}`", kind) for word, kind in FAULTS.items()]
    keys = ["", "| key | means |", "| --- | --- |", *(f"| `{name}=` | {says} |" for name, says in COMMON.items())]
    return "\n".join([*first, *faults, *keys, ""])


def listing() -> str:
    """The same for a terminal."""
    faults = [("STATUS", STATUS.says), *((str(word), kind.says) for word, kind in FAULTS.items())]
    keys = [(f"{name}=", says) for name, says in COMMON.items()]
    return "\n".join(["faults:", *map(_line, faults), "", "keys:", *map(_line, keys)])


def _row(name: str, kind: Kind) -> str:
    everywhere = len(kind.where) == len(On)
    return f"| {name} | {kind.says} | {'all' if everywhere else ', '.join(kind.where)} |"


def _line(entry: tuple[str, str]) -> str:
    from textwrap import fill

    name, says = entry
    return fill(says.replace("`", ""), 100, initial_indent=f"  {name:<12} ", subsequent_indent=" " * 15)
