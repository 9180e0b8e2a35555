"""Pages to look at: a project that was run in part, and what a page says to somebody who only hears it."""

import re
from html.parser import HTMLParser
from pathlib import Path

from support import Result, cli, picture, project

RECIPE = """\
flowrunner: 1
name: spring
description: Two products, chosen by a person, in two sizes.
provider: aimlapi
axes:
  product: {lamp: {name: Brass lamp, photo: lamp.png}, vase: {name: Blue vase, photo: vase.png}}
  size: {square: {px: {width: 512, height: 512}}, banner: {px: {width: 768, height: 512}}}
steps:
  scene:
    description: A person chooses.
    across: product
    model: blackforestlabs/flux-2-pro-edit
    variants: 2
    pick: human
    with:
      prompt: |-
        {{ axis.product.name }} on a desk.
        Morning light.
      image_urls: [$axis.product.photo]
      image_size: {width: 512, height: 512}
      seed: 1
  frame:
    across: [product, size]
    model: blackforestlabs/flux-2-edit
    with: {prompt: Extend it, image_urls: [$scene], image_size: "{{ axis.size.px }}"}
  sheet: {model: image/contact-sheet, with: {images: $frame.*, title: All frames}}
outputs: {frames: $frame.*, overview: $sheet}
"""

LABELLED = """\
flowrunner: 1
name: label
steps:
  card: {model: image/resize, with: {image: lamp.png, width: 200, height: 100}}
  label:
    model: image/annotate
    with: {image: $card, text: Hello, box: [0.1, 0.1, 0.9, 0.9]}
    check:
      - size: {width: 200, height: 100}
      - not_flat: true
      - max_bytes: 100
        level: warn
      - unchanged_outside: {of: $card, box: [0.6, 0.6, 0.9, 0.9], at_most: 0}
  last: {model: image/resize, with: {image: $label, width: 50}}
"""


def made(folder: Path, recipe: str = RECIPE, *, picks: str = "scene/lamp 2 the shade\n") -> Path:
    """A project whose recipe was run, simulated, with these choices, and run again."""
    project(folder, {"spring.yaml": recipe})
    picture(folder / "lamp.png", (64, 64), "#cc8844")
    picture(folder / "vase.png", (64, 64), "#3355aa")
    cli("run", "spring.yaml", "--simulate", cwd=folder)
    if picks:
        assert cli("pick", "spring.yaml", "--from", "-", "--simulate", cwd=folder, stdin=picks).exit_code == 0
        cli("run", "spring.yaml", "--simulate", cwd=folder)
    return folder


def report(folder: Path, *words: str) -> Result:
    return cli("report", "spring.yaml", "-o", "page.html", *words, cwd=folder)


def page_of(folder: Path, *words: str) -> str:
    result = report(folder, *words)
    assert (result.exit_code, result.err) == (0, "")
    return (folder / "page.html").read_text(encoding="utf-8")


class _Outline(HTMLParser):
    """One line for each heading, text, picture and control, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in ("img", "input"):
            said = given.get("alt") or given.get("aria-label", "")
            state = " (chosen)" if "checked" in given else ""
            self.lines.append(f"[{given.get('type', 'picture') if tag == 'input' else 'picture'}{state}: {said}]")
        elif tag not in ("meta", "path", "rect", "circle", "image"):
            self._open.append(tag)
            if tag in ("nav", "section", "dialog", "aside", "footer", "article"):
                self.lines.append(f"\n{tag} {given.get('id', '')}".rstrip())

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1] == tag:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        inside = self._open[-1] if self._open else ""
        if data.strip() and inside not in ("style", "script"):
            mark = f"{'#' * int(inside[1])} " if re.fullmatch("h[1-6]", inside) else ""
            self.lines.append(mark + " ".join(data.split()))


def outline(page: str) -> str:
    """What a page says, without digests and sizes of files, which differ with the encoder."""
    reader = _Outline()
    reader.feed(page)
    assert reader._open == [], "an element is not closed"
    text = "\n".join(reader.lines).strip() + "\n"
    text = re.sub(r"\b[0-9a-f]{8}\b|\b[0-9a-f]{16}\b", "abcdef", text)
    return re.sub(r"\d+ kB|\d\.\d MB", "9 kB", text)
