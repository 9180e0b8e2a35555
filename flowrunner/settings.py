"""What a project sets in `flowrunner.toml` at its root: pace, prices, the store; never keys or origins."""

import math
import re
from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from flowrunner.catalog.model import Price
from flowrunner.credentials import CONFIG
from flowrunner.errors import InvalidPipeline
from flowrunner.files import Files, WorkTree, folder_of_user
from flowrunner.problems import Problem, error
from flowrunner.slotted import dataclass, field
from flowrunner.source import Source, Span
from flowrunner.spelling import nearest

NAME = "flowrunner.toml"
LIMIT = 64 * 1024
"""Bytes of the file."""
TIMEOUT = 300.0
"""Seconds for a whole call, unless something says otherwise."""

_DOTS = 500
_TOP = ("timeout", "providers", "prices", "store")
_PACE = {"concurrency": (1, 256), "requests_per_minute": (1, 100_000), "timeout": (1, 3600)}
_STORE: Mapping[str, type] = {"path": str, "remote": str, "read_only": bool}
_FORBIDDEN = re.compile(r"(api[_-]?)?key|token|secret|password|(base_)?url|origin|proxy|headers?", re.IGNORECASE)
_TABLE = re.compile(r"\s*\[([^\[\]]+)\]")
_ENTRY = re.compile(r"\s*((?:[A-Za-z0-9_.-]|\"[^\"]*\"|'[^']*')+)\s*=")
_PART = re.compile(r"\"([^\"]*)\"|'([^']*)'|([A-Za-z0-9_-]+)")
_FAULT = re.compile(r"(?P<what>.*) \(at line (?P<line>\d+), column (?P<column>\d+)\)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How hard one provider is asked; None where its own limit stands. `timeout` in seconds."""

    concurrency: int | None = None
    requests_per_minute: int | None = None
    timeout: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """Where results are kept; None where the usual place stands. Paths are relative to the project's root."""

    path: Path | None = None
    remote: Path | None = None
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a project."""

    timeout: float = TIMEOUT
    paces: Mapping[str, Pace] = field(default_factory=dict)
    prices: Mapping[str, Price] = field(default_factory=dict)
    """By `provider:model`."""
    store: StoreSettings = StoreSettings()

    def pace(self, provider: str) -> Pace:
        return self.paces.get(provider, Pace())

    def timeout_of(self, provider: str) -> float:
        """Seconds for a call to a provider where the pipeline says nothing."""
        own = self.pace(provider).timeout
        return self.timeout if own is None else own


def load(root: Path, *, providers: Collection[str], environment: Mapping[str, str]) -> Settings:
    """The settings of the project at `root`; the usual ones where it has no file. FLOWRUNNER_REMOTE in the environment
    stands before the file. InvalidPipeline with every mistake of the file in its place."""
    found = at(WorkTree(root), providers=providers) if (root / NAME).exists() else Settings()
    remote = environment.get("FLOWRUNNER_REMOTE")
    if not remote:
        return found
    store = StoreSettings(
        path=found.store.path, remote=folder_of_user("FLOWRUNNER_REMOTE", remote), read_only=found.store.read_only
    )
    return Settings(timeout=found.timeout, paces=found.paces, prices=found.prices, store=store)


def at(files: Files, *, providers: Collection[str]) -> Settings:
    """The settings that a tree of files holds, which has such a file."""
    try:
        text = files.read(NAME, LIMIT).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidPipeline([Problem(code="settings", message="it is not UTF-8", file=NAME)]) from None
    return of(text, providers=providers) if text else Settings()


def of(text: str, *, providers: Collection[str]) -> Settings:
    """The settings that the text of a `flowrunner.toml` holds."""
    reader = _Reader(Source(NAME, text), providers)
    document = reader.parsed()
    settings = reader.settings(document)
    if reader.problems:
        raise InvalidPipeline(reader.problems)
    return settings


class _Reader:
    """Goes through the tables and notes what is wrong."""

    def __init__(self, source: Source, providers: Collection[str]) -> None:
        self.source = source
        self.providers = providers
        self.problems: list[Problem] = []
        self.places = _places(source)

    def place(self, path: tuple[str, ...]) -> Span | None:
        """Where a key is written, else the table around it."""
        return next((self.places[path[:end]] for end in range(len(path), 0, -1) if path[:end] in self.places), None)

    def parsed(self) -> dict[str, Any]:
        import tomllib

        if any(line.count(".") > _DOTS for line in self.source.text.split("\n")):  # Python's reader takes their square
            raise InvalidPipeline([Problem(code="settings", message="a key in it has too many parts", file=NAME)])
        try:
            return tomllib.loads(self.source.text, parse_float=Decimal)
        except tomllib.TOMLDecodeError as fault:
            raise InvalidPipeline([_syntax(self.source, str(fault))]) from None
        except (ValueError, RecursionError, ArithmeticError):  # a number of thousands of digits is the first
            raise InvalidPipeline([Problem(code="settings", message="it is not usable TOML", file=NAME)]) from None

    def settings(self, document: dict[str, Any]) -> Settings:
        self.known(document, (), _TOP)
        paces = {name: self.pace(table, name) for name, table in self.tables(document, "providers")}
        prices = {name: price for name, table in self.tables(document, "prices") if (price := self.price(table, name))}
        timeout = self.number(document.get("timeout", TIMEOUT), ("timeout",), *_PACE["timeout"])
        return Settings(timeout=float(timeout), paces=paces, prices=prices, store=self.store(document.get("store", {})))

    def tables(self, document: dict[str, Any], key: str) -> Iterator[tuple[str, Any]]:
        table = document.get(key, {})
        if isinstance(table, dict):
            yield from table.items()
        else:
            self.fault(
                f"{key} is not a table", (key,), f"write [{key}.NAME]" if key == "providers" else f"write [{key}]"
            )

    def pace(self, table: Any, name: str) -> Pace:
        place = ("providers", name)
        if name not in self.providers:
            self.fault(f"there is no provider {name}", place, _nearest(name, self.providers))
        if not isinstance(table, dict):
            self.fault(f"{name} is not a table", place, f"write [providers.{name}]")
            return Pace()
        self.known(table, place, _PACE)
        numbers = {
            key: self.number(table[key], (*place, key), *bounds, whole=key != "timeout")
            for key, bounds in _PACE.items()
            if key in table
        }
        timeout = numbers.pop("timeout", None)
        return Pace(timeout=None if timeout is None else float(timeout), **{k: int(v) for k, v in numbers.items()})

    def price(self, table: Any, name: str) -> Price | None:
        from flowrunner.catalog.read import BadModel, price

        place = ("prices", name)
        if name.partition(":")[0] not in self.providers or not name.partition(":")[2]:
            self.fault(f"{name} names no model of a provider", place, 'write "PROVIDER:MODEL" = {…}')
            return None
        try:
            return price({key: _amount(key, table[key]) for key in table} if isinstance(table, dict) else table)
        except BadModel as fault:
            self.fault(f"no price: {fault}", place, '{per = "image", first = "0.03", next = "0.015"}')
            return None

    def store(self, table: Any) -> StoreSettings:
        if not isinstance(table, dict):
            self.fault("store is not a table", ("store",), "write [store]")
            return StoreSettings()
        self.known(table, ("store",), _STORE)
        good = {key: table[key] for key, kind in _STORE.items() if key in table and self.has_kind(table, key, kind)}
        paths = {key: Path(good[key]) for key in ("path", "remote") if key in good}
        return StoreSettings(read_only=good.get("read_only", False), **paths)

    def has_kind(self, table: dict[str, Any], key: str, kind: type) -> bool:
        value = table[key]
        fits = isinstance(value, kind) and value != "" and "\0" not in str(value)
        if not fits:
            self.fault(f"{key} is not {'true or false' if kind is bool else 'a path'}", ("store", key))
        return fits

    def number(
        self, value: Any, place: tuple[str, ...], low: int, high: int, *, whole: bool = False
    ) -> int | float | Decimal:
        if isinstance(value, int if whole else int | float | Decimal) and not isinstance(value, bool):
            number: int | float | Decimal = value
            # A whole number of thousands of digits is finite, and too large to be asked.
            if (isinstance(number, int) or math.isfinite(number)) and low <= number <= high:
                return number
        form = "a whole number" if whole else "a number of seconds, without a unit,"
        self.fault(f"{place[-1]} is not {form} from {low} to {high}", place)
        return low

    def known(self, table: Mapping[str, Any], place: tuple[str, ...], names: Collection[str]) -> None:
        for key in table:
            if key in names:
                continue
            if _FORBIDDEN.fullmatch(key):
                self.forbidden(key, place)
            elif not place and key in self.providers:
                self.fault(f"there is no setting {key}", (key,), f"write [providers.{key}]")
            else:
                self.fault(f"there is no setting {key}", (*place, key), _nearest(key, names))

    def forbidden(self, key: str, place: tuple[str, ...]) -> None:
        """Told without its line: that may hold a secret."""
        provider = place[1] if len(place) > 1 else "PROVIDER"
        span = self.place((*place, key))
        where = f" (line {span.line})" if span else ""
        message = f"{key} does not belong into a project{where}: a pull request could send a key elsewhere"
        hint = f"use the environment ({provider.upper()}_API_KEY, …_BASE_URL, …_PROXY) or {CONFIG}"
        self.problems.append(Problem(code="settings-key", message=message, hint=hint, file=NAME))

    def fault(self, message: str, place: tuple[str, ...], hint: str = "") -> None:
        span = self.place(place)
        problem = error("settings", message, span, hint)
        self.problems.append(problem if span else Problem(code="settings", message=message, hint=hint, file=NAME))


def _amount(key: str, value: Any) -> Any:
    """An amount given as a number as the text that a price is read from; it is exact, TOML's fractions are Decimal."""
    return str(value) if key in {"first", "next", "credit"} and isinstance(value, int | Decimal) else value


def _nearest(word: str, words: Collection[str]) -> str:
    near = nearest(word, words)
    return f"did you mean {near}?" if near else f"there are {', '.join(words)}"


def _syntax(source: Source, said: str) -> Problem:
    found = _FAULT.fullmatch(said)
    if not found:
        return Problem(code="settings", message=f"not TOML: {said}", file=NAME)
    line = min(int(found["line"]), len(source.starts))
    entry = _ENTRY.match(source.line(line))
    if entry and _FORBIDDEN.fullmatch(_parts(entry[1])[-1]):  # the line may hold a secret
        return Problem(code="settings", message=f"not TOML: {said}", file=NAME)
    start = source.starts[line - 1] + int(found["column"]) - 1
    return error("settings", f"not TOML: {found['what']}", Span(source, start, start + 1))


def _places(source: Source) -> dict[tuple[str, ...], Span]:
    """Where each key and each table is written first; TOML's own reader keeps no places."""
    places: dict[tuple[str, ...], Span] = {}
    table: list[str] = []
    for number, start in enumerate(source.starts, 1):
        line = source.line(number)
        header = _TABLE.match(line)
        found = header or _ENTRY.match(line)
        if not found:
            continue
        names = _parts(found[1])
        table = names if header else table
        place = Span(source, start + found.start(1), start + found.end(1))
        places.setdefault(tuple(names if header else table + names), place)
    return places


def _parts(dotted: str) -> list[str]:
    return ["".join(part.groups(default="")) for part in _PART.finditer(dotted)]
