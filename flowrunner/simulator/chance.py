"""Choices that look free but follow from a text: the same text, the same choices, in any process and on any machine."""

import hashlib
from typing import TypeVar

T = TypeVar("T")


class Chance:
    """A stream of choices from a text. `random.Random` would do, but promises its stream only within one version."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._drawn = 0

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self._draw() / 2**32

    def whole(self, low: int, high: int) -> int:
        """From low to high, both included."""
        return low + self._draw() * (high - low + 1) // 2**32

    def choice(self, options: tuple[T, ...]) -> T:
        return options[self.whole(0, len(options) - 1)]

    def noise(self, length: int) -> bytes:
        return hashlib.shake_128(f"{self._text}/noise".encode()).digest(length)

    def _draw(self) -> int:
        self._drawn += 1
        return int.from_bytes(hashlib.sha256(f"{self._text}/{self._drawn}".encode()).digest()[:4], "big")
