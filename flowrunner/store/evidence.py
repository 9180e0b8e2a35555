"""Evidence: what a paid call gave in the place of a picture, in the quarantine beside objects that were damaged.

    quarantine/DIGEST-attempt-N      the digest of these bytes; N is the attempt in the ledger that was charged

It is no object: nobody looks for it by its digest, no sweep takes it, and only its owner removes it.
"""

import re
from pathlib import Path

QUARANTINE = "quarantine"
_NAME = re.compile(r"([0-9a-f]{64})-attempt-([1-9][0-9]{0,17})")


def place(root: Path, digest: str, attempt: int) -> Path:
    """Where the store `root` keeps it."""
    return root / QUARANTINE / f"{digest}-attempt-{attempt}"


def attempt_of(path: Path) -> int | None:
    """The attempt that a file of the quarantine is evidence of; None where it is none."""
    found = _NAME.fullmatch(path.name)
    return int(found[2]) if found else None


def by_attempt(root: Path) -> dict[int, list[Path]]:
    """All evidence of a store, in the order of its names."""
    found: dict[int, list[Path]] = {}
    try:
        paths = sorted((root / QUARANTINE).iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return found
    for path in paths:
        attempt = attempt_of(path)
        if attempt is not None:
            found.setdefault(attempt, []).append(path)
    return found
