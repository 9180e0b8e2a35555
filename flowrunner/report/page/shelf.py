"""The pictures of a page: small WebP copies that lie in the page itself, each of them once where it is large."""

import base64
import os
from collections.abc import Callable, Iterable
from typing import TypeAlias

from flowrunner.artifact import Artifact
from flowrunner.errors import FlowError
from flowrunner.report.page.copies import Copies, Copy, Sizes, copied
from flowrunner.report.page.html import Html, tag
from flowrunner.report.page.kept import Kept, Made, Stamp, fitting
from flowrunner.slotted import dataclass, field

Read: TypeAlias = Callable[[Artifact], bytes | None]
"""Bytes that show a picture; None where there are none on this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """Where bytes come from: a picture itself, its preview beside the lock, a heat map by its path; copies kept."""

    picture: Read
    preview: Read
    heat: Callable[[str], bytes | None]
    stamp: Callable[[Artifact], Stamp]
    """Of the file in which a picture lies."""
    kept: Kept


_MOST_HEATS = 80
"""Heat maps on a page: a few are looked at, a thousand would only make it large."""
_MOST_LARGE = 160
"""Pictures of which there is a large copy; beyond it a page would grow without end."""


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
        """Makes the copies, those of the first pictures large as well, where there are none from the last time. Pillow
        works without the interpreter's lock."""
        from concurrent.futures import ThreadPoolExecutor

        found = {one.sha256: one for one in wanted if one.sha256 not in self.copies}
        sizes = Sizes.of(len(found))
        known = self.supply.kept.read(sizes)

        def made(number: int, artifact: Artifact) -> Made | None:
            return self._made(artifact, sizes, known.get(artifact.sha256), large=number < _MOST_LARGE)

        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            all_made = dict(zip(found, pool.map(made, range(len(found)), found.values()), strict=True))
        self.copies |= {digest: one.copies if one else None for digest, one in all_made.items()}
        lasting = fitting({digest: one for digest, one in all_made.items() if one and one.stamp})
        if lasting != known:
            self.supply.kept.write(sizes, lasting)

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
        """The largest copy. It is written into the page once; where else it is shown, the script takes it there, and
        the small one stands where there are no scripts."""
        copies = self.of(artifact)
        if copies is None:
            return None
        copy = copies.large or copies.small
        name = self._shown.get(artifact.sha256)
        if name is None:
            name = self._shown[artifact.sha256] = f"i{self.name}-{len(self._shown)}"
            return _img(copy, alt, see_through=copies.see_through, id=name)
        return _img(copy, alt, see_through=copies.see_through, same_as=name, src=copies.small.uri)

    def shown_as(self, artifact: Artifact) -> str | None:
        """The id of the picture's large copy on the page, where it has one by now."""
        return self._shown.get(artifact.sha256)

    def _made(self, artifact: Artifact, sizes: Sizes, known: Made | None, *, large: bool) -> Made | None:
        """None for what is not here, or cannot be decoded."""
        stamp = self.supply.stamp(artifact)
        if known and stamp and (known.stamp, known.large) == (stamp, large):
            return known
        data = self.supply.picture(artifact)
        is_preview = data is None
        data = self.supply.preview(artifact) if data is None else data
        try:
            copies = data and copied(data, sizes, large=large, is_preview=is_preview)
        except (FlowError, MemoryError):
            return None
        return Made(copies, large, () if is_preview else stamp) if copies else None


def _img(
    copy: Copy,
    alt: str,
    *,
    see_through: bool,
    id: str | None = None,  # noqa: A002
    same_as: str | None = None,
    src: str = "",
) -> Html:
    return tag(
        "img",
        id=id,
        class_="see-through" if see_through else None,
        src=src or copy.uri,
        data_same=same_as,
        width=copy.width,
        height=copy.height,
        alt=alt,
        decoding="async",
        loading="lazy",
    )
