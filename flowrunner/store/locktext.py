"""Writing a lock: one small set of shapes, sorted, the same bytes for the same lock on every machine.

Its layout follows from how git's union merge works. It takes runs of more than three equal lines out of a conflict, and
so would weave two new cells together whose parameters stood on lines of their own: each `with` and each sample is one
line. And it calls a conflict what changes on both sides without a line between that both kept: each entry begins and
ends with a line of its own that stays when the entry changes, so that neighbours may be changed by different people.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

from flowrunner import money
from flowrunner.artifact import Artifact
from flowrunner.loading.document import EXACT
from flowrunner.store.locked import Acceptance, Lock, LockedCell, LockedSample, Pick

VERSION = 1

# Ranges, not `\w` or `isprintable`: what those take changes with Python's Unicode tables, and locks must not.
_HIDDEN = (
    "\x00-\x1f\x7f-\xa0\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff"
    "\U000e0000-\U000e0fff"
)
_ESCAPED = re.compile(rf'["\\{_HIDDEN}]')
_PLAIN = re.compile(
    rf"(?:[A-Za-z0-9_/(]|[^\x00-\x7f{_HIDDEN}])"
    rf"(?:[A-Za-z0-9_/()\-.+$%@!;'=&*~^ ]|[^\x00-\x7f{_HIDDEN}]|:(?=[^ ]))*(?<! )"
)
"""Text that every YAML reader takes as it stands, in lists and mappings on one line, too, unless it means a value."""
# What YAML 1.1 and 1.2 readers take for numbers, times and dates.
_VALUE = re.compile(r"[0-9][0-9_:.,\- TtZz+]*|0[xob][0-9A-Fa-f_]+|[0-9][0-9_.]*[eE][-+]?[0-9]+", re.ASCII)
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
_NAMED = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


Written: TypeAlias = dict[str, tuple[LockedCell, str]]
"""The text of cells that were written before, by their ids."""


def dump(lock: Lock, known: Written | None = None) -> str:
    """The lock as YAML text. `known` is kept up to date, and saves writing again what has not changed."""
    return "".join(_parts(lock, {} if known is None else known))


def _parts(lock: Lock, known: Written) -> Iterator[str]:
    yield f"lock: {VERSION}\n"
    yield from _section("inputs", {name: flow(value) for name, value in lock.inputs.items()})
    yield from _choices("picks", {cell: flow(_pick(pick)) for cell, pick in lock.picks.items()})
    yield from _choices("accepts", {cell: flow(_acceptance(one)) for cell, one in lock.accepts.items()})
    yield from _section("models", {model: f"sha256:{digest}" for model, digest in lock.models.items()})
    if lock.cells:
        yield "cells:\n"
    for name in sorted(lock.cells):
        cell = lock.cells[name]
        if name not in known or known[name][0] is not cell:
            known[name] = cell, written(cell)
        yield known[name][1]


def _section(name: str, entries: Mapping[str, str]) -> Iterator[str]:
    if entries:
        yield f"{name}:\n"
    for key in sorted(entries):
        yield f"  {text(key)}: {entries[key]}\n"


def _choices(name: str, entries: Mapping[str, str]) -> Iterator[str]:
    """What people say of cells: each between two lines that stay when it changes."""
    if entries:
        yield f"{name}:\n"
    for key in sorted(entries):
        yield f"  {text(key)}:\n    {entries[key]}\n{_end(key)}\n"


def _end(name: str) -> str:
    return f"    # end of {text(name)}"


def written(cell: LockedCell) -> str:
    """The lines of one cell."""
    return "".join(f"{line}\n" for line in _cell(cell))


def _cell(cell: LockedCell) -> Iterator[str]:
    yield f"  {text(cell.cell)}:"
    yield f"    model: {text(cell.model)}"
    yield f"    with: {flow(ordered(cell.with_))}"
    yield "    samples:" if cell.samples else "    samples: []"
    for sample in cell.samples:
        yield f"      - {flow(_sample(sample))}"
    yield f"    key: {text(cell.key)}"
    yield _end(cell.cell)


def _pick(pick: Pick) -> dict[str, Any]:
    digest = f"sha256:{pick.digest}" if pick.digest else ""
    image = "none" if pick.image is None else pick.image
    said = {"digest": digest, "by": pick.by, "why": pick.why, "for": pick.for_}
    return {"image": image} | {key: value for key, value in said.items() if value}


def _acceptance(one: Acceptance) -> dict[str, Any]:
    said = {"why": one.why, "by": one.by, "stands": one.stands, "for": one.for_}
    return {key: value for key, value in said.items() if value}


def _sample(sample: LockedSample) -> dict[str, Any]:
    paid = {} if sample.paid is None else {"paid_usd": money.text(sample.paid)}
    return {"images": [_image(image) for image in sample.images], **paid, "key": sample.key}


def _image(image: Artifact) -> dict[str, Any]:
    record = image.as_json()
    if not image.bytes:
        del record["bytes"]
    return record | ({"pixels": f"sha256:{image.pixels}"} if image.pixels else {})


def ordered(value: Any) -> Any:
    """Mappings in the order of their keys; the shapes above have an order of their own."""
    if isinstance(value, (str, int)):
        return value
    if isinstance(value, (dict, Mapping)):
        return {key: ordered(value[key]) for key in sorted(value)}
    return [ordered(item) for item in value] if _is_list(value) else value


def flow(value: Any) -> str:
    """A JSON value on one line, mappings in the order they have."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, (dict, Mapping)):
        return "{" + ", ".join([f"{_name(key)}: {flow(item)}" for key, item in value.items()]) + "}"
    return "[" + ", ".join(map(flow, value)) + "]" if _is_list(value) else _number(value)


def text(value: str) -> str:
    """A text: plain where everyone reads it as that text, else in double quotes with nothing hidden in it."""
    if _PLAIN.fullmatch(value) and not _means_something(value):
        return value
    return '"' + _ESCAPED.sub(lambda found: _escape(found[0]), value) + '"'


_name = lru_cache(maxsize=1024)(text)
"""The names of parameters: few, and written often."""


def _means_something(value: str) -> bool:
    return value.lower() in _WORDS or bool(_VALUE.fullmatch(value)) or value.startswith("data:")


def _number(value: float | bool | None) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    whole = int(value) if value == int(value) else value
    # The reader takes no number that another reader might round: such a one is shown as text.
    return repr(whole) if abs(value) <= EXACT else f'"{whole!r}"'


def _escape(character: str) -> str:
    code = ord(character)
    if character in _NAMED:
        return _NAMED[character]
    return f"\\x{code:02X}" if code < 0x100 else f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, Sequence)) and not isinstance(value, str)
