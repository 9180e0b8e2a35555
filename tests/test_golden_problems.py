"""What a person reads for each mistake: golden pairs in `problems/`.

A case is `NAME.yaml`, or a folder `NAME/` with a `pipeline.yaml` and the files that it needs; `NAME.out` is what
`flowrunner validate` says of it, to the letter. Beside every pipeline lies a picture, `photo.png`.

After a change of wording look at the difference that this makes:

    GOLDEN=write pytest tests/test_golden_problems.py; git diff tests/problems
"""

import re
import shutil
from pathlib import Path

import pytest
from support import golden, picture

from flowrunner import api
from flowrunner.problems import as_text, tally

HERE = Path(__file__).parent
CASES = sorted(path for path in (HERE / "problems").iterdir() if path.suffix == ".yaml" or path.is_dir())
CODE = re.compile(r": (?:error|warning): .*  \[([a-z0-9-]+)\]$", re.MULTILINE)

NOT_IN_A_PIPELINE = {
    "not-utf8": "bytes that no editor should save here",
    "too-large": "a file of megabytes",
    "openapi": "imported documents",
    "schema": "a model file with a rule that has no sentence of its own",
    "not-unique": "no built-in model asks for it",
    "not-exact": "numbers that are not exact are refused on loading",
    "accepted": "told by --strict alone",
}
"""Codes without a page here, and what they are about."""


def said(case: Path, folder: Path) -> str:
    if case.is_dir():
        shutil.copytree(case, folder)
        path = folder / "pipeline.yaml"
    else:
        folder.mkdir()
        path = Path(shutil.copy(case, folder))
    (folder / "flowrunner.toml").touch()
    picture(folder / "photo.png", (800, 600))
    problems = api.validate(path, environment={})
    return f"{as_text(problems)}\n{tally(problems, 1)}\n"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_a_mistake_is_told_as_written_down(case: Path, tmp_path: Path) -> None:
    page = case.with_suffix(".out") if case.is_file() else case.with_name(f"{case.name}.out")
    golden(page, said(case, tmp_path / "project"))


def test_every_page_has_its_case() -> None:
    assert {page.stem for page in (HERE / "problems").glob("*.out")} == {case.stem for case in CASES}


def written_codes() -> set[str]:
    """The codes that the sources give to problems."""
    given = r"(?:\.add|error|warning|_stop|_fault|problem|\.fault)\(\s*(?:broken, |\(.*?\), |at, )?"
    form = re.compile(given + r"""["]([a-z][a-z0-9-]+)["],|code(?:: str)?\s*=\s*"([a-z][a-z0-9-]+)\"""")
    sources = "\n".join(path.read_text() for path in (HERE.parent / "flowrunner").rglob("*.py"))
    return {code for pair in form.findall(sources) for code in pair if code}


def test_every_code_has_a_page() -> None:
    shown = {code for page in (HERE / "problems").glob("*.out") for code in CODE.findall(page.read_text())}
    missing = written_codes() - shown - NOT_IN_A_PIPELINE.keys()
    assert not missing
