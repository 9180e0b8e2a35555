"""Images that a pipeline names: project files, URLs, data: URIs, asset keys, and what an input or an axis gives."""

import base64
import binascii
import re

from flowrunner.artifact import SUFFIXES, Artifact, unseen
from flowrunner.call import File, Link
from flowrunner.digest import sha256
from flowrunner.errors import FlowError, RunRefused
from flowrunner.files import IMAGE_LIMIT, Away, FileProblem, Files, NoFile, join, nearby
from flowrunner.imagehead import artifact, simulated
from flowrunner.slotted import dataclass, field
from flowrunner.store.objects import Absent, Objects


class NoImage(FlowError):
    """A text that names no usable image."""

    exit_code = 2


class _NotThere(NoImage):
    """Nothing lies at the path that a text names."""


class Missing(FlowError):
    """Bytes that a call needs are not at hand."""

    exit_code = 3


class Pretended(RunRefused):
    """A picture that a simulator made, in a live run: it is neither sent nor published as a real one."""

    def __init__(self, name: str) -> None:
        message = f"{name} carries the mark of the simulator, and this is a live run"
        super().__init__(message, "put a real picture in its place, or run with --simulate", command="run --simulate")


@dataclass(slots=True)
class Images:
    """Looks images up, and remembers where their bytes are: a performer asks by digest."""

    files: Files
    paths: dict[str, str] = field(default_factory=dict)
    """sha256 to a path from the project root."""
    inline: dict[str, bytes] = field(default_factory=dict)
    """sha256 to the bytes of a data: URI, or of an image that was given and lies outside the project."""
    marked: set[str] = field(default_factory=set)
    """sha256 of those that a simulator made, as far as they were read here."""
    _known: dict[str, Artifact] = field(default_factory=dict)
    _missed: int = 0

    def named(self, text: str, home: str) -> Artifact | Link:
        """The image that a text names which is written in the file `home`. NoImage with a sentence otherwise."""
        bare = next((kind for start, kind in _BARE.items() if text.startswith(start) and len(text) > _SHORTEST), None)
        if bare:
            shown = f"data:image/{bare};base64,{text[:12]}…"
            raise NoImage("this is base64 without its data: prefix", f"write {shown}")
        lower = text[:16].lower()
        if lower.startswith(("https://", "http://")):
            return Link(text)
        if text.startswith("asset:"):
            if not text.removeprefix("asset:").strip():
                raise NoImage("asset: names no key", "write asset:KEY with the key that the asset API gave")
            return Link(text)
        if lower.startswith("data:"):
            return self._data(text)
        if scheme := _SCHEME.match(text):
            raise NoImage(f"an image is not taken from {scheme[0]}…", "write https://…, or the path of a file")
        try:
            return self.at(join(home, text))
        except (FileProblem, _NotThere) as fault:
            hint = f"an asset of 1min.ai is written asset:{text}" if _STAMPED.fullmatch(text) else fault.hint
            near = self._nearby(text, home) if not hint and isinstance(fault, _NotThere) else ""
            raise NoImage(fault.message, hint or near or _WRITTEN) from None

    def _nearby(self, text: str, home: str) -> str:
        """What may be meant; looked for a few times only, in folders that may be large."""
        self._missed += 1
        return nearby(self.files, text, home, _ENDINGS) if self._missed <= _MISSED else ""

    def at(self, path: str) -> Artifact:
        """The image at a path from the project root."""
        try:
            digest = self.files.digest(path)
            if path not in self._known or self._known[path].sha256 != digest:
                # Hashed once: whoever sends or publishes what was read here hashes it again.
                self._known[path] = self._judged(self.files.read(path, IMAGE_LIMIT), digest)
        except Away as away:
            self._known[path] = unseen(away.digest)
        except NoFile as fault:
            raise _NotThere(fault.message, fault.hint) from None
        except FlowError as fault:
            message = fault.message if path in fault.message else f"{path}: {fault.message}"
            raise NoImage(message, fault.hint) from None
        found = self._known[path]
        self.paths[found.sha256] = path
        return found

    def take(self, data: bytes) -> Artifact:
        """An image whose bytes are here, and in no file of the project."""
        found = self._judged(data)
        self.inline[found.sha256] = data
        return found

    def file(self, text: str, home: str) -> File:
        """Another input file (a font) that a text names."""
        path = join(home, text)
        digest = self.files.digest(path)
        self.paths[digest] = path
        return File(digest)

    def _data(self, text: str) -> Artifact:
        head, _, body = text.partition(",")
        if not head.lower().startswith("data:image/") or not head.lower().endswith(";base64"):
            raise NoImage("a data: URI of an image begins with data:image/png;base64,")
        try:
            data = base64.b64decode(body, validate=True)
            return self.take(data)
        except binascii.Error:
            raise NoImage("the data: URI is not base64") from None
        except FlowError as fault:
            raise NoImage(f"the data: URI: {fault.message}", fault.hint) from None

    def _judged(self, data: bytes, digest: str = "") -> Artifact:
        found = artifact(data, digest)
        if simulated(data):
            self.marked.add(found.sha256)
        return found


_BARE = {"iVBORw0KGgo": "png", "/9j/": "jpeg", "UklGR": "webp"}
"""How PNG, JPEG and WEBP files begin as base64."""
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,20}://")
_STAMPED = re.compile(r"([^/]+/)*images/\d{4}(_\d+)+_[^/]+")
"""An asset's key as 1min.ai's own pages write it: development/images/2025_12_04_18_10_29_882_cat.png."""
_WRITTEN = "write a path relative to this file, a URL, or a $ reference"
_ENDINGS = (*(f".{suffix}" for suffix in SUFFIXES.values()), ".jpeg")
_MISSED = 20
"""Images that are not there for which another one is looked for."""
_SHORTEST = 40
"""Characters: no picture is shorter, and hardly a path that begins so is longer."""


def read(leaf: Artifact | File, images: Images, objects: Objects, *, live: bool) -> bytes:
    """The bytes of a project's file, a data: URI or a result, hashed anew. Missing or Damaged where they are not, and
    Pretended where a `live` run would take a simulated picture for a real one."""
    data = _bytes(leaf, images, objects)
    if live and isinstance(leaf, Artifact) and simulated(data):
        raise Pretended(images.paths.get(leaf.sha256, f"picture {leaf.sha256[:12]}"))
    return data


def _bytes(leaf: Artifact | File, images: Images, objects: Objects) -> bytes:
    if leaf.sha256 in images.inline:
        return images.inline[leaf.sha256]
    path = images.paths.get(leaf.sha256)
    if path is not None:
        data = images.files.read(path, IMAGE_LIMIT)
        if sha256(data) == leaf.sha256:
            return data
        raise Missing(f"{path} changed while the run was going on", "run again")
    try:
        return objects.read(leaf.sha256)
    except Absent:
        raise Missing(f"picture {leaf.sha256[:12]} is not in the store") from None
