"""The language of faults: which requests a rule is for, and what is told of one that is none."""

from pathlib import Path

import pytest
from support import cli

from flowrunner.errors import UsageError
from flowrunner.simulator.faults import COMMON, FAULTS, On, Word, listing, table
from flowrunner.simulator.mishaps import Mishap, Script, read

DOCUMENT = Path(__file__).parents[2] / ".github" / "FAULTS.md"


def met(rules: list[str], count: int = 6, on: On = On.POST, path: str = "/p", body: bytes = b"") -> list[str]:
    """The fault that each of so many requests meets; empty for none."""
    script = Script(rules)
    return [str(found.fault) if (found := script.next(on, path, body)) else "" for _ in range(count)]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (["429"], ["429"] * 6),
        (["drop at=2"], ["", "drop", "", "", "", ""]),
        (["drop at=2-3"], ["", "drop", "drop", "", "", ""]),
        (["drop at=5-"], ["", "", "", "", "drop", "drop"]),
        (["500 times=2"], ["500", "500", "", "", "", ""]),
        (["500 at=2- times=1"], ["", "500", "", "", "", ""]),
        (["500 times=1", "drop at=1-2"], ["500", "drop", "", "", "", ""]),
        (["404 on=download"], [""] * 6),
        (["huge"], [""] * 6),
        (["500 match=vase"], [""] * 6),
        (["unread"], [""] * 6),
        (["500 rate=0%"], [""] * 6),
        ([], [""] * 6),
    ],
)
def test_a_rule_says_which_requests_it_is_for(rules: list[str], expected: list[str]) -> None:
    assert met(rules) == expected


def test_a_word_of_the_prompt_or_of_the_path_can_be_asked_for() -> None:
    assert met(["500 match='blue vase'"], 1, body=b'{"prompt": "a blue vase"}') == ["500"]
    assert met(["404 on=download match=ab12"], 1, On.DOWNLOAD, "/files/ab12.png") == ["404"]


def test_what_is_not_read_is_decided_before_the_rest() -> None:
    script = Script(["unread at=2"])
    assert [bool(script.unread(On.POST, "/p")) for _ in range(3)] == [False, True, False]


def test_a_share_is_the_same_every_time_and_about_as_large_as_it_says() -> None:
    first = met(["500 rate=20%"], 500)
    assert first == met(["500 rate=20%"], 500)
    assert first != met(["500 rate=20% seed=2"], 500)
    assert 70 < sum(map(bool, first)) < 130


def test_what_is_said_of_a_fault_is_kept() -> None:
    found = read("""429 retry-after='Wed, 21 Oct 2026 07:28:00 GMT' header=x-a:1 header="X-B: two" wait=1.5""")
    assert (found.fault, found.said) == (429, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"})
    assert (found.headers, found.wait) == ({"x-a": "1", "x-b": "two"}, 1.5)


@pytest.mark.parametrize("rule", ["", "200", "99", "teapot", "429*2", "1429", "'drop", "*3"])
def test_what_is_no_fault_is_told_with_all_that_are(rule: str) -> None:
    with pytest.raises(UsageError, match="is no fault") as told:
        read(rule)
    assert all(word in told.value.hint for word in Word)


@pytest.mark.parametrize(
    ("rule", "message", "hint"),
    [
        ("drop tims=2", "'tims=2' is nothing that it takes", "did you mean times=?"),
        ("drop message=x", "'message=x' is nothing", "it takes on=, at="),
        ("drop 3", "'3' is nothing", "it takes on="),
        ("drop at=0", "at=0 is not a number", ""),
        ("drop rate=2", "rate=2 is not a share", ""),
        ("drop rate=101%", "is not a share", ""),
        ("drop wait=soon", "is not a number of seconds", ""),
        ("429 header=no", "is not NAME:VALUE", ""),
        ("429 'header=a:b\r\nc: d'", "is not NAME:VALUE", ""),
        ("charge usd=-1", "is not dollars", ""),
        ("drop at=1 at=2", "says the same thing twice", ""),
        ("huge on=post", "cannot be on=post", "huge is for download"),
    ],
)
def test_a_rule_that_cannot_be_is_told(rule: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError, match=message) as told:
        read(rule)
    assert hint in told.value.hint


def test_a_misspelled_fault_is_guessed() -> None:
    with pytest.raises(UsageError) as told:
        read("moderate")
    assert told.value.hint.startswith("did you mean moderated?")


def test_every_word_stands_in_the_table_and_can_be_read() -> None:
    assert set(FAULTS) == set(Word)
    assert all(isinstance(read(str(word)), Mishap) for word in Word)


def test_the_documentation_holds_the_table() -> None:
    assert table() in DOCUMENT.read_text(encoding="utf-8")


def test_the_help_text_holds_every_word(tmp_path: Path) -> None:
    shown = cli("simulate", "--help", cwd=tmp_path).out
    assert listing() in shown
    assert all(f"  {name}=" in shown for name in COMMON)


def test_a_rule_that_is_none_ends_the_command_before_it_serves(tmp_path: Path) -> None:
    result = cli("simulate", "--fault", "teapot", cwd=tmp_path)
    assert (result.exit_code, result.out) == (2, "")
    assert "'teapot' is no fault" in result.err
