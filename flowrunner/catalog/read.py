"""A model file: from its text to a `Model`, every mistake in it with its place."""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

from flowrunner import money
from flowrunner.catalog.model import Basis, Counted, Model, Per, Price
from flowrunner.errors import InvalidPipeline
from flowrunner.problems import Problem
from flowrunner.source import Source, Span
from flowrunner.spelling import nearest

_T = TypeVar("_T")
_Word = TypeVar("_Word", bound=StrEnum)
_ID = re.compile(r"[A-Za-z0-9][\w.:-]*(/[A-Za-z0-9][\w.:-]*)*", re.ASCII)
_PROVIDER = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_PATH = re.compile(r"(/[A-Za-z0-9_~-][\w.~-]*)*", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_KEYS = ("id", "provider", "title", "path", "send", "under", "request", "stricter")
_MORE_KEYS = ("images", "files", "count", "seed", "size", "price", "sources")
_DEEP = 100
_PRICE_KEYS = (
    "per",
    "first",
    "next",
    "counts",
    "input_cap",
    "named",
    "credit",
    "markup_percent",
    "basis",
    "source",
    "date",
)


class BadModel(ValueError):
    """What is wrong with a model's document, and where in it."""


def model(data: bytes, name: str, *, trusted: bool = False) -> Model:
    """The model that the file `name` holds. InvalidPipeline with one Problem where it holds none."""
    text = _decoded(data, name)
    record = _parsed(text, name)
    if _depth(record) > _DEEP:
        raise InvalidPipeline([_problem(f"it nests deeper than {_DEEP}", name)])
    try:
        return of(record, name, trusted=trusted)
    except ValueError as error:
        raise InvalidPipeline([_problem(str(error), name)]) from None


def _decoded(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidPipeline([_problem(f"byte {error.start + 1} is not UTF-8", name)]) from None


def _parsed(text: str, name: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_constant)
    except json.JSONDecodeError as error:
        span = Span(Source(name, text), error.pos, min(error.pos + 1, len(text)))
        problem = Problem(code="model-file", message=f"not JSON: {error.msg}", span=span)
        raise InvalidPipeline([problem]) from None
    except (ValueError, RecursionError) as error:
        reason = "it nests too deeply" if isinstance(error, RecursionError) else str(error)[:200]
        raise InvalidPipeline([_problem(f"not usable JSON: {reason}", name)]) from None


def _depth(record: Any) -> int:
    level, deep = [record], 0
    while level and deep <= _DEEP:
        parts = (item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list))
        level = [part for inner in parts for part in inner]
        deep += 1
    return deep


def _problem(message: str, name: str) -> Problem:
    return Problem(code="model-file", message=message, file=name, hint="see `flowrunner models show` for a model file")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        twice = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
        raise BadModel(f"the key {twice[:80]!r} stands twice in one object")
    return record


def _constant(text: str) -> Any:
    raise BadModel(f"{text} is no JSON number")


def of(record: Any, name: str = "", *, trusted: bool = False) -> Model:
    """The model that a document describes. BadModel, a ValueError, where it describes none; another ValueError where it
    holds what JSON or UTF-8 cannot."""
    if not isinstance(record, dict):
        raise BadModel("a model file holds one object")
    _known_keys(record, (*_KEYS, *_MORE_KEYS), "")
    if not trusted:  # half a character, or an infinite number, cannot be written again
        json.dumps(record, ensure_ascii=False, allow_nan=False).encode()
    found = Model(
        id=_get(record, "id", _matching(_ID)),
        provider=_get(record, "provider", _matching(_PROVIDER)),
        title=_get(record, "title", _text, ""),
        path=_get(record, "path", _matching(_PATH), ""),
        send=_get(record, "send", _mapping, {}),
        under=_get(record, "under", _text, None),
        request=_get(record, "request", _schema),
        stricter=_get(record, "stricter", _mapping, {}),
        images=_get(record, "images", _texts, ()),
        files=_get(record, "files", _texts, ()),
        count=_get(record, "count", _text, None),
        seed=_get(record, "seed", _text, None),
        size=_get(record, "size", _text, None),
        price=_get(record, "price", price, None),
        sources=_get(record, "sources", _sources, ()),
        file=name,
        trusted=trusted,
    )
    _names_fields(found)
    return found


def price(record: Any) -> Price:
    """A price as model files and settings write it: amounts are dollars as text. BadModel for what is none."""
    _known_keys(_mapping(record), _PRICE_KEYS, "price.")
    first = _get(record, "first", _dollars)
    return Price(
        per=_get(record, "per", _one_of(Per)),
        first=first,
        next=_get(record, "next", _dollars, first),
        counts=_get(record, "counts", lambda value: tuple(map(_one_of(Counted), _texts(value))), (Counted.OUTPUTS,)),
        input_cap=_get(record, "input_cap", _whole, None),
        named=_get(record, "named", lambda table: {str(k): _whole(v) for k, v in _mapping(table).items()}, {}),
        credit=_get(record, "credit", _dollars, 0),
        markup_percent=_get(record, "markup_percent", _whole, 0),
        basis=_get(record, "basis", _one_of(Basis), Basis.PUBLISHED),
        source=_get(record, "source", _text, ""),
        date=_get(record, "date", _matching(_DATE), ""),
    )


_REQUIRED: Any = object()


def _get(record: Mapping[str, Any], key: str, form: Callable[[Any], _T], otherwise: Any = _REQUIRED) -> _T:
    value = record.get(key)
    if value is None:
        if otherwise is _REQUIRED:
            raise BadModel(f"{key} is missing")
        absent: _T = otherwise
        return absent
    try:
        return form(value)
    except ValueError as error:
        raise BadModel(f"{key}: {error}") from None


def _known_keys(record: Mapping[str, Any], known: tuple[str, ...], place: str) -> None:
    for key in record:
        if key not in known:
            near = nearest(key, known)
            raise BadModel(f"{place}{key[:80]} is no key of a model file" + (f"; {near} is" if near else ""))


def _names_fields(found: Model) -> None:
    """Whatever the file says about parameters is about parameters of its schema."""
    for name in (*found.images, *found.files, found.count, found.seed, found.size, *found.required):
        if name is not None and name not in found.parameters:
            raise BadModel(f"request: {name} is named beside the schema but is no property of it")
    for name in found.send if found.under is None else (found.under,):
        if name in found.parameters:
            raise BadModel(f"request: {name} is set by the model file itself, so it cannot be a parameter")


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadModel("an object is needed here")
    return value


def _schema(value: Any) -> dict[str, Any]:
    properties = _mapping(value).get("properties", {})
    if value.get("type") != "object" or not isinstance(properties, dict):
        raise BadModel("a schema of type object with properties is needed here")
    if not all(isinstance(field, dict) for field in properties.values()):
        raise BadModel("each property needs a schema")
    required = value.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        raise BadModel("required is a list of names")
    return _mapping(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise BadModel("text is needed here")
    return value


def _one_of(words: type[_Word]) -> Callable[[Any], _Word]:
    def word(value: Any) -> _Word:
        if _text(value) not in list(words):
            raise BadModel(f"{value[:80]!r} is none of {', '.join(words)}")
        return words(value)

    return word


def _matching(form: re.Pattern[str]) -> Callable[[Any], str]:
    def matched(value: Any) -> str:
        if not form.fullmatch(_text(value)):
            raise BadModel(f"{value[:80]!r} does not have the form {form.pattern}")
        return str(value)

    return matched


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise BadModel("a list of texts is needed here")
    return tuple(_text(item) for item in value)


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 1000:
        raise BadModel("a whole number from 1 to 999 is needed here")
    return value


def _dollars(value: Any) -> money.Nano:
    return money.parse(_text(value))


def _sources(value: Any) -> tuple[Mapping[str, str], ...]:
    if not isinstance(value, list):
        raise BadModel("a list of sources is needed here")
    return tuple({str(key): _text(part) for key, part in _mapping(item).items()} for item in value)
