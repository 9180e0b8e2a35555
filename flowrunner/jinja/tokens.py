"""Jinja's tokens with their places: its own tell a line only."""

import re
from collections.abc import Iterator

from jinja2 import TemplateSyntaxError, nodes
from jinja2.lexer import Lexer, TokenStream

from flowrunner.jinja.values import TemplateProblem, vanishes

NODES = 200
"""Parts of one template."""
_TOKENS = 10 * NODES
_WORDS = 60
_DIGITS = 400
_PART = re.compile(r"\.\s*\w+")
_ESCAPE = re.compile(r"""\\(?:[\\'"ntr]|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|(?P<bad>.))""", re.DOTALL)
_SPACE = ("whitespace", "comment_begin", "comment", "comment_end", "data", "raw_begin", "raw_end")

_TAGS = ("if", "elif", "else", "endif")
_REFUSED_TAGS = {
    "for": ("`for` loops are not part of prompts", 'give the axis its own cell, or put a list together: | join(", ")'),
    "set": ("`set` is not available in templates", "give the value a name under vars"),
    "include": ("`include` is not available in templates", "a whole text beside the pipeline is {file: PATH}"),
}

_SIGNS = {
    "end of print statement": "}}",
    "end of statement block": "%}",
    "begin of statement block": "{%",
    "begin of print statement": "{{",
}


class Tokens:
    """Jinja's tokens, with their offset where Jinja has their line: so every node of its tree knows its place."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.ends: dict[int, int] = {}
        self.at = 0

    def stream(self, lexer: Lexer, state: str | None = None) -> TokenStream:
        return TokenStream(lexer.wrap(self._placed(lexer, state)), None, None)

    def _placed(self, lexer: Lexer, state: str | None) -> Iterator[tuple[int, str, str]]:
        before, count = "", 0
        try:
            for _, kind, value in lexer.tokeniter(self.source, None, None, state):
                # White space that `{%-` strips is in no token, so a token is looked for from the end of the last.
                start = max(self.source.find(value, self.at), self.at)
                self.at = start
                self.ends[start] = start + len(value)
                if kind not in _SPACE:
                    count += 1
                    self._check(start, kind, value, before, count)
                    before = kind
                yield start, kind, value
                self.at = start + len(value)
        except TemplateSyntaxError as fault:
            raise self.unread(self.at, fault) from None

    def _check(self, start: int, kind: str, value: str, before: str, count: int) -> None:
        if count > _TOKENS:
            raise self.fault(start, "this template is too long", f"at most {NODES} parts", "template-limit")
        if before == "block_begin" and kind == "name" and value not in _TAGS:
            known = _REFUSED_TAGS.get(value, (f"`{value}` is not available in templates", "the only tag is if"))
            raise self.fault(start, *known, code="template-construct")
        if kind in ("integer", "float") and len(value) > _DIGITS:
            raise self.fault(start, "this number has too many digits", "quote it to make it text")
        if kind == "float" and vanishes(value.replace("_", "")):
            raise self.fault(
                start, f"{value[:40]} is too small to be more than 0", "write 0, or quote it to make it text"
            )
        bad = next((found for found in _ESCAPE.finditer(value) if found["bad"]), None) if kind == "string" else None
        if bad:
            raise self.fault(start + bad.start(), f"{bad[0]} means nothing in a quoted text", "write a backslash twice")

    def fault(
        self, start: int, message: str, hint: str = "", code: str = "template-syntax", end: int | None = None
    ) -> TemplateProblem:
        start = min(start, len(self.source))
        stop = self.ends.get(start, start + 1) if end is None else end
        return TemplateProblem(message, hint, start=start, end=min(stop, len(self.source)), code=code)

    def unread(self, start: int, found: TemplateSyntaxError) -> TemplateProblem:
        """A fault that Jinja found, in its words but for the names of its tokens."""
        said = re.sub(r" at \d+$", "", found.message or "").rstrip(".")
        if "Jinja was looking for" in said:
            return self.fault(start, "an `if` is not closed", "write {% endif %} where it ends")
        for name, sign in _SIGNS.items():
            said = said.replace(f"'{name}'", f"`{sign}`")
        hint = "braces that are plain text stand in {% raw %}…{% endraw %}" if "{" in self.source else ""
        return self.fault(start, f"this template cannot be read: {said[:1].lower()}{said[1:]}", hint)

    def span(self, node: nodes.Node) -> tuple[int, int]:
        """From the first to the last thing that an expression names."""
        start = node.lineno
        if isinstance(node, nodes.Name | nodes.Const):
            return start, self.ends.get(start, start)
        if isinstance(node, nodes.Getattr):
            part = _PART.match(self.source, start)
            return self.span(node.node)[0], part.end() if part else start
        if isinstance(node, nodes.Getitem):
            end = self.span(node.arg)[1]
            bracket = self.source.find("]", end) if self.source.startswith("[", start) else -1
            return self.span(node.node)[0], max(end, bracket + 1)
        spans = [self.span(child) for child in node.iter_child_nodes()]
        if isinstance(node, nodes.Filter | nodes.Test) or not spans:
            spans.append((start, self.ends.get(start, start + 1)))
        end = max(last for _, last in spans)
        if isinstance(node, nodes.Filter | nodes.Call) and (node.args or node.kwargs):
            end = self.source.find(")", end) + 1
        return min(first for first, _ in spans), end

    def words(self, node: nodes.Node) -> str:
        start, end = self.span(node)
        said = " ".join(self.source[start:end].split())
        return said if len(said) <= _WORDS else f"{said[:_WORDS]}…"
