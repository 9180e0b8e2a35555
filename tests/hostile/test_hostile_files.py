"""Links, pipes, folders and giants where a file should be: refused in a sentence, not followed, not waited for."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile_places import EDIT, HEAD, crossed, steps
from hostile_watch import CANARY, KEYS, check_shown, snapshot, watched
from support import Result, cli, project
from wire import png

SECRET = f"AIMLAPI_API_KEY={CANARY}\n"
PLACES: dict[str, tuple[str, str]] = {
    "an include": (steps(top="include: odd.yaml\n"), "odd.yaml"),
    "a text": (steps("{file: odd.md}"), "odd.md"),
    "a picture": (f"{HEAD}steps: {{a: {{model: {EDIT}, with: {{prompt: x, image_urls: [odd.png]}}}}}}", "odd.png"),
    "an axis of CSV": (crossed("{from: odd.csv, key: a}"), "odd.csv"),
    "an axis of YAML": (crossed("{from: odd.yaml}"), "odd.yaml"),
    "an axis of JSON": (crossed("{from: odd.json}"), "odd.json"),
    "an axis of text": (crossed("{from: odd.md}"), "odd.md"),
    "an axis of pictures": (crossed("{from: odd.png}"), "odd.png"),
    "a folder of an axis": (crossed("{from: odd/*.md}"), "odd"),
    "a model file": (steps(), "schemas/odd.json"),
    "the settings": (steps(), "flowrunner.toml"),
    "the lock": (steps(), "show.lock.yaml"),
    "the pipeline": ("", "show.yaml"),
}


def _link(to: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(to)


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 34)


ODD: dict[str, Callable[[Path], None]] = {
    "a link to the environment": _link("/proc/self/environ"),
    "a link to a secret outside": lambda path: path.symlink_to(path.parents[len(path.parents) - 2] / "tmp" / "nowhere"),
    "a link to a hidden file": lambda path: path.symlink_to(_root(path) / ".env"),
    "a link to endless zeros": _link("/dev/zero"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to nothing": _link("nothing-here"),
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "sixteen gigabytes": _sparse,
}


def _root(path: Path) -> Path:
    return next(folder for folder in path.parents if (folder / ".env").exists())


def looked_at(root: Path, *words: str) -> Result:
    """A command line under watch, in a project."""
    before = snapshot_of(root)
    with watched(root) as seen:
        result = cli(*words, cwd=root, env=KEYS)
    assert seen.events == []
    assert snapshot_of(root) == before
    assert result.exit_code in (0, 1, 2, 3), result
    check_shown(result.out + result.err)
    return result


def snapshot_of(root: Path) -> object:
    sizes = [path for path in root.rglob("*") if path.is_file() and path.stat().st_size > 1 << 30]
    return len(sizes) if sizes else snapshot(root)


QUICK = {(place, odd) for row, place in enumerate(PLACES) for column, odd in enumerate(ODD) if (row + column) % 4 == 0}
"""Of every place and of everything odd some; the slow tests take them all."""
PAIRS = [
    pytest.param(place, odd, marks=() if (place, odd) in QUICK else pytest.mark.slow) for place in PLACES for odd in ODD
]


@pytest.mark.parametrize(("place", "odd"), PAIRS)
def test_what_is_no_plain_file_of_the_project_is_refused(place: str, odd: str, tmp_path: Path) -> None:
    text, name = PLACES[place]
    root = project(tmp_path / "project", {".env": SECRET, "show.yaml": text, "schemas/x.txt": ""})
    (root / name).unlink(missing_ok=True)
    ODD[odd](root / name)
    for command in ("validate", "plan", "graph"):
        result = looked_at(root, command, "show.yaml")
        assert "bug in flowrunner" not in result.err
        if command == "validate":
            told = result.exit_code == 2 or _is_harmless(place, odd)
            assert told, result


def _is_harmless(place: str, odd: str) -> bool:
    """What is as good as not there: a lock or settings that lead nowhere, a folder among model files; and a giant of
    which nobody asks more than its name."""
    absent = odd in ("a link to nothing", "a link to a secret outside", "a link to itself")
    unread = [("a model file", "a folder"), ("an axis of pictures", "sixteen gigabytes")]
    return (place, odd) in unread or (absent and place in ("the lock", "the settings"))


@pytest.mark.parametrize("path", [".env", "./.env", "a/../.env", ".git/config", "../project/.env"])
def test_a_hidden_file_is_not_read(path: str, tmp_path: Path) -> None:
    files = {".env": SECRET, ".git/config": SECRET, "show.yaml": steps(f"{{file: {path}}}")}
    root = project(tmp_path / "project", files)
    result = looked_at(root, "plan", "show.yaml", "--format=json")
    assert result.exit_code == 2
    assert CANARY not in result.out + result.err


@pytest.mark.parametrize("name", ["key.pem", "id_rsa", "secrets.toml", "terraform.tfvars", "x.json", "x.yaml"])
def test_a_text_is_a_file_of_text(name: str, tmp_path: Path) -> None:
    files = {
        name: f"{SECRET}{{{{ nope }}}}",
        "show.yaml": steps(f"{{file: {name}}}"),
        "link.yaml": steps("{file: x.md}"),
    }
    root = project(tmp_path / "project", files)
    (root / "x.md").symlink_to(name)
    for path in ("show.yaml", "link.yaml"):
        assert looked_at(root, "plan", path).exit_code == 2


def test_a_name_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    root = project(tmp_path, {"show.yaml": crossed("{from: photos/*.png}"), "photos/x.md": ""})
    Path(os.fsdecode(os.fsencode(root / "photos") + b"/b\xffd.png")).write_bytes(png(8, 8))
    assert "not UTF-8" in looked_at(root, "validate", "show.yaml").out


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31m", "::error::x", "\u202e", "-h", "a b", "{{ x }}", "$x", "'", "%0A"])
@pytest.mark.parametrize("form", ["text", "github", "json"])
def test_a_file_by_any_name_is_shown_on_one_line(name: str, form: str, tmp_path: Path) -> None:
    root = project(tmp_path, {f"{name}.yaml": "flowrunner: 1\nsteps: 5\n"})
    result = looked_at(root, "validate", ".", f"--format={form}")
    assert result.exit_code == 2
    looked_at(root, "plan", ".", "--format=text")


def test_a_folder_is_searched_without_reading_giants(tmp_path: Path) -> None:
    root = project(tmp_path, {"show.yaml": steps()})
    _sparse(root / "giant.yaml")
    os.mkfifo(root / "pipe.yaml")
    (root / "odd.yaml").symlink_to("/dev/zero")
    assert looked_at(root, "validate", ".").exit_code == 0
