"""What would falsify the table of the benchmarks: pipelines that are none, and figures in the wrong column."""

import asyncio
import sqlite3
import subprocess
import sys
from dataclasses import replace
from functools import partial
from operator import attrgetter
from pathlib import Path

import pytest
from support import golden, project

from bench.bare import Kept, Walk
from bench.contest import Work, row
from bench.dags import beside, longest, pipeline, uneven
from bench.measure import Figure, Took, Unmeasured, checked, in_turn, launch, printed
from bench.rows import rows
from bench.served import Picture
from bench.table import Line, Unit, markdown
from flowrunner import api
from flowrunner.digest import sha256
from flowrunner.imagehead import artifact
from flowrunner.store.records import RunStatus

HERE = Path(__file__).parent


@pytest.mark.parametrize(("shape", "cells"), [("chain", 5), ("wide", 5), ("matrix", 6)])
def test_a_shape_is_a_sound_pipeline_of_so_many_cells(tmp_path: Path, shape: str, cells: int) -> None:
    found = api.load(project(tmp_path, {"show.yaml": pipeline(shape, cells)}) / "show.yaml")
    assert (len(found.cells), found.problems) == (cells, ())


@pytest.mark.parametrize(("shape", "cells"), [("uneven", 38), ("beside", 50)])
def test_a_graph_of_waits_is_a_sound_pipeline(tmp_path: Path, shape: str, cells: int) -> None:
    count = 6 if shape == "uneven" else 10
    found = api.load(project(tmp_path, {"show.yaml": pipeline(shape, count)}) / "show.yaml")
    assert (len(found.cells), found.problems) == (cells, ())


def test_a_picture_of_the_served_provider_is_one_and_no_two_are_alike(tmp_path: Path) -> None:
    files = {f"p{number}.png": b"".join(Picture(20_000, number).pieces(number)) for number in range(3)}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        assert (artifact(data).media_type, round(len(data), -3)) == ("image/png", 20_000)
    assert len(set(files.values())) == 3
    found = api.load(project(tmp_path, {"show.yaml": pipeline("edits", 3)}) / "show.yaml")
    assert (len(found.cells), found.problems) == (3, ())


def test_the_served_provider_is_paid_and_gives_what_it_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "p0.png").write_bytes(b"".join(Picture(300_000).pieces(0)))
    path = project(tmp_path, {"show.yaml": pipeline("edits", 1).replace("p0.png", "p0.png, p0.png")}) / "show.yaml"
    for how in ("inline", "linked"):
        words = [sys.executable, "-m", "bench.served", "20000", "0", how]
        with subprocess.Popen(words, cwd=HERE.parent, stdout=subprocess.PIPE, text=True) as served:
            try:
                assert served.stdout is not None
                origin = served.stdout.readline().strip()
                environment = {"AIMLAPI_API_KEY": "sk-x", "AIMLAPI_BASE_URL": origin, "HOME": str(tmp_path)}
                result = api.run(path, environment=environment, force=("s0",))
            finally:
                served.kill()
        assert (result.status, result.calls) == (RunStatus.DONE, 1)


def test_the_longest_way_through_the_uneven_diamond_has_one_slow_node() -> None:
    dag, seconds = uneven()
    assert max(longest(dag, seconds.__getitem__).values()) == pytest.approx(0.05 + 5 * 0.05 + 0.5 + 0.05)


def test_the_chain_beside_others_is_as_long_as_their_share() -> None:
    dag, seconds = beside()
    assert max(longest(dag, seconds.__getitem__).values()) == pytest.approx(1.0)
    assert sum(seconds.values()) / 5 == pytest.approx(1.0)


def test_without_flowrunner_each_call_leaves_what_has_to_be_durable_and_nothing_begins_before_its_needs(
    tmp_path: Path,
) -> None:
    dag = {**uneven(3)[0], **beside(2, others=100)[0]}
    said: list[tuple[str, str]] = []

    class Told(Kept):
        async def call(self, name: str, seconds: float, /) -> None:
            said.append(("call", name))
            await super().call(name, seconds)

        async def keep(self, name: str, /) -> None:
            await super().keep(name)
            said.append(("kept", name))

    asyncio.run(Walk(dag, lambda _: 0.0, Told(tmp_path / "kept")).through(80))
    rows = (
        sqlite3.connect(tmp_path / "kept" / "bare.db").execute("SELECT name, key, reply, picture FROM calls").fetchall()
    )
    assert sorted(row[0] for row in rows) == sorted(dag)
    for name, key, reply, picture in rows:
        data = (tmp_path / "kept" / picture[:2] / picture[2:]).read_bytes()
        assert (data.decode().strip(), key in reply, sha256(data)) == (name, True, picture)
    for name, needs in dag.items():
        assert all(said.index(("kept", need)) < said.index(("call", name)) for need in needs)


