"""What git knows about the person at work. There may be no git, no repository and no name."""

import os
from pathlib import Path

_SECONDS = 5.0
_LONGEST = 100


def user_name(root: Path) -> str | None:
    """Git's `user.name` as it stands for the folder `root`: what a pick is signed with."""
    import subprocess

    # GIT_DIR and its kin would answer for another repository; git's own hooks set them.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        answer = subprocess.run(  # noqa: S603  # a fixed command
            ["git", "-C", str(root), "config", "--get", "user.name"],  # noqa: S607  # git is where the user has it
            env=environment | {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    name = " ".join(answer.stdout.decode(errors="replace").split())[:_LONGEST]
    return name if answer.returncode == 0 and name else None
