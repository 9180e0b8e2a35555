"""Every entry of the corpus through `validate`, `plan` and `graph`: told in sentences, and nothing else happens.

What must hold for each of them is in `hostile_watch` and in `looked_at`: no traceback, a documented exit code, no
socket, no program started, nothing written, nothing read but the project, no key shown, no hidden character shown,
short lines, the same words a second time, and a good pipeline still does afterwards.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import pytest
from hostile_corpus import Entry, entries
from hostile_watch import KEYS, check_shown, snapshot, watched
from support import Result, cli

ENTRIES = entries()
GOOD = "flowrunner: 1\nprovider: aimlapi\nsteps:\n  a: {model: blackforestlabs/flux-2-pro, with: {prompt: A vase}}\n"
FORMS = {"validate": ("json", "github"), "plan": ("json", "text", "markdown"), "graph": ("mermaid", "dot", "svg")}
QUICK = 20
"""One entry in so many is quick; the slow tests take them all, in all forms."""


@pytest.fixture(scope="module", autouse=True)
def a_good_pipeline_still_does_afterwards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    yield
    folder = tmp_path_factory.mktemp("good")
    (folder / "good.yaml").write_text(GOOD)
    assert cli("validate", "good.yaml", cwd=folder).exit_code == 0
    assert cli("plan", "good.yaml", "--format=json", cwd=folder).json["totals"]["run"] == 1


def looked_at(entry: Entry, path: Path, command: str, form: str) -> Result:
    """One command over the project of an entry."""
    root = path.parent
    before = snapshot(root)
    with watched(root) as seen:
        binding = entry.options if command == "plan" else ()
        result = cli(command, path.name, f"--format={form}", *binding, cwd=root, env=KEYS)
    assert seen.events == []
    assert snapshot(root) == before
    assert result.exit_code in (0, 2, 3), result
    shown = result.out + result.err
    assert "Traceback" not in shown
    check_shown(shown)
    check_lines(shown, form)
    return result


def check_lines(shown: str, form: str) -> None:
    """No line begins with a stranger's words, which a workflow would obey."""
    for line in shown.splitlines():
        assert not line.startswith(("##[", "::")) or (form == "github" and line.startswith(("::error ", "::warning ")))


def check(entry: Entry, folder: Path, *, all_forms: bool) -> None:
    path = entry.plant(folder / "project")
    result = looked_at(entry, path, "validate", "text")
    assert result == looked_at(entry, path, "validate", "text")
    check_expected(entry, result)
    for command, forms in FORMS.items():
        for form in forms if all_forms else (forms[crc32(entry.id.encode()) % len(forms)],):
            looked_at(entry, path, command, form)


def check_expected(entry: Entry, result: Result) -> None:
    shown = result.out + result.err
    if entry.expect != "either" and not entry.options:
        assert result.exit_code == (2 if entry.expect == "refused" else 0), shown
    assert entry.says in shown
    assert not entry.never or entry.never not in shown


def marked(name: str) -> object:
    """Most of what is alike is for the slow tests; giants have processes of their own."""
    entry = ENTRIES[name]
    quick = crc32(name.encode()) % QUICK == 0 and not entry.parts and not entry.made
    return pytest.param(name, marks=() if quick else pytest.mark.slow)


@pytest.mark.slow
@pytest.mark.parametrize("name", [marked(name) for name in ENTRIES if not name.startswith("big-")])
def test_a_hostile_input_is_told_and_nothing_else_happens(name: str, tmp_path: Path) -> None:
    check(ENTRIES[name], tmp_path, all_forms=False)


def test_what_only_a_run_can_meet_is_tried_elsewhere() -> None:
    tests = Path(__file__).parents[1]
    for name, place in json.loads((Path(__file__).parent / "elsewhere.json").read_text()).items():
        file, _, function = place.partition("::")
        assert name not in ENTRIES
        assert f"def {function}(" in (tests / file).read_text()
