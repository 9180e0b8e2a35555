import io
from typing import Any

import pytest

from flowrunner.artifact import Artifact
from flowrunner.call import Billed, Failure
from flowrunner.events import Begun, Done, Failed, Noted, Retried, Sent
from flowrunner.progress.facts import Facts
from flowrunner.progress.shown import Lines, Live

PNG = Artifact(sha256="9ec15c" + "0" * 58, media_type="image/png", width=64, height=48, bytes=900)
SENT = Sent(cell="scene/lamp", sample=1, model="m", estimate=1)
DONE = Done(cell="scene/lamp", sample=1, seconds=1.0, paid=500_000_000, artifacts=(PNG,))


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def live(clock: Clock) -> Live:
    from rich.console import Console

    console = Console(file=io.StringIO(), width=60, height=6, force_terminal=True, color_system=None)
    return Live(facts=Facts(simulated=False), console=console, clock=clock)


def shown(live: Live) -> list[str]:
    """The lines that move."""
    with live.console.capture() as capture:
        live.console.print(live._shown())
    return [line.rstrip() for line in capture.get().splitlines()]


def test_lines_are_written_as_they_happen() -> None:
    said: list[str] = []
    with Lines(Facts(simulated=False), said.append) as lines:
        lines(SENT)
        assert said == ["send  scene/lamp  about $0.001"]


def test_a_reader_that_goes_away_is_spoken_to_no_more() -> None:
    said: list[str] = []

    def write(text: str) -> None:
        said.append(text)
        raise BrokenPipeError

    lines = Lines(Facts(simulated=False), write)
    lines(SENT)
    lines(SENT)
    assert len(said) == 1


def test_each_active_cell_has_a_line_with_its_time_and_one_line_has_the_money(live: Live, clock: Clock) -> None:
    live(SENT)
    clock.now = 65.3
    live(Sent(cell="scene/vase", sample=1, model="m", estimate=1))
    assert shown(live) == [
        "  scene/lamp    65.3 s",
        "  scene/vase     0.0 s",
        "  0 of 0 calls  paid $0.000000 of about $0.000  1:05",
    ]


def test_a_cell_that_is_done_leaves_and_its_money_counts(live: Live) -> None:
    live(SENT)
    live(DONE)
    assert shown(live) == ["  1 of 0 calls  paid $0.500000 of about $0.000  0:00"]


def test_a_call_that_waits_for_another_try_says_so_and_keeps_its_time(live: Live, clock: Clock) -> None:
    live(SENT)
    clock.now = 3.0
    live(Retried(cell="scene/lamp", sample=1, reason="HTTP 429", wait=5.0, attempt=1, attempts=3))
    assert shown(live)[0] == "  scene/lamp     3.0 s  again in 5 s: HTTP 429"


@pytest.mark.parametrize(
    ("billed", "paid"), [(Billed.NO, "$0.000000"), (Billed.MAYBE, "$0.000000"), (Billed.YES, "$0.500000")]
)
def test_of_a_failed_call_only_what_is_certain_counts(live: Live, billed: Billed, paid: str) -> None:
    live(SENT)
    live(Failed(cell="scene/lamp", sample=1, failure=Failure(key="k", error="no", billed=billed, paid=500_000_000)))
    assert f"paid {paid} of" in shown(live)[-1]


def test_more_cells_than_the_terminal_has_lines_are_counted(live: Live) -> None:
    for number in range(9):
        live(Sent(cell=f"c{number}", sample=1, model="m", estimate=1))
    lines = shown(live)
    assert len(lines) == 5
    assert lines[3] == "  … and 6 more"


def test_what_went_wrong_stays_and_what_moved_is_gone(live: Live) -> None:
    with live:
        live(Begun("r-1"))
        live(SENT)
        live(Noted(text="[bold]not markup[/bold]"))
    output: Any = live.console.file
    assert "note  [bold]not markup[/bold]\n" in output.getvalue()
    assert output.getvalue().endswith("\x1b[?25h") or "\x1b[2K" in output.getvalue()
    assert live._live is None


@pytest.mark.parametrize("sample", [1, 2])
def test_a_name_that_is_too_long_keeps_its_ends_and_leaves_room_for_the_time(
    live: Live, clock: Clock, sample: int
) -> None:
    name = f"a-scene-of-the-product/a-brass-desk-lamp-with-a-green-shade/de-{sample}"
    live(Sent(cell=name, sample=1, model="m", estimate=1))
    live(Retried(cell=name, sample=1, reason="HTTP 429", wait=5.0, attempt=1, attempts=3))
    clock.now = 65.3
    assert shown(live)[0] == f"  a-scene…green-shade/de-{sample}    65.3 s  again in 5 s: HTTP 429"


def test_what_stays_is_broken_at_blanks_and_a_command_line_is_not(live: Live) -> None:
    with live:
        live.say("wait  scene/lamp  choose one of 4: outputs/scene/lamp/candidates.png  (stale: a word more)")
        live.say(f"next  flowrunner pick {'long/' * 12}show.yaml scene/lamp N")
    output: Any = live.console.file
    assert output.getvalue() == (
        "wait  scene/lamp  choose one of 4:\n"
        "      outputs/scene/lamp/candidates.png  (stale: a word\n"
        "      more)\n"
        f"next  flowrunner pick {'long/' * 12}show.yaml scene/lamp N\n"
    )
