"""A lock's values to records: each section, each entry, with a problem for whatever does not fit."""

import re
from collections.abc import Sequence
from typing import Any

from flowrunner import money
from flowrunner.artifact import SUFFIXES, Artifact
from flowrunner.loading.fields import Fields
from flowrunner.nodes import ListNode, MapNode, Node, Scalar, plain
from flowrunner.problems import Problem, error
from flowrunner.slotted import dataclass, field, replace
from flowrunner.source import Span
from flowrunner.store.locked import Acceptance, Lock, LockedCell, LockedSample, Pick
from flowrunner.store.locktext import VERSION

SECTIONS = ("inputs", "picks", "accepts", "models", "cells")

_HEX = re.compile(r"[0-9a-f]{64}")
_SIZE = re.compile(r"([1-9][0-9]{0,6})x([1-9][0-9]{0,6})")
PAID = "what was paid for here is found again in the ledger"
_ADVICE = {
    "cells": f"keep the lines of one side, or delete both: {PAID}",
    "picks": "keep the line of one side",
    "accepts": "keep the line of one side",
}


def conflict(section: str, name: str, versions: str, span: Span) -> Problem:
    """An entry of a section that two branches changed; `versions` says where they stand."""
    message = f"{name} was changed on both sides of a merge: {versions}"
    return about(error("lock-conflict", message, span, _ADVICE.get(section, "keep one of them")), section, name)


def whole(root: Node, fields: Fields) -> Lock:
    """The lock of a document; empty where it is none of ours."""
    found = Found()
    if not isinstance(root, MapNode):
        fields.add("lock", "a lock is a mapping that begins with lock: 1", root.span)
    elif "lock" not in root.entries:
        fields.add("lock", "a lock begins with lock: 1", root.span)
    elif is_ours(root.entries["lock"], fields):
        fields.known(root, ("lock", *SECTIONS), "a lock")
        for name, node in root.entries.items():
            if name in SECTIONS:
                section(name, node, fields, found)
    return found.lock()


def is_ours(version: Node, fields: Fields) -> bool:
    """Whether this version of flowrunner reads a lock that says this."""
    if isinstance(version, Scalar) and version.value == VERSION and type(version.value) is int:
        return True
    message = f"this lock is of version {version.span.text}; this flowrunner reads version {VERSION}"
    fields.add("lock-version", message, version.span, "use the flowrunner that wrote it")
    return False


@dataclass(slots=True)
class Found:
    """The parts of a lock as they are read."""

    inputs: dict[str, Any] = field(default_factory=dict)
    picks: dict[str, Pick] = field(default_factory=dict)
    accepts: dict[str, Acceptance] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    cells: dict[str, LockedCell] = field(default_factory=dict)

    def lock(self) -> Lock:
        return Lock(inputs=self.inputs, picks=self.picks, accepts=self.accepts, models=self.models, cells=self.cells)


# One section, one entry


def section(name: str, node: Node, fields: Fields, found: Found) -> None:
    if isinstance(node, Scalar) and node.value is None:
        return
    entries = fields.mapping(node, name)
    for key, entry in entries.entries.items() if entries else ():
        before = len(fields.problems)
        _entry(name, key, entry, fields, found)
        fields.problems[before:] = [about(problem, name, key) for problem in fields.problems[before:]]


def about(problem: Problem, section: str, key: str) -> Problem:
    """A problem of an entry, with the cell that the entry is about."""
    return replace(problem, cells=(key,)) if section in _ADVICE else problem


def _entry(section: str, key: str, node: Node, fields: Fields, found: Found) -> None:
    if section == "inputs":
        if isinstance(node, Scalar):
            found.inputs[key] = node.value
        else:
            fields.add("type", f"input {key} is one value", node.span)
    elif section == "models":
        digest = _digest(node, f"the schema of {key}", fields)
        if digest:
            found.models[key] = digest
    elif section == "picks":
        pick = _pick(node, key, fields)
        if pick:
            found.picks[key] = pick
    elif section == "accepts":
        accepted = _acceptance(node, key, fields)
        if accepted:
            found.accepts[key] = accepted
    else:
        cell = _cell(node, key, fields)
        if cell:
            found.cells[key] = cell


def _pick(node: Node, cell: str, fields: Fields) -> Pick | None:
    mapping = fields.mapping(node, f"the pick of {cell}")
    if mapping is None:
        return None
    before = len(fields.problems)
    fields.known(mapping, ("image", "digest", "by", "why", "for"), "a pick")
    entries = mapping.entries
    image = _image_number(entries.get("image"), mapping, fields)
    digest = _digest(entries["digest"], "digest", fields) if "digest" in entries else ""
    for_ = _hex(entries["for"], "for", fields) if "for" in entries else ""
    by, why = (fields.text(entries[name], name) if name in entries else "" for name in ("by", "why"))
    if len(fields.problems) > before:
        return None
    return Pick(image=image, digest=digest or "", by=by or "", why=why or "", for_=for_ or "")


