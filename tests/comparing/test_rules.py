"""What is edited beside the requests: a reviewer sees it, and nothing is sent for it."""

from pathlib import Path
from typing import Any

import pytest
from diff_cases import Studio
from support import golden, picture

GOLDEN = Path(__file__).parent / "golden"
LABEL = """\
flowrunner: 1
name: label
provider: aimlapi
budget: {max_usd: 2}
vars: {least: 0.9}
steps:
  labelled:
    model: blackforestlabs/flux-2-pro-edit
    variants: 4
    pick: check
    with: {prompt: Put a label on it, image_urls: [kettle.png], image_size: {width: 512, height: 512}}
    check:
      - size: {width: 512, height: 512}
      - colors: {hex: "#e8d9b5", distance: 15}
        level: warn
  printed:
    model: image/convert
    with: {image: $labelled, format: jpeg, quality: 90}
    check:
      - similar_to: {of: $labelled, ssim: "{{ vars.least }}"}
      - max_bytes: 500000
      - unchanged_outside: {of: kettle.png, box: [0.1, 0.1, 0.5, 0.5]}
outputs:
  print: $printed
  raw: {from: $labelled, as: raw.png}
"""


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    made = Studio(tmp_path, {"label.yaml": LABEL})
    picture(tmp_path / "kettle.png")
    made.commit("a label")
    return made


def rules(studio: Studio) -> list[tuple[Any, ...]]:
    found = studio.diff("label.yaml", "--format", "json").json
    return [(rule["path"], rule["before"], rule["after"]) for rule in found["rules"]]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("max_usd: 2}", "max_usd: 20}", [("budget.max_usd", "$2.00", "$20.00")]),
        ("max_usd: 2}", "total_usd: 2}", [("budget.max_usd", "$2.00", None), ("budget.total_usd", None, "$2.00")]),
        ("name: label\n", "name: label\npreviews: 384\n", [("previews", None, 384)]),
        ("pick: check", "pick: human", [("labelled.pick", "check", "human")]),
        ("pick: check", "pick: 2", [("labelled.pick", "check", "2")]),
        (
            "size: {width: 512, height: 512}\n      - c",
            "size: {width: 512}\n      - c",
            [("labelled.check.size.height", 512, None)],
        ),
        ("least: 0.9", "least: 0.8", [("printed.check.similar_to.ssim", 0.9, 0.8)]),
        ("{of: $labelled, ssim", "{of: kettle.png, ssim", [("printed.check.similar_to.of", "$labelled", "sha256:…")]),
        ("500000", "900000", [("printed.check.max_bytes", 500000, 900000)]),
        ("      - max_bytes: 500000\n", "", [("printed.check.max_bytes", "500000", None)]),
        ("        level: warn\n", "", [("labelled.check.colors.level", "warn", "fail")]),
        (
            "      - max_bytes",
            "      - has_alpha: false\n      - max_bytes",
            [("printed.check.has_alpha", None, "false")],
        ),
        ("0.5, 0.5]", "0.5, 0.9]", [("printed.check.unchanged_outside.box[3]", 0.5, 0.9)]),
        (
            "  print: $printed\n",
            "  final: $printed\n",
            [("outputs.final", None, "$printed"), ("outputs.print", "$printed", None)],
        ),
        (
            "as: raw.png",
            "as: '{{ vars.least }}.png'",
            [("outputs.raw", "$labelled as raw.png", "$labelled as {{ vars.least }}.png")],
        ),
        ("$labelled, as", "$labelled.2, as", [("outputs.raw", "$labelled as raw.png", "$labelled.2 as raw.png")]),
    ],
)
def test_an_edit_beside_the_requests_is_told(
    studio: Studio, before: str, after: str, told: list[tuple[Any, ...]]
) -> None:
    studio.edit("label.yaml", before, after)
    found = rules(studio)
    assert [tuple("sha256:…" if str(part).startswith("sha256:") else part for part in rule) for rule in found] == told


def test_a_picture_that_comes_anew_is_no_edit_of_the_checks_that_compare_with_it(studio: Studio) -> None:
    studio.edit("label.yaml", "Put a label on it", "Put a paper label on it")
    picture(studio.root / "kettle.png", colour="#112233")
    assert [path for path, *_ in rules(studio)] == ["printed.check.unchanged_outside.of"]


def test_an_edit_of_many_cells_is_told_once(studio: Studio) -> None:
    text = LABEL.partition("outputs:")[0].replace("steps:\n", "axes: {n: [one, two, three]}\nsteps:\n")
    for step in ("labelled", "printed"):
        text = text.replace(f"  {step}:\n", f"  {step}:\n    across: n\n")
    studio.write({"label.yaml": text})
    studio.commit("three labels")
    studio.edit("label.yaml", "500000", "900000")
    assert rules(studio) == [("printed.check.max_bytes", 500000, 900000)]


def test_of_many_edits_a_person_reads_the_first_and_how_many_more(studio: Studio) -> None:
    outputs = "".join(f"  more{number}: $labelled\n" for number in range(11))
    studio.edit("label.yaml", "outputs:\n", f"outputs:\n{outputs}")
    lines = studio.diff("label.yaml").out.splitlines()
    assert (lines[0].partition("  ")[0], lines[-1]) == ("No picture changes, 11 other edits", "  … and 3 more")


def test_a_step_that_was_renamed_keeps_its_checks(studio: Studio) -> None:
    for before, after in (("  printed:\n    m", "  paper:\n    m"), ("$printed", "$paper")):
        studio.edit("label.yaml", before, after)
    assert rules(studio) == [("outputs.print", "$printed", "$paper")]


def test_a_recipe_that_is_new_or_gone_has_none(studio: Studio) -> None:
    studio.git("mv", "label.yaml", "other.yaml")
    studio.write({"label.yaml": LABEL.replace("name: label", "name: second").replace("label on it", "stamp on it")})
    assert rules(studio) == []


@pytest.mark.parametrize(("form", "suffix"), [("text", "txt"), ("markdown", "md")])
def test_edits_beside_the_requests_read_as_they_should(studio: Studio, form: str, suffix: str) -> None:
    for before, after in (
        ("max_usd: 2}", "max_usd: 20}"),
        ("least: 0.9", "least: 0.8"),
        ("      - max_bytes: 500000\n", ""),
        ("as: raw.png", "as: '{{ vars.least }}.png'"),
    ):
        studio.edit("label.yaml", before, after)
    shown = studio.neutral(studio.diff("label.yaml", "--format", form).out)
    golden(GOLDEN / f"rules.{suffix}", shown)
