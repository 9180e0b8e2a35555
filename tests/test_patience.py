"""How much trouble a run puts up with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.patience import ROW, Patience


@pytest.mark.parametrize(("calls", "often"), [(0, 10), (9, 10), (60, 16), (1000, 110)])
def test_a_run_sends_again_ten_times_and_once_more_for_ten_calls(calls: int, often: int) -> None:
    patience = Patience.of(calls)
    assert [patience.again() for _ in range(often + 2)] == [True] * often + [False] * 2


def test_what_comes_through_gives_back_what_it_took() -> None:
    patience = Patience.of(0)
    for _ in range(100):
        assert patience.again()
        patience.worked("a", 1)


def test_failures_in_a_row_of_one_provider_end_a_run() -> None:
    patience = Patience.of(0)
    assert [patience.failed("a") for _ in range(ROW - 1)] == [""] * (ROW - 1)
    assert patience.failed("b") == ""
    assert patience.failed("a") == f"a failed {ROW} calls in a row"


def test_one_success_begins_the_row_anew() -> None:
    patience = Patience.of(0)
    for _ in range(5 * ROW):
        assert patience.failed("a") == ""
        patience.worked("a", 0)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 2)), max_size=200))
def test_no_more_is_sent_again_than_the_first_share_and_what_came_through(calls: list[tuple[bool, int]]) -> None:
    patience, lost = Patience.of(0), 0
    for works, wanted in calls:
        taken = sum(patience.again() for _ in range(wanted))
        if works:
            patience.worked("a", taken)
        else:
            lost += taken
    assert lost <= 10
