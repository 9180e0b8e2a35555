"""What the YAML reader finds wrong, as problems that say what to do."""

import re
from typing import Any

from flowrunner.problems import Problem, error
from flowrunner.source import Source, Span

_UNQUOTED = re.compile(r"(?:[:\-,\[]\s+|^\s*)(\{[{%].*)")
_MARK_OF_MERGE = re.compile(r"^(?:<{7} |={7}$|>{7} |\|{7} )", re.MULTILINE)
MERGED = "a merge left its marks here"
_ADVICE = {
    "mapping values are not allowed": "a colon and a blank begin a mapping: quote the text, or look at the indentation",
    "cannot start any token": "quote text that begins with @ or `; indent with blanks, not tabs",
    "could not find expected ':'": "a key ends with a colon and a blank: look at this line and the one above",
}
"""What to do about the words of the YAML reader that say least."""


def wrong(source: Source, fault: Any) -> Problem:
    """What a `yaml.MarkedYAMLError` says; of what a merge left, no reader has anything sensible to say."""
    merged = mark_of_merge(source)
    if merged is not None:
        return error("merge-marks", MERGED, merged, "keep one side of each, and delete the marks")
    mark = fault.problem_mark or fault.context_mark
    at = min(mark.index if mark else 0, len(source.text))
    span = Span(source, at, at)
    for number in (span.line, span.line - 1):
        found = _UNQUOTED.search(source.line(number))
        if found and not source.line(number).lstrip().startswith("#"):
            start = source.starts[number - 1] + found.start(1)
            return unquoted(Span(source, start, start + 2), found[1].rstrip())
    if source.text[at : at + 1] == "\t" and not source.text[source.bounds(span.line)[0] : at].strip():
        return error(
            "yaml", "a tab indents this line", Span(source, at, at + 1), "write blanks: YAML takes no tabs there"
        )
    context = f" {fault.context}" if fault.context else ""
    begun = fault.context_mark
    hint = f"it begins at line {begun.line + 1}, column {begun.column + 1}" if begun and begun.index < at else ""
    hint = next((advice for words, advice in _ADVICE.items() if words in str(fault.problem)), hint)
    return error("yaml", f"not YAML: {fault.problem or 'unreadable'}{context}".replace("\n", " "), span, hint)


def mark_of_merge(source: Source) -> Span | None:
    """The first mark of a merge that somebody has not ended."""
    found = _MARK_OF_MERGE.search(source.text)
    return Span(source, found.start(), found.start() + 7) if found else None


def unquoted(span: Span, whole: str) -> Problem:
    """A template that begins at `span` without quotes; `whole` is what they belong around, where that is known."""
    mark = "'" if '"' in whole else '"'
    hint = f"quote it: {mark}{whole}{mark}" if whole else "quote the whole value"
    return error("unquoted-template", "a template must be quoted: { begins a YAML mapping", span, hint)


def unreadable(source: Source, fault: Any) -> Problem:
    """What a `yaml.reader.ReaderError` says."""
    at = min(int(fault.position), len(source.text))
    bad = next((i for i, c in enumerate(source.text) if not c.isprintable() and c not in "\n\t" and ord(c) < 160), at)
    shown = f"character U+{ord(source.text[bad]):04X}" if bad < len(source.text) else "a character"
    return error("character", f"{shown} is not allowed in YAML", Span(source, bad, bad + 1), "remove it")
