"""A small shop on disk: two products, two sizes, two languages; its files can be changed, planned and run.

Nothing is paid: what a run would send goes to a `Wire`, and is told by the prompts of its requests.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from wire import Wire

from flowrunner import api, picking
from flowrunner.planning import Decision, Plan

FILES = {
    "flowrunner.toml": "",
    "shop.yaml": """\
flowrunner: 1
provider: aimlapi
include: [shared/brand.yaml]
axes:
  product: {from: products/*.yaml}
  locale: {from: shared/locales.csv, key: locale}
steps:
  scene:
    across: product
    model: blackforestlabs/flux-2-pro-edit
    with:
      prompt: "{{ axis.product.name }} on an oak desk, {{ vars.light }}"
      image_urls: [$axis.product.photo]
      image_size: {width: 1024, height: 1024}
      seed: 42
  frame:
    across: [product, size]
    model: blackforestlabs/flux-2-edit
    with:
      prompt: {file: prompts/frame.md}
      image_urls: [$scene]
      image_size: "{{ axis.size.px }}"
      guidance_scale: 7.5
  headline:
    across: [product, size, locale]
    when: axis.product.headline[axis.locale.id] is defined
    model: blackforestlabs/flux-2-edit
    with:
      prompt: Write {{ axis.product.headline[axis.locale.id] }} in {{ axis.locale.language }}, {{ axis.size.id }}
      image_urls: [$frame]
      image_size: {size_of: $frame}
""",
    "shared/brand.yaml": """\
flowrunner: 1
vars:
  light: soft morning light
axes:
  size:
    square: {px: {width: 1024, height: 1024}}
    banner: {px: {width: 1920, height: 608}}
""",
    "shared/locales.csv": "locale,language,note\nen,English,first\nde,German,second\n",
    "prompts/frame.md": "Extend the scene.\n\nDo not redraw {{ axis.product.name }}, {{ axis.size.id }}.\n",
    "products/lamp.yaml": "name: Brass lamp\nphoto: lamp.png\nheadline:\n  en: Warm light\n  de: Licht, das bleibt\n",
    "products/vase.yaml": "name: Stone vase\nphoto: vase.png\nheadline:\n  en: Room for one stem\n",
}
PHOTOS = {"products/lamp.png": "#c09040", "products/vase.png": "#808890"}
CELLS = 2 + 4 + 6
"""Cells that are made. A vase has no German headline: two more are skipped."""


@dataclass(frozen=True)
class Shop:
    """The project's folder, and what was sent."""

    root: Path
    wire: Wire

    def write(self, name: str, text: str | bytes) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)

    def read(self, name: str) -> str:
        return (self.root / name).read_bytes().decode()

    def edit(self, name: str, old: str, new: str) -> None:
        text = self.read(name)
        assert old in text
        self.write(name, text.replace(old, new))

    def move(self, name: str, to: str) -> None:
        (self.root / to).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).rename(self.root / to)

    def draw(self, name: str, colour: str, size: tuple[int, int] = (640, 480)) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, colour).save(self.root / name)

    def load(self, name: str = "shop.yaml", **options: Any) -> api.PipelineFile:
        return api.load(self.root / name, environment={}, simulate=True, **options)

    def plan(self, name: str = "shop.yaml", **options: Any) -> Plan:
        return api.plan(self.load(name, **options))

    def run(self, name: str = "shop.yaml", **options: Any) -> list[str]:
        """The prompts that a run sends, sorted."""
        before = len(self.wire.sent)
        self.result(name, **options)
        return sorted(self.wire.prompts[before:])

    def result(self, name: str = "shop.yaml", **options: Any) -> api.RunResult:
        return api.run(self.load(name, **options))

    def lock(self, name: str = "shop.yaml") -> bytes:
        return self.load(name).opened.lock_file.path.read_bytes()

    def pick(self, cell: str, number: int, name: str = "shop.yaml") -> None:
        picking.record(self.load(name), [picking.Wish(cell=cell, number=number)])

    def sends(self, name: str = "shop.yaml") -> list[str]:
        """The cells that a run would send, or that wait for one that is sent."""
        return [cell.cell.id for cell in self.plan(name).of(Decision.RUN, Decision.AWAIT)]

    def reason(self, cell: str, name: str = "shop.yaml") -> str:
        return self.plan(name).cells[cell].reason

    def files(self) -> dict[str, bytes]:
        """Every file but the ledger, which notes that there was a run."""
        found = (path for path in self.root.rglob("*") if path.is_file() and "ledger" not in path.name)
        return {path.relative_to(self.root).as_posix(): path.read_bytes() for path in found}


def open_shop(root: Path, wire: Wire, files: dict[str, str] | None = None) -> Shop:
    """The shop, or another project of these files, with nothing run yet."""
    shop = Shop(root, wire)
    for name, text in (files or FILES).items():
        shop.write(name, text)
    (root / "flowrunner.toml").touch()
    for name, colour in PHOTOS.items():
        shop.draw(name, colour)
    return shop


def one_file(root: Path, wire: Wire, steps: str) -> Shop:
    """A project of one pipeline whose steps these are."""
    return open_shop(root, wire, {"shop.yaml": f"flowrunner: 1\nprovider: aimlapi\n{steps}"})
