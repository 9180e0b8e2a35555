"""Reading the fields of a mapping: each getter gives the value or notes a problem."""

import math
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Self

from flowrunner.errors import InvalidPipeline
from flowrunner.loading.meter import Meter
from flowrunner.nodes import ListNode, MapNode, Node, Scalar, noun
from flowrunner.problems import Problem, Severity, error
from flowrunner.slotted import replace
from flowrunner.source import Span
from flowrunner.spelling import nearest

STEP_ID = re.compile(r"[a-z][a-z0-9_-]{0,63}")
NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")

OTHER_TOOLS = {
    "needs": "after",
    "depends_on": "after",
    "if": "when",
    "matrix": "across",
    "foreach": "across",
    "for_each": "across",
    "params": "with",
    "parameters": "with",
    "args": "with",
    "uses": "model",
    "n": "variants",
    "samples": "variants",
    "extends": "include",
    "imports": "include",
    "variables": "vars",
    "env": "vars",
    "jobs": "steps",
}
"""What other tools call a thing, and our word for it."""


def did_you_mean(word: str, words: Collection[str], fallback: str = "") -> str:
    """A hint: the nearest word, else all of them where they are few, else `fallback`."""
    near = nearest(word, words)
    if near:
        return f"did you mean {near}?"
    if words and len(words) <= 14:
        return f"there {'is' if len(words) == 1 else 'are'} {', '.join(sorted(words))}"
    return fallback


MOST = 200
"""Errors after which no more are looked for: a file can be made that has a million."""


class Problems(list[Problem]):
    """What was found wrong so far. InvalidPipeline, with all of it, when it is too much to go on."""

    def __init__(self) -> None:
        super().__init__()
        self._errors = 0

    def append(self, problem: Problem) -> None:
        super().append(problem)
        self._errors += problem.is_error
        if self._errors > MOST:
            raise InvalidPipeline([*self[:-1], too_many(problem)])

    def extend(self, problems: Iterable[Problem]) -> None:
        for problem in problems:
            self.append(problem)

    def __iadd__(self, problems: Iterable[Problem]) -> Self:  # type: ignore[override, misc]
        self.extend(problems)
        return self


def too_many(last: Problem) -> Problem:
    """Instead of the last of too many problems."""
    message = f"more than {MOST} errors: no more are looked for"
    return replace(last, code="too-many", message=message, hint="", severity=Severity.ERROR)


class Fields:
    """Reads nodes and collects what is wrong with them."""

    def __init__(self, meter: Meter | None = None) -> None:
        self.problems: list[Problem] = Problems()
        self.meter = meter or Meter()

    def add(self, code: str, message: str, span: Span, hint: str = "") -> None:
        self.problems.append(error(code, message, span, hint))

    def once(self, problem: Problem) -> None:
        """Notes a problem unless one of its kind is told at its place: a template of a thousand cells is read once."""
        place = (problem.code, problem.span)
        if all((known.code, known.span) != place for known in self.problems):
            self.problems.append(problem)

    def mapping(self, node: Node, what: str) -> MapNode | None:
        if isinstance(node, MapNode):
            return node
        self.add("type", f"{what} is a mapping; this is {noun(node)}", node.span)
        return None

    def known(
        self,
        node: MapNode,
        keys: Collection[str],
        what: str,
        reserved: Mapping[str, str] | None = None,
        elsewhere: str = "",
    ) -> None:
        """Every key of the mapping must be one of `keys`; `reserved` gives others with a sentence of their own.
        `elsewhere` says what stands in another place, for a key that is near to none."""
        for key, span in node.keys.items():
            if key in keys:
                continue
            if reserved and key in reserved:
                self.add("reserved-key", reserved[key], span)
                continue
            own = OTHER_TOOLS.get(key)
            hint = f"here it is called {own}" if own in keys else did_you_mean(key, keys)
            hint = f"{elsewhere}; {hint}" if elsewhere and hint.startswith("there ") else hint
            self.add("unknown-key", f"{what} has no key {key}", span, hint)

    def text(self, node: Node, what: str) -> str | None:
        if isinstance(node, Scalar) and isinstance(node.value, str):
            return node.value
        shown = node.span.text if isinstance(node, Scalar) and node.value is not None else ""
        hint = f'write "{shown}"' if shown and "\n" not in shown else ""
        self.add("type", f"{what} is text; this is {noun(node)}", node.span, hint)
        return None

    def integer(self, node: Node, what: str, low: int, high: int) -> int | None:
        value = node.value if isinstance(node, Scalar) else None
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        self.add("range", f"{what} is a whole number from {low} to {high}", node.span)
        return None

    def number(self, node: Node, what: str) -> float | None:
        value = node.value if isinstance(node, Scalar) else None
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return value
        self.add("type", f"{what} is a number; this is {noun(node)}", node.span)
        return None

    def seconds(self, node: Node, what: str) -> float | None:
        value = node.value if isinstance(node, Scalar) else None
        if isinstance(value, int | float) and not isinstance(value, bool) and 1 <= value <= 3600:
            return float(value)
        self.add("range", f"{what} is a number of seconds from 1 to 3600", node.span, "write 300, without a unit")
        return None

    def one_of(self, node: Node, what: str, words: Collection[str]) -> str | None:
        value = node.value if isinstance(node, Scalar) else None
        if isinstance(value, str) and value in words:
            return value
        shown = f"; {value} is not" if isinstance(value, str) else ""
        self.add("enum", f"{what} is one of {', '.join(words)}{shown}", node.span, _near(value, words))
        return None

    def names(self, node: Node, what: str) -> list[tuple[str, Span]]:
        """One text, or a list of texts, each with its place."""
        if isinstance(node, MapNode):
            self.add("type", f"{what} is a name or a list of names; this is a mapping", node.span)
            return []
        items = node.items if isinstance(node, ListNode) else (node,)
        found = []
        for item in items:
            text = self.text(item, what)
            if text is not None:
                found.append((text, item.span))
        return found

    def named(self, node: Node, what: str, form: re.Pattern[str], taken: Collection[str] = ()) -> MapNode | None:
        """A mapping whose keys are names of a form."""
        mapping = self.mapping(node, what)
        if mapping is None:
            return None
        for key, span in mapping.keys.items():
            if not form.fullmatch(key):
                dash = ", _ and -" if form is STEP_ID else " and _"
                hint = f"a small letter, then small letters, digits{dash}; at most 64"
                self.add("name", f"{key!r} cannot be a name in {what}", span, hint)
            elif key in taken:
                self.add("name", f"{key} is a word of the language and cannot be a name in {what}", span)
        return mapping


def _near(value: object, words: Collection[str]) -> str:
    near = nearest(value, words) if isinstance(value, str) else None
    return f"did you mean {near}?" if near else ""
