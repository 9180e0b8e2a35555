"""Money in whole nano-dollars."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner import money


@pytest.mark.parametrize(
    ("text", "nano"),
    [
        ("0", 0),
        ("5", 5_000_000_000),
        ("0.25", 250_000_000),
        ("0.0378005", 37_800_500),
        (" 1.50 ", 1_500_000_000),
        ("1e-9", 1),
        ("0.0000000001", 1),
        ("0.0000000011", 2),
        ("999999999", 999_999_999_000_000_000),
    ],
)
def test_dollars_are_read_exactly_and_rounded_up(text: str, nano: int) -> None:
    assert money.parse(text) == nano


@pytest.mark.parametrize("text", ["", "free", "-1", "-0.01", "nan", "inf", "1,50", "$5", "1000000000", "1e10", "0x5"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="amount"):
        money.parse(text)


@given(st.integers(0, 10**17))
def test_an_amount_is_its_text(nano: int) -> None:
    assert money.parse(money.text(nano)) == nano


@given(st.decimals(0, 1000, places=12))
def test_an_amount_is_never_below_what_it_stands_for(dollars: Decimal) -> None:
    nano = money.of(dollars)
    assert 0 <= nano - dollars * money.DOLLAR < 1


@pytest.mark.parametrize(
    ("nano", "text", "about", "exact"),
    [
        (0, "0.00", "$0.000", "$0.000000"),
        (47_250_000, "0.04725", "$0.048", "$0.047250"),
        (37_800_500, "0.0378005", "$0.038", "$0.0378005"),
        (189_000_000, "0.189", "$0.189", "$0.189000"),
        (1_500_000_000, "1.50", "$1.500", "$1.500000"),
        (12_345_000_000, "12.345", "$12.35", "$12.345000"),
        (1, "0.000000001", "$0.001", "$0.000000001"),
    ],
)
def test_an_amount_is_shown(nano: int, text: str, about: str, exact: str) -> None:
    assert (money.text(nano), money.about(nano), money.exact(nano)) == (text, about, exact)


def test_a_limit_is_shown_as_it_was_set() -> None:
    assert [money.cap(money.parse(text)) for text in ("5", "0.25", "0.0005")] == ["$5.00", "$0.25", "$0.0005"]
