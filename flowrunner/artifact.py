"""Artifacts: images that are known by the digest of their bytes."""

from typing import Any

from flowrunner.slotted import dataclass

SUFFIXES = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}
"""The media types that flowrunner reads and writes, with the suffix of their files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """An image. `width` and `height` in pixels as displayed (EXIF orientation applied), 0 where nobody has seen it;
    `bytes` is the file's length.

    `pixels` is the digest of mode, size and decoded pixels, known for results of local operations: later request keys
    take it in place of `sha256`, so that a rebuilt encoder does not make paid edits anew.
    """

    sha256: str
    media_type: str
    width: int
    height: int
    bytes: int = 0
    pixels: str | None = None

    @property
    def suffix(self) -> str:
        return SUFFIXES[self.media_type]

    def as_json(self) -> dict[str, Any]:
        record: dict[str, Any] = {"sha256": self.sha256, "type": self.media_type}
        record |= {"size": f"{self.width}x{self.height}", "bytes": self.bytes}
        return record | ({"pixels": self.pixels} if self.pixels else {})

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "Artifact":
        """KeyError, ValueError or TypeError for what `as_json` did not write."""
        width, height = str(record["size"]).split("x")
        pixels = record.get("pixels")
        return cls(
            sha256=str(record["sha256"]),
            media_type=str(record["type"]),
            width=int(width),
            height=int(height),
            bytes=int(record.get("bytes", 0)),
            pixels=str(pixels) if pixels else None,
        )


def unseen(digest: str) -> Artifact:
    """An image of which nothing but its digest is known: of another clone, say."""
    return Artifact(sha256=digest, media_type="image/png", width=0, height=0)