def _acceptance(node: Node, cell: str, fields: Fields) -> Acceptance | None:
    what = f"the acceptance of {cell}"
    mapping = fields.mapping(node, what)
    if mapping is None or not _complete(mapping, ("stands", "for"), what, fields, ("by", "why")):
        return None
    entries = mapping.entries
    stands, for_ = (_hex(entries[name], name, fields) for name in ("stands", "for"))
    by, why = (fields.text(entries[name], name) if name in entries else "" for name in ("by", "why"))
    if stands is None or for_ is None or by is None or why is None:
        return None
    return Acceptance(stands=stands, for_=for_, by=by, why=why)


def _image_number(node: Node | None, pick: MapNode, fields: Fields) -> int | None:
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    if value != "none":
        place = node.span if node else pick.span
        fields.add("pick", "a pick says image: N, counted from 1, or image: none", place, "as in {image: 3}")
    return None


def _cell(node: Node, name: str, fields: Fields) -> LockedCell | None:
    if isinstance(node, Scalar) and node.value is None:
        fields.problems.append(conflict("cells", name, "nothing is left of it here", node.span))
        return None
    mapping = fields.mapping(node, f"cell {name}")
    if mapping is None or not _complete(mapping, ("model", "with", "samples", "key"), f"cell {name}", fields):
        return None
    before = len(fields.problems)
    model = fields.text(mapping.entries["model"], "model")
    params = fields.mapping(mapping.entries["with"], "with")
    samples = _samples(mapping.entries["samples"], name, fields)
    key = _hex(mapping.entries["key"], "key", fields)
    if model is None or params is None or key is None or len(fields.problems) > before:
        return None
    return LockedCell(cell=name, model=model, with_=plain(params), samples=samples, key=key)


def _samples(node: Node, cell: str, fields: Fields) -> tuple[LockedSample, ...]:
    if not isinstance(node, ListNode):
        fields.add("type", "samples is a list", node.span)
        return ()
    found: dict[str, list[Span]] = {}
    samples = []
    for item in node.items:
        sample = _sample(item, fields)
        if sample is not None:
            found.setdefault(sample.key, []).append(item.span)
            samples.append(sample)
    repeated = [spans for spans in found.values() if len(spans) > 1]
    if repeated:
        lines = ", ".join(" and ".join(str(span.line) for span in spans) for spans in repeated)
        fields.problems.append(conflict("cells", cell, f"the same samples at lines {lines}", repeated[0][1]))
    return tuple(samples)


def _sample(node: Node, fields: Fields) -> LockedSample | None:
    mapping = fields.mapping(node, "a sample")
    if mapping is None or not _complete(mapping, ("images", "key"), "a sample", fields, ("paid_usd",)):
        return None
    images = mapping.entries["images"]
    if not isinstance(images, ListNode):
        fields.add("type", "images is a list", images.span)
        return None
    read = [_image(item, fields) for item in images.items]
    key = _hex(mapping.entries["key"], "key", fields)
    paid = _paid(mapping.entries.get("paid_usd"), fields)
    if key is None or any(image is None for image in read):
        return None
    return LockedSample(key=key, images=tuple(image for image in read if image), paid=paid)


def _image(node: Node, fields: Fields) -> Artifact | None:
    mapping = fields.mapping(node, "an image")
    if mapping is None or not _complete(mapping, ("sha256", "type", "size"), "an image", fields, ("bytes", "pixels")):
        return None
    entries = mapping.entries
    sha256 = _hex(entries["sha256"], "sha256", fields)
    media_type = fields.one_of(entries["type"], "type", SUFFIXES)
    size = _SIZE.fullmatch(str(plain(entries["size"])))
    if size is None:
        fields.add("type", "size is WIDTHxHEIGHT in pixels", entries["size"].span)
    length = fields.integer(entries["bytes"], "bytes", 1, 2**40) if "bytes" in entries else 0
    pixels = _digest(entries["pixels"], "pixels", fields) if "pixels" in entries else None
    if sha256 is None or media_type is None or size is None:
        return None
    width, height = int(size[1]), int(size[2])
    return Artifact(sha256=sha256, media_type=media_type, width=width, height=height, bytes=length or 0, pixels=pixels)


def _complete(node: MapNode, needed: Sequence[str], what: str, fields: Fields, optional: Sequence[str] = ()) -> bool:
    fields.known(node, (*needed, *optional), what)
    missing = [name for name in needed if name not in node.entries]
    if missing:
        fields.add("lock", f"{what} lacks {', '.join(missing)}", node.span)
    return not missing


def _paid(node: Node | None, fields: Fields) -> int | None:
    if node is None:
        return None
    text = fields.text(node, "paid_usd")
    try:
        return None if text is None else money.parse(text)
    except ValueError as fault:
        fields.add("type", str(fault), node.span)
        return None


def _digest(node: Node, what: str, fields: Fields) -> str | None:
    value = plain(node)
    if isinstance(value, str) and _HEX.fullmatch(value.removeprefix("sha256:")) and value.startswith("sha256:"):
        return value.removeprefix("sha256:")
    fields.add("digest", f"{what} is sha256: and 64 hexadecimal digits", node.span)
    return None


def _hex(node: Node, what: str, fields: Fields) -> str | None:
    value = plain(node)
    if isinstance(value, str) and _HEX.fullmatch(value):
        return value
    fields.add("digest", f"{what} is 64 hexadecimal digits", node.span)
    return None
