"""A plan is a run with the effects withheld: of every example, what is planned is what is then done, call by call."""

import shutil
from pathlib import Path

import pytest

from flowrunner import api, picking
from flowrunner.catalog import Catalog
from flowrunner.ended import Status
from flowrunner.planning import Decision, Plan
from flowrunner.simulator.contract import Simulator
from flowrunner.simulator.transport import SimulatedTransport
from flowrunner.store.records import RunStatus

pytestmark = pytest.mark.slow

HOME = Path(__file__).parents[2] / "pipelines"
NAMES = sorted(path.stem for path in HOME.glob("*.yaml"))
LARGE = ("bake-off", "local-only", "spring-hero", "sprites")
EXAMPLES = [pytest.param(name, marks=pytest.mark.slow if name in LARGE else ()) for name in NAMES]
ENDS = {
    Decision.RUN: {Status.DONE, Status.WAITING, Status.REUSED},
    Decision.AWAIT: {Status.DONE, Status.WAITING},
    Decision.REUSE: {Status.REUSED, Status.WAITING},
    Decision.SKIP: {Status.SKIPPED},
}
"""How a cell may end after each decision."""


@pytest.fixture
def transports(monkeypatch: pytest.MonkeyPatch) -> list[SimulatedTransport]:
    """The simulator of each run, in order."""
    made: list[SimulatedTransport] = []

    def transport(catalog: Catalog, _: object) -> SimulatedTransport:
        made.append(SimulatedTransport(Simulator(catalog)))
        return made[-1]

    monkeypatch.setattr("flowrunner.simulator.transport.transport", transport)
    return made


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copytree(HOME, tmp_path / "pipelines", ignore=shutil.ignore_patterns("*.lock.yaml"))
    (tmp_path / "flowrunner.toml").touch()
    return tmp_path / "pipelines"


def load(path: Path) -> api.PipelineFile:
    return api.load(path, environment={}, simulate=True)


def paid(transports: list[SimulatedTransport], plan: Plan) -> int:
    """The POSTs of the newest run that ask a model for pictures; nothing was sent where there was no run."""
    paths = {cell.cell.model.path for cell in plan.cells.values() if cell.cell.model} - {""}
    return sum(method == "POST" and path in paths for one in transports[-1:] for method, path in one.requests)


def choose_last(path: Path) -> None:
    pipeline = load(path)
    wishes = [picking.Wish(cell=one.cell, number=len(one.candidates)) for one in picking.waiting(pipeline)]
    picking.record(pipeline, wishes)


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_is_planned_is_done_for_what_was_said(
    project: Path, name: str, transports: list[SimulatedTransport]
) -> None:
    path = project / f"{name}.yaml"
    while True:
        plan = api.plan(load(path))
        transports.clear()
        result = api.run(load(path))
        sent = sum(cell.to_send for cell in plan.before_picks)
        assert (paid(transports, plan), result.calls) == (sent, sent)
        estimates = [cell.estimate for cell in plan.before_picks if cell.to_send]
        assert None in estimates or result.paid <= sum(amount or 0 for amount in estimates)
        for planned in plan.cells.values():
            ends = {Status.WAITING} if planned.behind_pick else ENDS[planned.decision]
            assert result.results[planned.cell.id].status in ends
        if result.status is RunStatus.DONE:
            return
        assert result.status is RunStatus.WAITING
        choose_last(path)
