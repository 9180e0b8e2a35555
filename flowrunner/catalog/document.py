"""A published API document as a JSON tree: from JSON, from YAML, or from a Markdown page that holds one."""

import json
import re
from collections.abc import Iterator
from typing import Any

from flowrunner.errors import InvalidPipeline
from flowrunner.problems import Problem
from flowrunner.source import Source, Span

LIMIT = 8 * 1024 * 1024
"""Bytes of a document."""
_DEEP = 100
_EVENTS = 200_000
_FENCE = re.compile(r"(`{3,}|~{3,})\s*(json5?|ya?ml)?\b.*")
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,18})")
_FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*([eE][-+]?[0-9]{1,2})?|[0-9]+[eE][-+]?[0-9]{1,2})")
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}


def documents(data: bytes, name: str) -> list[Any]:
    """The trees in a file: one of JSON or YAML; of a Markdown page each fenced block that holds an OpenAPI document.
    InvalidPipeline, with the place, where it can be read as none of them."""
    if len(data) > LIMIT:
        raise broken(f"it is larger than {LIMIT // 1024 // 1024} MiB", name)
    try:
        source = Source(name, data.decode("utf-8-sig").replace("\r\n", "\n"))
    except UnicodeDecodeError as error:
        raise broken(f"byte {error.start + 1} is not UTF-8", name) from None
    blocks = [block for block in _fenced(source.text) if re.search(r"\b(openapi|swagger)\b", block)]
    return [_tree(Source(name, block)) for block in blocks] or [_tree(source)]


def broken(message: str, name: str, span: Span | None = None) -> InvalidPipeline:
    return InvalidPipeline([Problem(code="openapi", message=message, span=span, file=name)])


def _fenced(text: str) -> Iterator[str]:
    """The fenced blocks of JSON or YAML, each after as many line feeds as keep its lines' numbers."""
    fence, first, block = "", 0, list[str]()
    for number, row in enumerate(text.split("\n")):
        opening = _FENCE.fullmatch(row.strip())
        if not fence and opening and opening[2]:
            fence, first, block = opening[1], number + 1, []
        elif fence and row.strip() == fence:
            yield "\n" * first + "\n".join(block)
            fence = ""
        elif fence:
            block.append(row)


def _tree(source: Source) -> Any:
    return _json(source) if source.text.lstrip()[:1] in ("{", "[") else _yaml(source)


def _json(source: Source) -> Any:
    try:
        tree = json.loads(source.text)
    except json.JSONDecodeError as error:
        span = Span(source, error.pos, min(error.pos + 1, len(source.text)))
        raise broken(f"not JSON: {error.msg}", source.name, span) from None
    except (ValueError, RecursionError):
        raise broken("not usable JSON: a number is too long or it nests too deeply", source.name) from None
    level, deep = [tree], 0
    while level:
        parts = (item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list))
        level, deep = [part for inner in parts for part in inner], deep + 1
        if deep > _DEEP:
            raise broken(f"it nests deeper than {_DEEP}", source.name)
    return tree


def _yaml(source: Source) -> Any:
    """Built from the parser's events in one loop: nothing recurses, so no depth can end the process."""
    import yaml
    from yaml.cyaml import CParser  # type: ignore[attr-defined]

    parser = CParser(source.text)
    try:
        return _built(parser, source)
    except yaml.MarkedYAMLError as error:
        at = min(error.problem_mark.index, len(source.text)) if error.problem_mark else 0
        raise broken(f"not YAML: {error.problem}", source.name, Span(source, at, at)) from None
    except yaml.reader.ReaderError as error:
        raise broken(f"not YAML: {error.reason}", source.name) from None
    finally:
        parser.dispose()


def _built(parser: Any, source: Source) -> Any:
    import yaml

    root: list[Any] = []
    open_: list[list[Any]] = [root]
    places: list[Span] = []
    for _ in range(_EVENTS):
        event = parser.get_event()
        if isinstance(event, yaml.StreamEndEvent):
            return root[0] if root else None
        if isinstance(event, yaml.AliasEvent):
            raise broken("YAML aliases are not taken in an API document", source.name, _span(source, event))
        if isinstance(event, yaml.ScalarEvent):
            open_[-1].append(_scalar(event))
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            open_.append([])
            places.append(_span(source, event))
            if len(open_) > _DEEP:
                raise broken(f"it nests deeper than {_DEEP}", source.name, places[-1])
        elif isinstance(event, yaml.MappingEndEvent):
            items, place = open_.pop(), places.pop()
            open_[-1].append(_mapping(items, source, place))
        elif isinstance(event, yaml.SequenceEndEvent):
            items, _ = open_.pop(), places.pop()
            open_[-1].append(items)
    raise broken("it has too many parts", source.name)


def _span(source: Source, event: Any) -> Span:
    return Span(source, min(event.start_mark.index, len(source.text)), min(event.end_mark.index, len(source.text)))


def _mapping(items: list[Any], source: Source, place: Span) -> dict[str, Any]:
    keys = items[::2]
    if any(isinstance(key, dict | list) for key in keys):
        raise broken("a mapping has a key that is no text", source.name, place)
    return dict(zip(map(str, keys), items[1::2], strict=True))


def _scalar(event: Any) -> Any:
    """Only true, false, null and decimal numbers are more than text, so that `16:9`, `no` and dates stay as written."""
    text: str = event.value
    if event.style or event.tag:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
