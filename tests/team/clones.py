"""People who work on one pipeline: clones of a repository, a folder that they share, a provider that they pay."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from support import Result, cli, environment

sys.path.insert(0, str(Path(__file__).parents[1] / "live"))

if TYPE_CHECKING:
    from provider_server import Seen

SMALL = "image_size: {width: 512, height: 512}"
SHOW = f"""\
flowrunner: 1
name: show
provider: aimlapi
axes: {{product: [jug, lamp, vase]}}
steps:
  scene:
    across: product
    model: blackforestlabs/flux-2
    variants: 2
    pick: human
    with: {{prompt: "A {{{{ axis.product }}}} on an oak desk", {SMALL}, seed: 42}}
    overrides:
      - {{at: {{product: jug}}, with: {{seed: 1}}}}
      - {{at: {{product: lamp}}, with: {{seed: 2}}}}
      - {{at: {{product: vase}}, with: {{seed: 3}}}}
  frame:
    across: product
    model: blackforestlabs/flux-2-edit
    with: {{prompt: Extend it, image_urls: [$scene], {SMALL}}}
outputs: {{heroes: $frame.*}}
"""
PICKS = "scene/jug 1\nscene/lamp 2 the shade\nscene/vase 1\n"


def git(folder: Path, *words: str) -> str:
    """What git prints. CalledProcessError where it fails."""
    env = environment(folder.parent, {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"})
    done = subprocess.run(["git", *words], cwd=folder, env=env, capture_output=True, text=True, check=True)
    return done.stdout


@dataclass(frozen=True)
class Person:
    """One clone, and the environment of who works in it."""

    folder: Path
    env: dict[str, str]

    def flow(self, line: str, stdin: str = "") -> Result:
        return cli(*line.split(), cwd=self.folder, env=self.env, stdin=stdin)

    def git(self, line: str) -> str:
        return git(self.folder, *line.split())

    def write(self, before: str, after: str) -> None:
        path = self.folder / "show.yaml"
        assert before in path.read_text()
        path.write_text(path.read_text().replace(before, after))

    def commit(self, message: str) -> None:
        self.git("add -A")
        self.git(f"commit -qm {message}")

    def finish(self) -> None:
        """Runs, picks what waits, and runs to the end."""
        assert self.flow("run show.yaml --yes").exit_code == 4
        waiting = {one["cell"] for one in self.flow("pick show.yaml --format json").json["waiting"]}
        lines = "".join(line + "\n" for line in PICKS.splitlines() if line.split()[0] in waiting)
        assert self.flow("pick show.yaml --from -", lines).exit_code == 0
        done = self.flow("run show.yaml --yes")
        assert done.exit_code == 0, done.out + done.err

    def outputs(self) -> dict[str, bytes]:
        base = self.folder / "outputs/show/heroes"
        return {path.relative_to(base).as_posix(): path.read_bytes() for path in sorted(base.rglob("*.png"))}


def people(folder: Path, seen: "Seen", *names: str) -> list[Person]:
    """Clones of one repository, in which `init`'s .gitattributes and the pipeline are committed."""
    from provider_server import KEY

    (folder / "shared").mkdir()
    git(folder, "init", "-q", "--bare", "-b", "main", "origin.git")
    found = []
    for name in names:
        git(folder, "clone", "-q", "origin.git", name)
        env = {"AIMLAPI_API_KEY": KEY, "AIMLAPI_BASE_URL": seen.origin, "FLOWRUNNER_REMOTE": str(folder / "shared")}
        person = Person(folder / name, env)
        git(person.folder, "config", "user.name", name.capitalize())
        git(person.folder, "config", "user.email", f"{name}@example.com")
        found.append(person)
    first = found[0]
    first.git("checkout -qB main")
    (first.folder / ".gitattributes").write_text("*.lock.yaml merge=union\n")
    (first.folder / ".gitignore").write_text("/.flowrunner/\n/outputs/\n")
    (first.folder / "show.yaml").write_text(SHOW)
    first.commit("begin")
    first.git("push -q origin main")
    for other in found[1:]:
        other.git("pull -q origin main")
        other.git("checkout -qB main origin/main")
    return found
