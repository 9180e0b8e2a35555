"""Of any pipeline, what is planned is what is done, also after a change, and a second run does nothing."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis.strategies import DrawFn, composite, integers, sampled_from
from shop import Shop, one_file
from wire import Wire

from flowrunner import picking
from flowrunner.ended import Status
from flowrunner.planning import Decision, Plan
from flowrunner.store.records import RunStatus

AXES = {"p": ("lamp", "vase"), "q": ("wide", "tall")}
MODEL = "blackforestlabs/flux-2"
ENDS = {
    Decision.RUN: {Status.DONE, Status.WAITING, Status.REUSED},
    Decision.AWAIT: {Status.DONE, Status.WAITING, Status.REUSED},
    Decision.REUSE: {Status.REUSED, Status.WAITING, Status.DONE},
    Decision.SKIP: {Status.SKIPPED},
}
"""How a cell may end after each decision. A request that two cells share is done by the one that comes first."""


@dataclass(frozen=True)
class Step:
    """A step as drawn: its axes, the steps whose pictures it takes, and the rest of its text."""

    name: str
    across: tuple[str, ...]
    refs: tuple[str, ...]
    rest: str = ""
    prompt: str = field(default="x", compare=False)

    @property
    def text(self) -> str:
        across = f"across: [{', '.join(self.across)}], " if self.across else ""
        prompt = " ".join((self.prompt, *(f"{{{{ axis.{name} }}}}" for name in self.across)))
        if not self.refs:
            return f"  {self.name}: {{{across}{self.rest}model: {MODEL}, with: {{prompt: '{prompt}'}}}}"
        refs = f"prompt: '{prompt}', image_size: square, image_urls: [{', '.join(self.refs)}]"
        return f"  {self.name}: {{{across}{self.rest}model: {MODEL}-edit, with: {{{refs}}}}}"


def referred(target: Step, across: tuple[str, ...]) -> str:
    """How a step with these axes refers to another."""
    return f"${target.name}" if set(target.across) <= set(across) else f"${target.name}.*"


@composite
def step(draw: DrawFn, before: list[Step]) -> Step:
    across = draw(sampled_from(((), ("p",), ("q",), ("p", "q"))))
    # A gather over both axes would be four pictures, and the model takes three.
    near = [one for one in before if len(set(one.across) - set(across)) < 2]
    target = draw(sampled_from([None, *near]))
    rest = ""
    variants = draw(sampled_from((1, 1, 2)))
    if variants > 1:
        rest += f"variants: 2, pick: {draw(sampled_from(('first', 'human', '2')))}, "
    if across and draw(sampled_from((False, False, True))):
        rest += f"when: axis.{across[0]} == '{AXES[across[0]][0]}', "
        same = [one for one in before if set(one.across) <= set(across)]
        instead = draw(sampled_from([None, *same]))
        rest += f"else: ${instead.name}, " if instead else ""
    if before and draw(sampled_from((False, False, True))):
        rest += f"after: {draw(sampled_from(before)).name}, "
    name = f"s{len(before)}"
    prompt = draw(sampled_from((name, "same")))
    return Step(name, across, (referred(target, across),) if target else (), rest, prompt)


@composite
def pipelines(draw: DrawFn) -> list[Step]:
    found: list[Step] = []
    for _ in range(draw(integers(2, 6))):
        found.append(draw(step(found)))
    return found


def text(steps: list[Step], changed: int = -1) -> str:
    axes = ", ".join(f"{name}: [{', '.join(values)}]" for name, values in AXES.items())
    lines = [
        one.text.replace("prompt: '", "prompt: 'changed " if n == changed else "prompt: '")
        for n, one in enumerate(steps)
    ]
    return f"axes: {{{axes}}}\nsteps:\n" + "\n".join(lines) + "\n"


def run_to_the_end(made: Shop) -> None:
    """Runs as often as there are choices to make, and compares each run with its plan."""
    for _ in range(12):
        plan = made.plan()
        before = len(made.wire.sent)
        result = made.result()
        compare(plan, len(made.wire.sent) - before, {name: one.status for name, one in result.results.items()})
        if result.status is RunStatus.DONE:
            return
        assert result.status is RunStatus.WAITING
        pipeline = made.load()
        wishes = [picking.Wish(cell=one.cell, number=len(one.candidates)) for one in picking.waiting(pipeline)]
        assert wishes
        picking.record(pipeline, wishes)
    raise AssertionError("there is always another choice to make")


def compare(plan: Plan, sent: int, ended: dict[str, Status]) -> None:
    most = sum(cell.to_send for cell in plan.before_picks)
    sure = sum(cell.to_send for cell in plan.of(Decision.RUN))
    assert sure <= sent <= most
    for name, cell in plan.cells.items():
        assert ended[name] in ({Status.WAITING} if cell.behind_pick else ENDS[cell.decision]), name


@pytest.mark.slow
@settings(max_examples=12)
@given(steps=pipelines(), changed=integers(0, 5))
def test_a_run_does_what_its_plan_says(steps: list[Step], changed: int) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        wire = Wire()
        patch.setattr("flowrunner.simulator.transport.transport", lambda *_: wire)
        made = one_file(Path(folder), wire, text(steps))
        run_to_the_end(made)
        lock, sent = made.lock(), len(wire.sent)
        assert made.result().status is RunStatus.DONE
        assert (made.lock(), len(wire.sent)) == (lock, sent)
        made.write("shop.yaml", "flowrunner: 1\nprovider: aimlapi\n" + text(steps, changed))
        run_to_the_end(made)
