"""Faults without a server: an option of a simulated run."""

from pathlib import Path

import pytest
from rehearsal import Rehearsal, quick
from support import Time

import flowrunner
from flowrunner.errors import UsageError


def test_a_program_rehearses_a_lost_reply(tmp_path: Path) -> None:
    Rehearsal(tmp_path)
    with quick(Time()):
        result = flowrunner.run(tmp_path / "aimlapi.yaml", environment={}, simulate=True, faults=("drop at=1",))
    assert (result.exit_code, result.maybe_billed) == (1, ["scene"])


@pytest.mark.parametrize(
    ("options", "message"),
    [({"faults": ("drop",)}, "for simulated runs"), ({"faults": ("teapot",), "simulate": True}, "is no fault")],
)
def test_faults_that_cannot_be_are_refused_before_anything_is_begun(
    tmp_path: Path, options: dict[str, object], message: str
) -> None:
    Rehearsal(tmp_path)
    with pytest.raises(UsageError, match=message):
        flowrunner.run(tmp_path / "aimlapi.yaml", environment={}, **options)
    assert not (tmp_path / ".flowrunner").exists()
