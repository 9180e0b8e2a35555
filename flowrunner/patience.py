"""How much trouble a run puts up with before it ends: what may be sent again, and failures in a row."""

from collections import Counter

from flowrunner.slotted import dataclass, field

ROW = 10
"""Calls of one provider that fail in a row before the run stops: each of them may have been billed."""
_FIRST = 10
_SHARE = 10


@dataclass(slots=True)
class Patience:
    """The patience of one run. It sends again ten times and once more for every ten calls; what then comes through
    gives that back, so that a provider that is merely busy is never given up, and one that is down soon."""

    left: int
    _failed: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, calls: int) -> "Patience":
        """For a run of so many calls."""
        return cls(_FIRST + calls // _SHARE)

    def again(self) -> bool:
        """Whether one more request may be sent again; takes it."""
        if self.left <= 0:
            return False
        self.left -= 1
        return True

    def worked(self, provider: str, repeated: int) -> None:
        """A call came through after it was `repeated` so often."""
        self.left += repeated
        del self._failed[provider]

    def failed(self, provider: str) -> str:
        """A call of a provider that is in trouble failed for good. Why the run should stop; empty while it need not."""
        self._failed[provider] += 1
        count = self._failed[provider]
        return f"{provider} failed {count} calls in a row" if count >= ROW else ""
