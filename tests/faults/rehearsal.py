"""Small runs against a simulator that fails on order, with a clock that nobody waits for."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from support import Result, Time, cli, picture, project
from wire import png

from flowrunner.catalog import Catalog
from flowrunner.running import Run, Timing
from flowrunner.simulator.contract import Simulator
from flowrunner.simulator.drawing import Frame
from flowrunner.simulator.mishaps import Script
from flowrunner.simulator.transport import SimulatedTransport

SIZE = "image_size: {width: 512, height: 512}"
PIPELINES = {
    "aimlapi.yaml": f"""\
        flowrunner: 1
        provider: aimlapi
        steps:
          scene: {{model: blackforestlabs/flux-2-pro, with: {{prompt: A vase, {SIZE}}}}}
        """,
    "onemin.yaml": """\
        flowrunner: 1
        provider: onemin
        steps:
          scene: {model: black-forest-labs/flux-2-pro/generate, with: {prompt: A vase}}
        """,
    "edit.yaml": """\
        flowrunner: 1
        provider: onemin
        steps:
          scene: {model: black-forest-labs/flux-2-pro/edit, with: {prompt: A vase, imageUrl: photo.png}}
        """,
    "two.yaml": f"""\
        flowrunner: 1
        provider: aimlapi
        steps:
          scene: {{model: blackforestlabs/flux-2, with: {{prompt: A vase, num_images: 2, {SIZE}}}}}
          second: {{model: blackforestlabs/flux-2-edit, with: {{prompt: B, image_urls: [$scene.2], {SIZE}}}}}
        """,
    "sixty.yaml": f"""\
        flowrunner: 1
        provider: aimlapi
        axes: {{n: [{", ".join(map(str, range(60)))}]}}
        steps:
          scene:
            across: n
            model: blackforestlabs/flux-2-pro
            with: {{prompt: "Vase {{{{ axis.n }}}}", {SIZE}}}
        """,
}


def drawn(frame: Frame) -> bytes:
    """What the simulator would draw, without the drawing."""
    return png(frame.width, frame.height, frame.token)


@dataclass
class Rehearsal:
    """A project, and the runs in it. `requests` are those of the latest run. The simulator keeps its pictures from run
    to run, as one that is served does."""

    folder: Path
    time: Time = field(default_factory=Time)
    requests: list[tuple[str, str]] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    simulator: Simulator | None = None

    def __post_init__(self) -> None:
        picture(project(self.folder, PIPELINES) / "photo.png")

    def run(self, pipeline: str, *rules: str, line: str = "--format json") -> Result:
        """One simulated run in which these rules hold."""

        def transport(catalog: Catalog, _: object = ()) -> SimulatedTransport:
            self.simulator = self.simulator or Simulator(catalog)
            self.simulator._script = Script(rules)
            made = SimulatedTransport(self.simulator, sleep=self.time.sleep)
            self.requests = made.requests
            return made

        self.requests = []
        with patch("flowrunner.simulator.transport.transport", transport), quick(self.time):
            return cli("run", pipeline, "--simulate", *line.split(), cwd=self.folder, env=self.env)

    def shown(self, result: Result) -> Any:
        """What `runs show` has of a run."""
        return cli("runs", "show", result.json["run"], "--format", "json", cwd=self.folder).json

    def count(self, method: str, path: str = "") -> int:
        return sum(one == method and path in where for one, where in self.requests)

    @property
    def posts(self) -> int:
        """Paid calls that were sent."""
        return self.count("POST") - self.count("POST", "/api/assets")


@contextmanager
def quick(time: Time) -> Iterator[None]:
    timing = Timing(
        clock=lambda: time.now, wall=lambda: 1_767_225_600.0 + time.now, sleep=time.sleep, random=lambda: 0.5
    )
    remembers = patch.object(Run, "_forgets", lambda *_: False)
    with patch.object(Run, "timing", timing), patch("flowrunner.simulator.studio.draw", drawn), remembers:
        yield


def following(text: str) -> str:
    """The command that a run ends with, without the ids of runs."""
    found = re.findall(r"^next  flowrunner (.*)$", text, re.MULTILINE)
    return re.sub(r"\br-[0-9a-f]{4,6}\b", "ID", found[-1]) if found else ""
