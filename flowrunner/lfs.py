"""Git LFS: the pointers that stand in a repository for large files.

The form is published: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md (read 2025-11-20).
"""

import re

_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:[a-z0-9.-]+ [^\n]*\n)*?oid sha256:([0-9a-f]{64})\n"
    rb"(?:[a-z0-9.-]+ [^\n]*\n)*"
)
_LONGEST = 1024
"""Bytes: a pointer is shorter."""


def pointed(data: bytes) -> str | None:
    """The sha256 of the content for which a pointer stands; None for what is no pointer."""
    found = _POINTER.fullmatch(data) if len(data) < _LONGEST else None
    return found[1].decode() if found else None
