"""Workflows, the action and the hooks: what is checked in here, and what `init` writes for others."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import cli, environment

ROOT = Path(__file__).parents[2]
HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.parametrize("whose", ["ours", "a starter project's"])
def test_zizmor_finds_nothing(whose: str, tmp_path: Path) -> None:
    if whose != "ours":
        cli("init", cwd=tmp_path)
    folder = ROOT / ".github" if whose == "ours" else tmp_path
    asked = [
        str(Path(sys.executable).parent / "zizmor"),
        "--offline",
        "--no-progress",
        "--persona",
        "pedantic",
        str(folder),
    ]
    found = subprocess.run(asked, capture_output=True, text=True, check=False, env=environment(tmp_path))
    assert found.returncode == 0, found.stdout + found.stderr


def test_a_starter_project_has_the_action_of_this_version(tmp_path: Path) -> None:
    cli("init", cwd=tmp_path)
    place = ".github/actions/flowrunner/action.yml"
    assert (tmp_path / place).read_bytes() == (ROOT / place).read_bytes()


def scripts(document: Any) -> list[str]:
    """Every `run` of a workflow or an action."""
    if isinstance(document, dict):
        own = [document["run"]] if isinstance(document.get("run"), str) else []
        return own + [script for item in document.values() for script in scripts(item)]
    return [script for item in document for script in scripts(item)] if isinstance(document, list) else []


def test_no_script_holds_an_expression(tmp_path: Path) -> None:
    cli("init", cwd=tmp_path)
    files = [*(ROOT / ".github").rglob("*.yml"), *(tmp_path / ".github").rglob("*.yml")]
    found = [script for file in files for script in scripts(yaml.safe_load(file.read_text(encoding="utf-8")))]
    assert len(found) > 10
    assert not [script for script in found if "${{" in script]


def test_the_scripts_are_sound_bash(tmp_path: Path) -> None:
    cli("init", cwd=tmp_path)
    for file in (tmp_path / ".github").rglob("*.yml"):
        for script in scripts(yaml.safe_load(file.read_text(encoding="utf-8"))):
            subprocess.run(["bash", "-n", "-c", script], check=True)


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook["id"])
def test_a_hook_passes_where_all_is_well_and_fails_where_it_is_not(hook: dict[str, Any], tmp_path: Path) -> None:
    words = [*shlex.split(hook["entry"])[1:], *hook.get("args", [])]
    cli("init", cwd=tmp_path)
    pipeline = tmp_path / "pipelines/first.yaml"
    pipeline.write_text(re.sub(r"\nsteps:.*", LOCAL, pipeline.read_text(), flags=re.DOTALL))
    assert cli("run", "pipelines", cwd=tmp_path).exit_code == 0
    assert cli(*words, cwd=tmp_path).exit_code == 0
    pipeline.write_text(pipeline.read_text().replace("width: 64", "width: 0" if "validate" in words else "width: 65"))
    (tmp_path / "schemas/pipeline.schema.json").write_text("{}")
    assert cli(*words, cwd=tmp_path).exit_code != 0


LOCAL = """
steps:
  mask: {model: image/mask, with: {width: 64, height: 64, box: [0, 0, 1, 1]}}
"""
