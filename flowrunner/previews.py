"""Small pictures beside the lock, `NAME.previews/<cell>.webp`: what a pull request shows in its own view.

Each names the digest of the picture that it was made of, in its metadata. While that is the picked one the file stays
as it is, whatever encoder would write it otherwise today.
"""

import io
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from flowrunner import imagehead
from flowrunner.artifact import Artifact
from flowrunner.errors import FlowError
from flowrunner.graph import FromCell, Graph
from flowrunner.slotted import dataclass
from flowrunner.store.bounds import Bounds
from flowrunner.store.durable import make_folder, replace
from flowrunner.store.objects import plain_bytes

if TYPE_CHECKING:
    from flowrunner.ended import CellResult

Read = Callable[[Artifact], bytes]
Shown = Mapping[str, Artifact | None]
"""The picked picture of each cell; None where there is none any more. A cell that is not named keeps what it has."""

_QUALITY = 80
_PACKET = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:source="sha256:{}"/>'
    "</rdf:RDF></x:xmpmeta>"
)
_SOURCE = re.compile(rb'dc:source="sha256:([0-9a-f]{64})"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Previews:
    """The previews of one lock. `side` is the longest in pixels, None where the pipeline asks for no previews; `root`
    the project's, out of which no link may lead. Whoever writes holds a lock over the folder."""

    folder: Path
    root: Path
    side: int | None
    read: Read

    def write(self, graph: Graph, shown: Shown) -> list[str]:
        """Makes what is not there, and removes what no cell gives any more; the files that changed, from the folder.
        What has no bytes here, or cannot be decoded, is left as it is. OSError."""
        cells = _cells(graph) if self.side else []
        pictures = {f"{name}.webp": shown.get(name) for name in cells if name in shown}
        kept = {f"{name}.webp" for name in cells if name not in shown}
        changed = [place for place, artifact in pictures.items() if artifact and self._made(place, artifact)]
        kept |= {place for place, artifact in pictures.items() if artifact}
        return changed + [place for place in self._ours() if place not in kept and self._removed(place)]

    def _made(self, place: str, artifact: Artifact) -> bool:
        path = self.folder / place
        if self._is_of(path, artifact) or not self._reaches(path):
            return False
        with suppress(FlowError):
            data = preview(self.read(artifact), self.side or 0, artifact.sha256)
            make_folder(path.parent, shared=True)
            replace(path, data)
            return True
        return False

    def _is_of(self, path: Path, artifact: Artifact) -> bool:
        """Whether a file is a preview of this picture and of the size that is asked for."""
        data = _bytes(path)
        try:
            head = imagehead.head(data)
        except imagehead.BadImage:
            return False
        size = _scaled(artifact.width, artifact.height, self.side or 0)
        return made_of(data) == artifact.sha256 and size == (head.width, head.height)

    def _ours(self) -> Iterator[str]:
        """The previews that lie here; a file that says nothing of where it comes from is somebody else's."""
        for path in sorted(self.folder.rglob("*.webp")):
            if made_of(_bytes(path)):
                yield path.relative_to(self.folder).as_posix()

    def _reaches(self, path: Path) -> bool:
        """Whether no link leads a file out of the previews, or these out of the project."""
        return Bounds(self.folder, self.root).left_by(path.parent) is None

    def _removed(self, place: str) -> bool:
        path = self.folder / place
        if not self._reaches(path):
            return False
        path.unlink(missing_ok=True)
        for folder in (path.parent, *path.parent.parents):
            if not folder.is_relative_to(self.folder) or any(folder.iterdir()):
                break
            folder.rmdir()
        return True


def folder_of(lock: Path) -> Path:
    """`show.previews` beside `show.lock.yaml`."""
    return lock.with_name(f"{lock.name.removesuffix('.lock.yaml')}.previews")


def shown(results: "Mapping[str, CellResult]") -> dict[str, Artifact | None]:
    """What a run shows: the picked pictures; nothing of cells that wait for a choice or that their `when` leaves out.
    A cell that did not come to its end is not named."""
    return {
        name: result.candidates[result.picked - 1] if result.picked else None
        for name, result in results.items()
        if result.ended_well
    }


def preview(data: bytes, side: int, digest: str) -> bytes:
    """A picture as WebP in sRGB, its longest side `side` pixels at most, upright, its transparency kept. OperationError
    for what cannot be decoded."""
    from PIL import Image

    from flowrunner.decoding import know_webp
    from flowrunner.imaging.picture import decode

    know_webp()
    image = decode(data)
    size = _scaled(image.width, image.height, side)
    small: Image.Image = image if size == image.size else image.resize(size, Image.Resampling.LANCZOS)
    small.info.clear()
    out = io.BytesIO()
    small.save(out, "WEBP", quality=_QUALITY, method=4, xmp=_PACKET.format(digest).encode())
    return out.getvalue()


def made_of(data: bytes) -> str:
    """The digest of the picture that a preview was made of; empty for what is none."""
    found = _SOURCE.search(data) if data[8:12] == b"WEBP" else None
    return found[1].decode() if found else ""


def _cells(graph: Graph) -> list[str]:
    """The cells that the outputs name; all of them where there are no outputs."""
    specs = graph.pipeline.outputs.values()
    targets = [target for spec in specs for target, _ in graph.output(spec)]
    return list(dict.fromkeys(one.cell for one in targets if isinstance(one, FromCell))) if specs else list(graph.cells)


def _scaled(width: int, height: int, side: int) -> tuple[int, int]:
    longest = max(width, height)
    if longest <= side:
        return width, height
    return max(1, round(width * side / longest)), max(1, round(height * side / longest))


def _bytes(path: Path) -> bytes:
    """A plain file's bytes, none for anything else."""
    try:
        return plain_bytes(path) or b""
    except OSError:
        return b""