def test_no_two_rows_have_one_name() -> None:
    names = [(row.group, row.name) for row in rows()]
    assert len(names) == len(set(names))


def test_a_command_is_measured_in_a_bare_interpreter(tmp_path: Path) -> None:
    words = [sys.executable, "-c", "import time; big = bytearray(60_000_000); time.sleep(0.2); print(7)"]
    took = launch(words, cwd=tmp_path, env={}, samples=3)
    assert 0 <= took.stolen < 1.5  # told in hundredths of a second
    assert 60 < took.peak_mb < 120
    assert (printed(took), len(took.curve)) == (7.0, 3)
    small = launch([sys.executable, "-S", "-c", "pass"], cwd=tmp_path, env={})
    assert small.peak_mb < 40


@pytest.mark.slow
def test_a_command_that_fails_or_hangs_gives_no_figure(tmp_path: Path) -> None:
    def ended(code: str, timeout: int = 60) -> None:
        checked(launch([sys.executable, "-c", code], cwd=tmp_path, env={}, timeout=timeout), timeout=timeout)

    with pytest.raises(Unmeasured, match=r"^exit 3: no such thing$"):
        ended("print('no such thing'); raise SystemExit(3)")
    with pytest.raises(Unmeasured, match=r"^more than 1 s$"):
        ended("import time; time.sleep(60)", timeout=1)
    with pytest.raises(Unmeasured, match="No such file"):
        launch(["no-such-program"], cwd=tmp_path, env={})


def test_the_command_and_its_floor_take_turns(tmp_path: Path) -> None:
    order: list[str] = []
    took = launch([sys.executable, "-S", "-c", "pass"], cwd=tmp_path, env={})

    def once(name: str) -> Took:
        order.append(name)
        return replace(took, seconds=float(len(order)))

    def fails() -> Took:
        order.append("fails")
        raise Unmeasured("no")

    once_each = (partial(once, "work"), fails, partial(once, "floor"))
    work, failed, floor = in_turn([(part, attrgetter("seconds")) for part in once_each], 2)
    assert order == ["work", "fails", "floor", "work", "floor"]
    assert isinstance(work, Figure)
    assert isinstance(floor, Figure)
    assert (work.values, floor.values, str(failed)) == ((1.0, 4.0), (3.0, 5.0), "no")


def test_the_table() -> None:
    figure = Figure(values=(0.2, 0.1, 0.4), peaks=(30.4, 31.0, 30.6), stolen=(0.0, 0.121, 0.38))
    floor = Figure(values=(0.02, 0.01, 0.04), peaks=(9.0, 9.0, 9.0))
    curve = Figure(values=(12.0,), peaks=(180.0,), curve=(40.0, 90.0, 91.0), stolen=(0.07,))
    times = Figure(values=(1.0284,), peaks=(50.0,))
    lines = [
        Line(group="Start-up", name="--version", figure=figure, floor=floor, target="≤ 2"),
        Line(group="Start-up", name="check", note="exit 2: a | b"),
        Line(group="Cells", name="a run", figure=curve, cells=10_000, target="≤ 3 s"),
        Line(group="Cells", name="waits", unit=Unit.TIMES, figure=times, floor=times, target="≤ 1.03"),
    ]
    golden(HERE / "table.md", markdown(lines))


def test_a_row_of_the_contest_says_how_many_times_the_floor_it_took() -> None:
    floors = dict.fromkeys(Work, Figure(values=(0.02,), peaks=(9.0,)))
    figures: dict[Work, Figure | Unmeasured] = dict.fromkeys(Work, Figure(values=(0.3,), peaks=(40.0,)))
    figures[Work.AGAIN] = Unmeasured("more than 600 s")
    text = "| doit 1 | 300 ms (15×) | 300 ms (15×) | 300 ms (15×) | more than 600 s | 40 |"
    assert row("doit 1", figures, floors) == text
