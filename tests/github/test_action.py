"""The action for pull requests, step by step: its own scripts, run by bash in a repository, beside a `gh` that writes
down what it is asked."""

import json
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import cli, environment, project

pytestmark = pytest.mark.slow

ACTION = Path(__file__).parents[2] / ".github/actions/flowrunner/action.yml"
RECIPE = """\
flowrunner: 1
name: lamp
provider: aimlapi
steps:
  mask: {model: image/mask, with: {width: 64, height: 48, box: [0, 0, 0.5, 1]}}
  other: {model: image/resize, with: {image: $mask, width: 32}}
outputs: {hero: $other}
"""
CHOICE = RECIPE.replace("{model: image/mask,", "{model: image/mask, pick: human,")
GH = """\
#!/usr/bin/env bash
printf '%s\\n' "$*" >>"$GH_LOG"
case "$*" in
*--paginate*) [ -z "${GH_KNOWN:-}" ] || echo "$GH_KNOWN"; exit "${GH_FAILS:-0}" ;;
*) exit "${GH_FAILS:-0}" ;;
esac
"""


@dataclass
class Request:
    """A repository with a pull request: one commit on a branch, beyond `main`."""

    root: Path
    codes: dict[str, int] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        project(self.root / "repo", {"pipelines/lamp.yaml": RECIPE})
        (self.root / "repo/.gitignore").write_text("outputs/\n.flowrunner/\n")
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "Anna Berg")
        self.git("config", "user.email", "anna@example.org")
        self.run()
        self.commit("Light the lamp")
        self.git("switch", "-qc", "change")
        tools = self.root / "temp/flowrunner/bin"
        tools.mkdir(parents=True)
        written(tools / "flowrunner", f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m flowrunner "$@"\n')
        written(self.root / "bin/gh", GH)

    def git(self, *words: str) -> str:
        asked = ["git", *words]
        return subprocess.run(asked, cwd=self.root / "repo", check=True, capture_output=True, text=True).stdout

    def run(self) -> None:
        assert cli("run", "pipelines", cwd=self.root / "repo").exit_code in (0, 4)

    def commit(self, subject: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-qm", subject)

    def change(self, before: str, after: str) -> None:
        path = self.root / "repo/pipelines/lamp.yaml"
        path.write_text(path.read_text().replace(before, after))

    def act(self, **more: str) -> None:
        """Every step but those that fetch and upload, until one fails."""
        for step in yaml.safe_load(ACTION.read_text())["runs"]["steps"]:
            if "run" not in step or step["name"].startswith("Install"):
                continue
            self.codes[step["name"]] = self._step(step, more)
            if self.codes[step["name"]]:
                return

    def _step(self, step: dict[str, Any], more: dict[str, str]) -> int:
        known = {
            "inputs.paths": "pipelines",
            "inputs.base": self.git("rev-parse", "main").strip(),
            "inputs.token": "none",
            "github.repository": "anna/lamps",
            "github.event.pull_request.number": "7",
        }
        own = {
            name: re.sub(r"\$\{\{ (.*?) \}\}", lambda found: known[found[1]], text)
            for name, text in step["env"].items()
        }
        environ = environment(self.root, {**own, **self.files, "RUNNER_TEMP": str(self.root / "temp"), **more})
        environ["PATH"] = f"{self.root / 'bin'}:{environ['PATH']}"
        asked = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        done = subprocess.run(
            asked, cwd=self.root / "repo", env=environ, capture_output=True, text=True, check=False, timeout=120
        )
        self.said[step["name"]] = done.stdout + done.stderr
        return done.returncode

    @property
    def files(self) -> dict[str, str]:
        names = {"GITHUB_STEP_SUMMARY": "summary", "GITHUB_OUTPUT": "output", "GH_LOG": "gh"}
        return {name: str(self.root / file) for name, file in names.items()}

    def read(self, name: str) -> str:
        return (self.root / name).read_text(encoding="utf-8")


def written(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def request_(tmp_path: Path) -> Request:
    return Request(tmp_path)


def test_a_change_that_was_run_passes_and_says_what_it_changes(request_: Request) -> None:
    request_.change("width: 32", "width: 16")
    request_.run()
    request_.commit("Make it small")
    request_.act()
    assert set(request_.codes.values()) == {0}
    comment = request_.read("temp/flowrunner.md")
    assert comment.startswith("<!-- flowrunner -->\n")
    assert "**16**" in comment
    assert request_.read("summary").strip() in comment
    assert request_.read("temp/flowrunner.html").startswith("<!doctype html>")
    assert "waiting=false" in request_.read("output")


def test_the_comment_is_made_once_and_kept_up_to_date(request_: Request) -> None:
    request_.act()
    request_.act(GH_KNOWN="4711")
    first, second = [line for line in request_.read("gh").splitlines() if "--field" in line]
    assert "repos/anna/lamps/issues/7/comments --field body=@" in first
    assert "--method PATCH repos/anna/lamps/issues/comments/4711 --field body=@" in second


def test_where_nothing_may_be_written_the_summary_has_it(request_: Request) -> None:
    request_.act(GH_FAILS="1")
    assert set(request_.codes.values()) == {0}
    assert "may only read" in request_.said["Comment"]
    assert request_.read("summary")


def test_what_waits_for_a_choice_fails_nothing_and_is_named(request_: Request) -> None:
    request_.change(RECIPE, CHOICE)
    request_.run()
    request_.commit("Let somebody choose")
    request_.act()
    assert set(request_.codes.values()) == {0}
    assert "waiting=true" in request_.read("output")
    assert "mask" in request_.read("summary").partition("Somebody has to choose")[2]


def test_a_mistake_stands_at_its_line(request_: Request) -> None:
    request_.change("width: 64", "wide: 64")
    request_.act()
    assert request_.codes == {"Validate": 2}
    assert "::error file=pipelines/lamp.yaml,line=5," in request_.said["Validate"]


def test_a_recipe_that_was_not_run_fails_when_all_else_is_said(request_: Request) -> None:
    request_.change("width: 32", "width: 16")
    request_.commit("Forget to run it")
    request_.act()
    assert [name for name, code in request_.codes.items() if code] == ["Hold the lock to the pipeline"]
    assert request_.read("gh")


def test_no_step_asks_for_more_than_the_action_is_given() -> None:
    action = yaml.safe_load(ACTION.read_text())
    asked = set(re.findall(r"inputs\.(\w+)", json.dumps(action)))
    assert asked == set(action["inputs"])
    assert "secrets." not in ACTION.read_text()
