"""What commands print for machines, and the colours of what they print for people."""

import json
import os
import sys
from typing import Any

from flowrunner import escape
from flowrunner.paint import Paint, paint_for


def print_json(value: Any) -> None:
    """One document, harmless on a terminal."""
    print(escape.json_text(json.dumps(value, ensure_ascii=False, indent=2)))


def paint() -> Paint:
    """The colours of stdout."""
    return paint_for(sys.stdout, os.environ)
