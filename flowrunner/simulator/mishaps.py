"""Mishaps on order: rules that say which requests to a simulator meet which fault, so that one can rehearse it.

429 retry-after=5 at=2      the second paid call
drop rate=10%               one paid call in ten, the same ones every time
404 on=download times=3     the first three downloads
"""

import re
import shlex
from collections.abc import Collection, Iterable, Mapping
from http import HTTPStatus
from threading import Lock

from flowrunner import money, spelling
from flowrunner.errors import UsageError
from flowrunner.simulator.chance import Chance
from flowrunner.simulator.faults import COMMON, FAULTS, STATUS, Kind, On, Word
from flowrunner.slotted import dataclass, field

_AT = re.compile(r"([1-9][0-9]{0,6})(-([1-9][0-9]{0,6})?)?")
_RATE = re.compile(r"(100|[0-9]{1,2}(\.[0-9]{1,3})?)%")
_COUNT = re.compile(r"[1-9][0-9]{0,6}")
_SECONDS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,3})?")
_SIGNED = re.compile(r"-?[0-9]{1,12}")
_STATUS = re.compile(r"[345][0-9]{2}")
_HEADER = re.compile(r"([A-Za-z0-9-]{1,60}):[ \t]*([\x21-\x7e][\x20-\x7e]{0,999}|)")
_TEXT = re.compile(r"(?s).{1,4000}")
_LINE = re.compile(r"[\x20-\x7e]{1,200}")
_URL = re.compile(r"[\x21-\x7e]{1,2000}")
_USD = re.compile(r"none|[0-9]{1,6}(\.[0-9]{1,9})?")
_FORMS: Mapping[str, tuple[re.Pattern[str], str]] = {
    "on": (re.compile("post|upload|download"), "post, upload or download"),
    "at": (_AT, "a number, or from and to: 3, 2-5, 10-"),
    "rate": (_RATE, "a share from 0% to 100%"),
    "seed": (re.compile(r"[0-9]{1,9}"), "a number"),
    "times": (_COUNT, "a number from 1"),
    "match": (_TEXT, "a text"),
    "wait": (_SECONDS, "a number of seconds"),
    "pause": (_SECONDS, "a number of seconds"),
    "seconds": (_SIGNED, "a whole number of seconds, also below 0"),
    "status": (_STATUS, "a status from 300 to 599"),
    "usd": (_USD, "dollars, or none"),
    "header": (_HEADER, "NAME:VALUE"),
    "retry-after": (_LINE, "a number of seconds or a date"),
    "message": (_TEXT, "a text"),
    "body": (_TEXT, "a text"),
    "to": (_URL, "a URL"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mishap:
    """One rule. `fault` is a status or a word; `at` the first and last request of those it is for, counted from 1;
    `rate` a share from 0 to 1."""

    rule: str
    fault: int | Word
    on: On
    at: tuple[int, float] = (1, float("inf"))
    rate: float = 1.0
    seed: str = ""
    times: float = float("inf")
    match: bytes = b""
    wait: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict)
    said: Mapping[str, str] = field(default_factory=dict)
    """The keys of the fault itself: `message`, `usd`."""

    @property
    def name(self) -> str:
        return str(self.fault)

    @property
    def usd(self) -> money.Nano | None:
        text = self.said.get("usd", "0.5")
        return None if text == "none" else money.parse(text)


def read(rule: str) -> Mishap:
    """A rule: a fault and then `key=value`, as a shell would take them apart. UsageError for anything else."""
    try:
        first, *rest = shlex.split(rule)
    except ValueError:  # nothing at all, or a quotation that does not end
        raise _unknown(rule) from None
    fault = _fault(first)
    if fault is None:
        raise _unknown(rule, first)
    kind = STATUS if isinstance(fault, int) else FAULTS[fault]
    pairs = [_pair(word, kind, rule) for word in rest]
    said = dict(pairs)
    once = [name for name, _ in pairs if name != "header"]
    if len(set(once)) < len(once):
        raise UsageError(f"fault {rule!r} says the same thing twice", "give each key once; only header= may come again")
    return _mishap(rule, fault, kind, said, [value for name, value in pairs if name == "header"])


class Script:
    """Rules, and how often each has been looked at. The first one that applies to a request is what it meets; safe to
    use from several threads."""

    def __init__(self, rules: Iterable[str | Mishap] = ()) -> None:
        mishaps = [rule if isinstance(rule, Mishap) else read(rule) for rule in rules]
        self._rules = [_Counted(mishap) for mishap in mishaps]
        self._lock = Lock()

    def unread(self, on: On, path: str) -> Mishap | None:
        """What a request meets before its body is read."""
        return self._first(on, path.encode(), [rule for rule in self._rules if rule.mishap.fault is Word.UNREAD])

    def next(self, on: On, path: str, body: bytes) -> Mishap | None:
        """What a request meets that was read."""
        asked = path.encode() + b"\n" + body
        return self._first(on, asked, [rule for rule in self._rules if rule.mishap.fault is not Word.UNREAD])

    def _first(self, on: On, asked: bytes, rules: "list[_Counted]") -> Mishap | None:
        with self._lock:
            met = [rule for rule in rules if rule.counts(on, asked)]
            chosen = next(iter(met), None)
            if chosen is None:
                return None
            chosen.played += 1
            return chosen.mishap


@dataclass(slots=True)
class _Counted:
    mishap: Mishap
    seen: int = 0
    played: int = 0

    def counts(self, on: On, asked: bytes) -> bool:
        """Counts a request that the rule is for; whether it applies to it."""
        rule = self.mishap
        if on is not rule.on or rule.match not in asked:
            return False
        self.seen += 1
        drawn = rule.rate == 1 or Chance(f"{rule.seed}/{rule.fault}/{rule.on}/{self.seen}").between(0, 1) < rule.rate
        return rule.at[0] <= self.seen <= rule.at[1] and self.played < rule.times and drawn


def _fault(word: str) -> int | Word | None:
    if _STATUS.fullmatch(word):
        return int(word)
    return next((known for known in Word if known == word), None)


def _pair(word: str, kind: Kind, rule: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    known = [*kind.keys, *COMMON]
    if not equals or name not in known:
        close = spelling.nearest(name, known)
        hint = f"did you mean {close}=?" if close else f"it takes {', '.join(f'{key}=' for key in known)}"
        raise UsageError(f"fault {rule!r}: {word!r} is nothing that it takes", hint)
    form, says = _FORMS[name]
    if not form.fullmatch(value):
        raise UsageError(f"fault {rule!r}: {name}={value} is not {says}")
    return name, value


def _mishap(rule: str, fault: int | Word, kind: Kind, said: Mapping[str, str], headers: Collection[str]) -> Mishap:
    on = On(said.get("on", kind.where[0]))
    if on not in kind.where:
        raise UsageError(f"fault {rule!r} cannot be on={on}", f"{fault} is for {' and '.join(kind.where)}")
    return Mishap(
        rule=rule,
        fault=fault,
        on=on,
        at=_at(said.get("at", "1-")),
        rate=float(said.get("rate", "100%").rstrip("%")) / 100,
        seed=said.get("seed", ""),
        times=float(said.get("times", "inf")),
        match=said.get("match", "").encode(),
        wait=float(said.get("wait", "0")),
        headers={name.lower(): value.strip() for name, _, value in (header.partition(":") for header in headers)},
        said={name: value for name, value in said.items() if name in kind.keys},
    )


def _at(text: str) -> tuple[int, float]:
    first, hyphen, last = text.partition("-")
    return int(first), float(last or "inf") if hyphen else float(first)


def _unknown(rule: str, word: str = "") -> UsageError:
    close = spelling.nearest(word, FAULTS) if word else None
    meant = f"did you mean {close}? " if close else ""
    words = ", ".join(FAULTS)
    return UsageError(f"{rule!r} is no fault", f"{meant}write a status from 300 to 599, or one of: {words}")


def sentence(status: int) -> str:
    """What a provider says with a status: docs/errors-and-messages of AIML API; else the words of HTTP."""
    try:
        return _SAID.get(status) or HTTPStatus(status).phrase
    except ValueError:
        return f"status {status}"


_SAID = {
    401: (
        "This request requires a valid API key. You can create a new API key on the Billing page:"
        " https://aimlapi.com/app/keys"
    ),
    500: "Internal server error",
    503: "Service unavailable",
    504: "Generation timeout",
}
