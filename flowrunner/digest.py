"""Digests of bytes, and of JSON values in one canonical, tagged form."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any


def sha256(data: bytes) -> str:
    """Digest of bytes: 64 hexadecimal digits, no prefix."""
    return hashlib.sha256(data).hexdigest()


def tagged(tag: str, value: Any) -> str:
    """Digest of a JSON value. Equal values have equal digests whatever the order of their keys; 7.50 equals 7.5, and
    2.0 equals 2. The tag keeps digests of different kinds of things apart."""
    return sha256(f"flowrunner/{tag}\n".encode() + canonical(value).encode())


def canonical(value: Any) -> str:
    """The one JSON text of a value: keys sorted, no blanks, whole floats as integers. ValueError for NaN, infinity."""
    return _ENCODE(_plain(value))


def _plain(value: Any) -> Any:
    # Told apart in the order of what is common: a large plan makes a million of these.
    if isinstance(value, (str, int)):
        return value
    if isinstance(value, float):
        return int(value) if math.isfinite(value) and value.is_integer() else value
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, (dict, Mapping)):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, Sequence) else value


_ENCODE = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode
