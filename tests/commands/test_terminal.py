"""Commands on a terminal: a pseudo-terminal is one."""

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_projects import CHAIN
from support import environment, project

pytestmark = pytest.mark.slow

INTERRUPT = "\x03\n"
"""Control-C. The pseudo-terminal controls no process here, so the signal is sent as well; the line's end wakes a reader
that the signal came too early for."""


def on_terminal(folder: Path, line: str, typed: str = "", **more: str) -> tuple[int, str]:
    """Exit code and everything that the terminal showed."""
    ours, theirs = pty.openpty()
    env = environment(folder, {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30", **more})
    words = [sys.executable, "-m", "flowrunner", *line.split()]
    with subprocess.Popen(words, cwd=folder, env=env, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:  # Linux says so when the last writer has gone
                break
            shown += piece
            if not piece:
                break
            if typed and b"[y/N]" in shown:
                if typed == INTERRUPT:
                    process.send_signal(signal.SIGINT)
                os.write(ours, typed.encode())
                typed = ""
    os.close(ours)
    return process.returncode, shown.decode().replace("\r\n", "\n")


@pytest.fixture(autouse=True)
def _interrupts_are_heard() -> Iterator[None]:
    """A shell lets its background jobs ignore them, and what they start as well."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return project(tmp_path, {"chain.yaml": CHAIN})


@pytest.mark.parametrize("answer", ["n\n", "\n", "nope\n"])
def test_it_says_what_it_will_pay_and_asks_once(folder: Path, answer: str) -> None:
    code, shown = on_terminal(folder, "run chain.yaml --max-usd 1", answer, AIMLAPI_API_KEY="sk-0123456789")
    assert code == 3
    assert shown.count("chain: 2 calls, about $0.057, cap $1.00\nGo on? [y/N] ") == 1
    assert "refused: declined\nNothing was sent, nothing was paid.\n" in shown


def test_the_question_is_broken_at_blanks_where_the_terminal_is_narrow(folder: Path) -> None:
    narrow = {"AIMLAPI_API_KEY": "sk-0123456789", "COLUMNS": "30"}
    _, shown = on_terminal(folder, "run chain.yaml --max-usd 1", "n\n", **narrow)
    assert "chain: 2 calls, about $0.057,\n  cap $1.00\nGo on? [y/N] " in shown


@pytest.fixture
def pair(folder: Path) -> Path:
    return project(folder, {"other.yaml": CHAIN.replace("T-Rex", "dodo").replace("name: chain", "name: other")})


SUM = """\
chain: 2 calls, about $0.057, cap $1.00
other: 2 calls, about $0.057, cap $0.9433
together: 4 calls, about $0.114, cap $1.00
Go on? [y/N] n
refused: declined
Nothing was sent, nothing was paid.
"""


def test_several_pipelines_are_asked_about_once_and_a_no_holds_for_all(pair: Path) -> None:
    code, shown = on_terminal(pair, "run chain.yaml other.yaml --max-usd 1", "n\n", AIMLAPI_API_KEY="sk-0123456789")
    assert code == 3
    assert shown == f"{SUM}next  flowrunner plan chain.yaml --max-usd 1.00\n"


def test_a_yes_holds_for_all_pipelines_of_a_command(pair: Path) -> None:
    nowhere = {"AIMLAPI_API_KEY": "sk-0123456789", "AIMLAPI_BASE_URL": "http://127.0.0.1:9"}
    code, shown = on_terminal(pair, "run chain.yaml other.yaml", "y\n", **nowhere)
    assert code == 1
    assert shown.count("Go on?") == 1
    assert "next\x1b[0m  flowrunner run other.yaml\n" in shown
    assert shown.endswith("all\x1b[0m   2 pipelines: 2 failed (chain.yaml, other.yaml)\n")


def test_an_interrupt_at_the_question_pays_nothing(folder: Path) -> None:
    code, shown = on_terminal(folder, "run chain.yaml", INTERRUPT, AIMLAPI_API_KEY="sk-0123456789")
    assert code == 130
    assert "interrupted  Nothing was sent, nothing was paid." in shown


def test_a_yes_goes_on(folder: Path) -> None:
    nowhere = {"AIMLAPI_API_KEY": "sk-0123456789", "AIMLAPI_BASE_URL": "http://127.0.0.1:9"}
    code, shown = on_terminal(folder, "run chain.yaml", "y\n", **nowhere)
    assert code == 1
    assert "not sent: the connection was refused" in shown


def test_a_simulated_run_asks_nothing_and_leaves_only_facts_that_stay(folder: Path) -> None:
    code, shown = on_terminal(folder, "run chain.yaml --simulate")
    assert code == 0
    assert "[y/N]" not in shown
    assert "\x1b[36mnext\x1b[0m" in shown or "\x1b[36mnext" in shown
    stays = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)
    assert "made  hero  1 picture  outputs/simulated/chain/hero.png\n" in stays


@pytest.mark.parametrize("plain", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colours_are_left_out_where_they_are_not_wanted(folder: Path, plain: dict[str, str]) -> None:
    for line in ("plan chain.yaml", "run chain.yaml --simulate"):
        _, shown = on_terminal(folder, line, **plain)
        assert not re.search(r"\x1b\[(\d+;)*[349]\d(;\d+)*m", shown)


def test_a_dumb_terminal_gets_plain_lines(folder: Path) -> None:
    _, shown = on_terminal(folder, "run chain.yaml --simulate", TERM="dumb")
    assert "\x1b" not in shown
    assert "\nsend  portrait" in shown
