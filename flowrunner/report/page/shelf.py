"""The pictures of a page: small WebP copies that lie in the page itself, each of them once where it is large."""

import base64
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeAlias

from flowrunner.artifact import Artifact
from flowrunner.errors import FlowError
from flowrunner.report.page.html import Html, tag
from flowrunner.slotted import dataclass, field

if TYPE_CHECKING:
    from PIL.Image import Image

Read: TypeAlias = Callable[[Artifact], bytes | None]
"""Bytes that show a picture; None where there are none on this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """Where bytes come from: a picture itself, its preview beside the lock, a heat map by its path."""

    picture: Read
    preview: Read
    heat: Callable[[str], bytes | None]


_MINI = 112
_MOST_HEATS = 80
"""Heat maps on a page: a few are looked at, a thousand would only make it large."""
_MOST_LARGE = 160
"""Pictures of which there is a large copy; beyond it a page would grow without end."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy as a data: URI, with its size in pixels; `bytes` of the picture itself."""

    uri: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Copies:
    """All copies of one picture. `large` is None where the small one is as large as the picture, or the page full."""

    mini: Copy
    small: Copy
    large: Copy | None
    see_through: bool
    is_preview: bool
    """They are made of the preview beside the lock: the picture itself is elsewhere."""


@dataclass(slots=True)
class Shelf:
    """The copies of all pictures that a page shows, by digest. `put` comes before anything is shown."""

    supply: Supply
    name: str = ""
    """Tells the pictures of several shelves on one page apart."""
    copies: dict[str, Copies | None] = field(default_factory=dict)
    """None: the bytes are not here, or cannot be decoded."""
    _shown: dict[str, str] = field(default_factory=dict)
    _heats: int = 0

    def put(self, wanted: Iterable[Artifact]) -> None:
        """Makes the copies, those of the first pictures large as well. Pillow works without the interpreter's lock."""
        from concurrent.futures import ThreadPoolExecutor

        found = {one.sha256: one for one in wanted if one.sha256 not in self.copies}
        sizes = _sizes(len(found))
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            jobs = [(one, sizes, number < _MOST_LARGE) for number, one in enumerate(found.values())]
            for one, copies in zip(found.values(), pool.map(lambda job: self._copied(*job), jobs), strict=True):
                self.copies[one.sha256] = copies

    def has(self, artifact: Artifact | None) -> bool:
        return artifact is not None and self.copies.get(artifact.sha256) is not None

    def of(self, artifact: Artifact) -> Copies | None:
        return self.copies.get(artifact.sha256)

    @property
    def small_only(self) -> int:
        """Pictures that are larger than their largest copy here by far, because the page would grow too large."""
        return max(0, len(self.copies) - _MOST_LARGE)

    def heat(self, path: str, alt: str) -> Html | None:
        """A heat map, as it is, while there are few of them."""
        data = self.supply.heat(path) if path and self._heats < _MOST_HEATS else None
        if data is None:
            return None
        self._heats += 1
        uri = f"data:image/webp;base64,{base64.b64encode(data).decode('ascii')}"
        return tag("img", src=uri, alt=alt, decoding="async", loading="lazy")

    def mini(self, artifact: Artifact, alt: str) -> Html | None:
        copies = self.of(artifact)
        return None if copies is None else _img(copies.mini, alt, see_through=copies.see_through)

    def small(self, artifact: Artifact, alt: str) -> Html | None:
        copies = self.of(artifact)
        return None if copies is None else _img(copies.small, alt, see_through=copies.see_through)

    def large(self, artifact: Artifact, alt: str) -> Html | None:
        """The largest copy. It is written into the page once; where else it is shown, the script takes it there."""
        copies = self.of(artifact)
        if copies is None:
            return None
        copy = copies.large or copies.small
        name = self._shown.get(artifact.sha256)
        if name is None:
            name = self._shown[artifact.sha256] = f"i{self.name}-{len(self._shown)}"
            return _img(copy, alt, see_through=copies.see_through, id=name)
        return _img(copy, alt, see_through=copies.see_through, same_as=name)

    def shown_as(self, artifact: Artifact) -> str | None:
        """The id of the picture's large copy on the page, where it has one by now."""
        return self._shown.get(artifact.sha256)

    def _copied(self, artifact: Artifact, sizes: "tuple[int, int, int]", large: bool) -> Copies | None:
        from flowrunner.imaging import picture

        small, most, quality = sizes
        data = self.supply.picture(artifact)
        is_preview = data is None
        data = self.supply.preview(artifact) if data is None else data
        if data is None:
            return None
        try:
            image = picture.decode(data)
        except (FlowError, MemoryError):
            return None
        see_through = image.mode == "RGBA" and image.getchannel("A").histogram()[255] < image.width * image.height
        fits = max(image.size) <= small
        big = _copy(image, most / max(image.size), quality) if large and not fits else None
        lesser = _scaled(image, small * (0.75 / image.width / image.height) ** 0.5)
        mini = _copy(lesser, _MINI / max(lesser.size), quality)
        return Copies(mini, _copy(lesser, 1, quality), big, see_through, is_preview)


def _sizes(count: int) -> tuple[int, int, int]:
    """Longest sides of small copies (where 4:3; others get as many pixels) and of large ones, and the quality: the more
    pictures, the smaller."""
    if count <= 60:
        return 512, 1280, 80
    return (400, 1024, 76) if count <= 240 else (256, 800, 70)


def _copy(image: "Image", scale: float, quality: int) -> Copy:
    from flowrunner.imaging import picture

    copy = _scaled(image, scale)
    data = base64.b64encode(picture.encode(copy, "image/webp", quality)).decode("ascii")
    return Copy(f"data:image/webp;base64,{data}", *copy.size)


def _scaled(image: "Image", scale: float) -> "Image":
    """A smaller picture, or a copy of one that is small enough."""
    from PIL.Image import Resampling

    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Resampling.LANCZOS, reducing_gap=2.0) if scale < 1 else image.copy()


def _img(copy: Copy, alt: str, *, see_through: bool, id: str | None = None, same_as: str = "") -> Html:  # noqa: A002
    return tag(
        "img",
        id=id,
        class_="see-through" if see_through else None,
        src=None if same_as else copy.uri,
        data_same=same_as or None,
        width=copy.width,
        height=copy.height,
        alt=alt,
        decoding="async",
        loading="lazy",
    )
