"""Locks that git keeps and the work tree does not show: those of other branches, of tags, and of what was stashed."""

from pathlib import Path

from flowrunner.errors import StoreError
from flowrunner.git import SAFELY, environment

_SECONDS = 120.0
_HINT = "what other branches need is not known without it"


def locks(root: Path) -> list[bytes]:
    """The text of every lock at the tip of any ref of the repository around `root`; none where there is no repository.
    StoreError when git cannot tell."""
    if not any((folder / ".git").exists() for folder in (root, *root.parents)):
        return []
    # What a partial clone did not bring was never here, and is not fetched.
    listed = _git(root, b"", "rev-list", "--objects", "--no-walk", "--all", "--missing=allow-promisor")
    lines = (line.partition(b" ") for line in listed.splitlines())
    blobs = [digest for digest, _, path in lines if path.endswith(b".lock.yaml")]
    return _contents(_git(root, b"\n".join(blobs), "cat-file", "--batch", "--buffer")) if blobs else []


def _contents(answer: bytes) -> list[bytes]:
    """For each blob a line that ends in its size, its bytes, and a line end."""
    found, at = [], 0
    while at < len(answer):
        end = answer.index(b"\n", at)
        size = int(answer[at:end].split()[-1])
        found.append(answer[end + 1 : end + 1 + size])
        at = end + size + 2
    return found


def _git(root: Path, said: bytes, *words: str) -> bytes:
    import subprocess

    try:
        answer = subprocess.run(  # noqa: S603  # fixed commands
            ["git", "-C", str(root), *SAFELY, *words],  # noqa: S607  # git is where the user has it
            env=environment(),
            input=said,
            capture_output=True,
            timeout=_SECONDS,
            check=True,
        )
    except subprocess.CalledProcessError as fault:
        reason = " ".join(fault.stderr.decode(errors="replace").split())[:200]
        raise StoreError(f"git cannot list the branches of {root}: {reason}", _HINT, path=str(root)) from None
    except (OSError, subprocess.SubprocessError) as fault:
        raise StoreError(f"git cannot be asked for the branches of {root}: {fault}", _HINT, path=str(root)) from None
    return answer.stdout
