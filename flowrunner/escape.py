"""Text from outside, made safe for a terminal line, Markdown and HTML."""

import re
import unicodedata
from itertools import accumulate

LIMIT = 200
"""Code points of foreign text shown in one message."""

# C0 and C1 controls, line and paragraph separators, lone surrogates, and what Unicode calls default ignorable (bidi
# controls, zero-width and tag characters, fillers), without the variation selectors of emoji.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\ud800-\udfff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\x1b": "\\e"}
_WORD = re.compile(r"\w+")
_ALIKE = {"LATIN", "GREEK", "CYRILLIC", "ARMENIAN", "CHEROKEE", "COPTIC"}
"""Alphabets that share the look of letters."""
_LOOKALIKES = str.maketrans(
    "аАВеЕкКМНоОрРсСТуУхХіІјЈѕЅһԁԛԝ" + "αΑΒΕΖΗΙΚΜΝοΟρΡΤυΥΧν",
    "aABeEkKMHoOpPcCTyYxXiIjJsShdqw" + "aABEZHIKMNoOpPTuYXv",
)
_LIVE = re.compile(r"([@#])(?=[\w-])|(GH\\?-)(?=\d)|(:)(?=[\w+\\-]+:)", re.IGNORECASE)
"""What GitHub makes a link, a notice or a picture of after Markdown is done: `@name`, `#12`, `GH-12`, `:+1:`."""
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+\-.!|~&@:$])")


def visible(text: str) -> str:
    """The text as one line in which nothing is hidden: every control or invisible character is spelled out."""
    if text.isascii() and text.isprintable():  # a picture in a page is a text, too, and a long one
        return text
    return _UNSAFE.sub(lambda found: _spelled(found[0]), text)


def line(text: str, limit: int = LIMIT) -> str:
    """`visible`, cut at `limit` code points, those of what is spelled out counted too."""
    shown = visible(text[: limit + 1])
    if len(shown) <= limit:
        return shown
    whole = accumulate(len(visible(character)) for character in text[:limit])
    return f"{visible(text[: sum(length <= limit for length in whole)])}…"


def block(text: str) -> str:
    """Text of several lines for a terminal: line feeds stay, everything else as in `visible`."""
    return "\n".join(visible(part) for part in text.split("\n"))


def markdown(text: str) -> str:
    """Literal text inside a Markdown paragraph or table cell. An empty `<wbr>` parts what GitHub would still notice."""
    return _LIVE.sub(r"\g<0><wbr>", _MARKDOWN.sub(r"\\\1", visible(text)))


def markup(text: str) -> str:
    """Literal text inside an HTML element or a quoted attribute."""
    from html import escape

    return escape(visible(text), quote=True)


def exposed(text: str) -> str:
    """The text with what only looks like something else spelled out: letters of another alphabet inside a word. What is
    invisible is left to whoever shows it."""
    return text if text.isascii() else _WORD.sub(lambda found: _exposed(found[0]), text)


def looks_like(one: str, other: str) -> bool:
    """Whether two texts differ, and show the same letters."""
    return one != other and one.translate(_LOOKALIKES) == other.translate(_LOOKALIKES)


def spelled_out(text: str) -> str:
    """The text with every letter that is not ASCII spelled out."""
    return "".join(character if character.isascii() else _spelled(character) for character in text)


def _exposed(word: str) -> str:
    scripts = [_script(character) for character in word]
    found = {script for script in scripts if script}
    if word.isascii() or len(found) < 2:
        return word
    own = max(sorted(found, reverse=True), key=scripts.count)
    return "".join(
        _spelled(character) if script and script != own else character
        for character, script in zip(word, scripts, strict=True)
    )


def _script(character: str) -> str:
    """The alphabet of a letter, of those whose letters look alike; else nothing."""
    if character.isascii():
        return "LATIN" if character.isalpha() else ""
    script = unicodedata.name(character, "").partition(" ")[0]
    return script if script in _ALIKE and character.isalpha() else ""


def summary(text: str) -> str:
    """Literal text inside an HTML element that stands in Markdown, kept from notice as in `markdown`."""
    from html import escape

    return escape(_LIVE.sub("\\g<0>\0", visible(text)), quote=True).replace("\0", "<wbr>")


def annotation(text: str, *, inside: str = "message") -> str:
    """Literal text of a GitHub workflow command: its message, or (`inside="property"`) one of its properties."""
    shown = block(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return shown if inside == "message" else shown.replace(":", "%3A").replace(",", "%2C")


def json_text(text: str) -> str:
    """JSON that can be shown: what `visible` spells out stands as JSON's own escape; line feeds between lines stay."""
    return _UNSAFE.sub(lambda found: found[0] if found[0] == "\n" else _json_spelled(found[0]), text)


def width(text: str) -> int:
    """Columns that the text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _spelled(character: str) -> str:
    if character in _NAMED:
        return _NAMED[character]
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _json_spelled(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
