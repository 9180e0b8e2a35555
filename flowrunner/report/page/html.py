"""HTML that cannot be broken into: whatever is not `Html` already is text, and is escaped."""

from typing import TYPE_CHECKING, TypeAlias

from flowrunner import escape

if TYPE_CHECKING:
    from collections.abc import Iterable

_EMPTY = {"img", "input", "meta", "rect", "path", "circle", "image"}
"""Elements without content; the slash closes those of SVG and says nothing for those of HTML."""


class Html(str):
    """Markup made by `tag`, or written here in the code."""

    __slots__ = ()


Child: TypeAlias = "Html | str | Iterable[Child] | None"
Value: TypeAlias = "str | int | bool | None"


def tag(name: str, /, *children: Child, **attributes: Value) -> Html:
    """An element. `class_` is class, `aria_label` aria-label; True stands alone, False and None are left out."""
    head = f"<{name}{''.join(_attribute(key, value) for key, value in attributes.items())}"
    return Html(f"{head}/>" if name in _EMPTY else f"{head}>{joined(*children)}</{name}>")


def joined(*children: Child) -> Html:
    return Html("".join(_child(child) for child in children))


def scrolls(label: str, *children: Child, kind: str = "") -> Html:
    """A part that may be wider than the page; whoever has no pointer can reach and move it."""
    classes = f"{kind} scrolls".strip()
    return tag("div", *children, class_=classes, tabindex="0", role="region", aria_label=label)


def lines(text: str) -> Html:
    """A text whose line feeds count, for an element with `white-space: pre-line`."""
    return Html("\n".join(escape.markup(part) for part in text.split("\n")))


def _child(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Html):
        return child
    if isinstance(child, str):
        return escape.markup(child)
    return "".join(_child(one) for one in child)


def _attribute(key: str, value: Value) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape.markup(str(value))}"'
