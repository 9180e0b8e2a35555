"""What tests of whole projects share: a project's files, pictures, and pipelines that are one line."""

from collections.abc import Mapping
from pathlib import Path

from PIL import Image

HEAD = "flowrunner: 1\nprovider: aimlapi\n"


def project(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """A project of these files, by their paths; its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "flowrunner.toml").touch()
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def picture(path: Path, size: tuple[int, int] = (800, 600), colour: str = "#b05030") -> Path:
    """A picture file of one colour; its ending says of what kind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def pipeline(folder: Path, text: str, **files: str) -> Path:
    """A pipeline `show.yaml` for aimlapi, whose text begins after that, with a picture `photo.png` beside it."""
    project(folder, {"show.yaml": HEAD + text, **files})
    picture(folder / "photo.png")
    return folder / "show.yaml"
