"""Judging: the verdict of a check on a picture, found once and remembered by what was compared."""

import json
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from flowrunner.artifact import Artifact
from flowrunner.binding import BoundCheck
from flowrunner.checks.clearing import FOLDER, GUARD
from flowrunner.checks.measures import Heat, Measured, Subject, measure
from flowrunner.checks.verdict import Result, Verdict
from flowrunner.digest import tagged
from flowrunner.errors import FlowError, StoreError
from flowrunner.imaging.errors import OperationError
from flowrunner.imaging.picture import decode
from flowrunner.slotted import dataclass, field
from flowrunner.store.durable import make_folder, replace
from flowrunner.store.flocks import held

if TYPE_CHECKING:
    from PIL.Image import Image

VERSION = 1
"""Rises when the same check on the same pictures finds another value, or is drawn in another way."""
_DECODED = 3
"""Pictures that are held decoded: the one that is judged, the one it is compared with, and a mask."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What is remembered of a measurement."""

    holds: bool
    words: str
    heatmap: bool = False


def _unheard(_: Path) -> None:
    """Nobody wants to know."""


@dataclass(slots=True, kw_only=True)
class Judge:
    """Judges pictures. `keep` says whether what is found is written below the state, with a heat map of each check
    that is about pixels: whoever only looks writes nothing. It may be asked from any thread, and does one thing at a
    time, so that large pictures do not fill the memory together."""

    state: Path
    root: Path
    read: Callable[[Artifact], bytes]
    """The bytes of a picture; a FlowError where they are not here."""
    keep: bool
    looked: Callable[[Path], None] = _unheard
    """Hears of every file below the state that is looked at."""
    _known: dict[str, _Found] = field(default_factory=dict)
    _lacking: dict[str, str] = field(default_factory=dict)
    """Why a picture could not be looked at: asked for again, it may be there."""
    _decoded: "OrderedDict[str, Image]" = field(default_factory=OrderedDict)
    _turn: Any = field(default_factory=Lock)

    def verdict(self, check: BoundCheck, artifact: Artifact) -> Verdict:
        """What comes of a check. Bytes that are not here give a verdict that says so."""
        key = _key(check, artifact)
        with self._turn:
            found = self._remembered(key)
            if found is None or (self.keep and found.heatmap and not self._place(key).with_suffix(".webp").exists()):
                try:
                    found = self._found(key, check, artifact)
                except FlowError as fault:
                    self._lacking[key] = fault.message
                    return _missing(check, fault.message)
        return self._told(check, key, found)

    def known(self, check: BoundCheck, artifact: Artifact) -> Verdict:
        """The same without looking at a picture: what was not found before is missing."""
        key = _key(check, artifact)
        found = self._remembered(key)
        if found is None:
            return _missing(check, self._lacking.get(key, "not judged yet"))
        return self._told(check, key, found)

    def _told(self, check: BoundCheck, key: str, found: _Found) -> Verdict:
        result = Result.PASS if found.holds else Result(check.level.value)
        path = self._place(key).with_suffix(".webp")
        self.looked(path)
        shown = path.relative_to(self.root).as_posix() if found.heatmap and path.exists() else ""
        return Verdict(check=check.name, level=check.level, result=result, measured=found.words, heatmap=shown)

    def _found(self, key: str, check: BoundCheck, artifact: Artifact) -> _Found:
        subject = Subject(artifact=artifact, read=self.read, decoded=self._picture)
        try:
            measured = measure(check.name, check.params, subject)
        except OperationError as fault:
            measured = Measured(holds=False, words=fault.message)
        found = _Found(measured.holds, measured.words, measured.heat is not None)
        self._known[key] = found
        if self.keep:
            self._write(key, found, check, subject, measured.heat)
        return found

    def _picture(self, artifact: Artifact) -> "Image":
        image = self._decoded.get(artifact.sha256)
        if image is None:
            image = self._decoded[artifact.sha256] = decode(self.read(artifact))
            while len(self._decoded) > _DECODED:
                self._decoded.popitem(last=False)
        self._decoded.move_to_end(artifact.sha256)
        return image

    def _place(self, key: str) -> Path:
        return self.state / FOLDER / key[:2] / f"{key[2:24]}.json"

    def _remembered(self, key: str) -> _Found | None:
        if key not in self._known:
            place = self._place(key)
            self.looked(place)
            try:
                record = json.loads(place.read_bytes())
                self._known[key] = _Found(bool(record["holds"]), str(record["measured"]), bool(record["heatmap"]))
            except (OSError, ValueError, LookupError, TypeError):
                return None
        return self._known[key]

    def _write(self, key: str, found: _Found, check: BoundCheck, subject: Subject, heat: Heat | None) -> None:
        """The heat map first: what is remembered speaks of one that is there. A disk that takes nothing ends no run:
        the pictures are paid for, and can be judged again."""
        place = self._place(key)
        record: dict[str, object] = {"holds": found.holds, "measured": found.words, "heatmap": found.heatmap}
        record["picture"] = subject.artifact.sha256  # with which it is cleared away
        with suppress(OSError, StoreError):
            make_folder(place.parent)
            with held(self.state / GUARD):
                if heat is not None:
                    from flowrunner.checks.heatmap import draw

                    replace(place.with_suffix(".webp"), draw(subject.image, heat, f"{check.name}: {found.words}"))
                replace(place, json.dumps(record).encode())


def _key(check: BoundCheck, artifact: Artifact) -> str:
    return tagged("verdict/1", [VERSION, check.key, artifact.sha256])


def _missing(check: BoundCheck, reason: str) -> Verdict:
    return Verdict(check=check.name, level=check.level, result=Result.MISSING, measured=reason)
