"""Which known word somebody may have meant. The words may be a stranger's: very long, or very many."""

from collections.abc import Iterable
from itertools import islice

_LONGEST = 100
"""Characters of a word that is compared; nobody misspells a longer one."""
_MOST = 1000
"""Words that are looked at."""
_LIKELY = 40
"""Words that are compared letter by letter, which takes a hundred times as long as looking at their ends."""


def nearest(word: str, words: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The closest of the words, if one is close: from 0 (any) to 1 (the same)."""
    from difflib import get_close_matches

    if len(word) > _LONGEST:
        return None
    likely = [known for known in islice(words, _MOST) if len(known) <= _LONGEST]
    if len(likely) > _LIKELY:
        likely = sorted(likely, key=lambda known: -_alike(word, known))[:_LIKELY]
    return next(iter(get_close_matches(word, likely, 1, cutoff)), None)


def _alike(one: str, two: str) -> int:
    """Characters that two words share at their ends: a misspelled word has most of the other's."""
    shortest = min(len(one), len(two))
    start = next((at for at in range(shortest) if one[at] != two[at]), shortest)
    return start + next((at for at in range(shortest - start) if one[-1 - at] != two[-1 - at]), shortest - start)
