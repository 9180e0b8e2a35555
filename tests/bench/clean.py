"""Clean environments: one of the project as it is now, one for each peer; nothing of the caller's is in sight."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .measure import Unmeasured

ROOT = Path(__file__).parents[2]
PATIENCE = 900
"""Seconds for one installation."""

ORIGIN = "https://instant.invalid"
"""That of the provider within the process; nobody else has it, and nothing is sent to it."""


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment, and a folder that is its home."""

    folder: Path

    def program(self, name: str) -> str:
        return str(self.folder / "bin" / name)

    def variables(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """What its programs see: paths, a home of their own, and a key for the provider that is none."""
        git = str(Path(shutil.which("git") or "/usr/bin/git").parent)
        own = {
            "PATH": os.pathsep.join((str(self.folder / "bin"), git, "/usr/bin", "/bin")),
            "HOME": str(self.folder / "home"),
            "TMPDIR": str(self.folder / "tmp"),
            "LC_ALL": "C.UTF-8",
            "AIMLAPI_API_KEY": "sk-measured",
            "AIMLAPI_BASE_URL": ORIGIN,
        }
        return {**own, **(more or {})}


def flowrunner(folder: Path) -> Environment:
    """The project as it is now, installed like anyone's; beside it this package, which some measures run in it."""
    made = _made(folder)
    constraints = ROOT / ".ci" / "constraints.txt"
    # A local project counts as unchanged while its pyproject.toml is: so it is asked for anew.
    _uv("pip", "install", "--reinstall-package", "flowrunner", "--constraint", constraints, ROOT, into=made)
    packages = next(made.folder.glob("lib/python*/site-packages"))
    left_out = shutil.ignore_patterns("__pycache__", "test_*")
    shutil.copytree(Path(__file__).parent, packages / "bench", ignore=left_out)
    subprocess.run([made.program("python"), "-m", "compileall", "-q", packages / "bench"], check=True)
    return made


def peer(folder: Path, requirements: Sequence[str]) -> Environment:
    """An environment with what a peer needs, kept from run to run. Unmeasured where it cannot be installed."""
    ready = folder / "ready"
    if not ready.exists():
        shutil.rmtree(folder, ignore_errors=True)
        _uv("pip", "install", *requirements, into=_made(folder))
        ready.touch()
    return Environment(folder)


def _made(folder: Path) -> Environment:
    folder.parent.mkdir(parents=True, exist_ok=True)
    _run(_program(), "venv", "--quiet", "--python", sys.executable, folder)
    for own in ("home", "tmp"):
        (folder / own).mkdir()
    return Environment(folder)


def _uv(*words: str | Path, into: Environment) -> None:
    _run(_program(), *words, "--quiet", "--compile-bytecode", "--python", into.program("python"))


def _program() -> str:
    found = os.environ.get("UV") or shutil.which("uv")
    if found is None:
        raise Unmeasured("uv is not on the path")
    return found


def _run(*words: str | Path) -> None:
    # Modules are compiled at once: what the first command would write falsifies its figure.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    try:
        done = subprocess.run(words, env=env, capture_output=True, text=True, check=False, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise Unmeasured(f"not installed within {PATIENCE} s") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise Unmeasured(f"cannot be installed: {lines[-1].strip()[:120] if lines else done.returncode}")
