"""The comment in the README is what `diff` says of that change."""

import shutil
from pathlib import Path

import pytest
from diff_cases import Studio

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_the_comment_in_the_readme_is_a_real_one(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "pipelines", tmp_path / "studio" / "pipelines")
    studio = Studio(tmp_path / "studio", {})
    studio.make("pipelines/spring-hero.yaml", {"scene/chair": 1, "scene/lamp": 3, "scene/vase": 2})
    studio.commit()
    studio.edit("pipelines/shared/brand.yaml", "an oak desk", "a walnut desk")
    said = studio.diff("pipelines/spring-hero.yaml", "--format", "markdown").out.partition("<details>")[0].rstrip()
    quoted = "".join(f"> {line}".rstrip() + "\n" for line in said.replace("it reads", "best shade").splitlines())
    assert quoted in (ROOT / "README.md").read_text(encoding="utf-8"), quoted
