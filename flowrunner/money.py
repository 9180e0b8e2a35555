"""Money: whole nano-dollars, parsed from text, never from a float.

A published charge can be half a micro-dollar ($0.0378005), so micro-dollars would not do.
"""

from collections.abc import Iterable
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import TypeAlias

Nano: TypeAlias = int
"""10^-9 US dollars."""

DOLLAR: Nano = 1_000_000_000
_LIMIT = Decimal(1_000_000_000)
_USUAL = 6
"""Decimals of a charge."""


def parse(text: str) -> Nano:
    """Dollars as text (`"0.04725"`) to nano-dollars, rounded up. ValueError for what is no amount, or is negative."""
    try:
        return of(Decimal(text.strip()))
    except InvalidOperation:
        raise ValueError(f"{text!r} is not an amount of dollars, such as 0.05") from None


def of(dollars: Decimal) -> Nano:
    """Dollars to nano-dollars, rounded up: an estimate is never below what it stands for."""
    if not dollars.is_finite() or not 0 <= dollars < _LIMIT:
        raise ValueError(f"{dollars} is not an amount of dollars from 0 to a thousand million")
    return int((dollars * DOLLAR).to_integral_value(rounding=ROUND_CEILING))


def text(amount: Nano) -> str:
    """The exact amount in dollars, at least two decimals: `0.04725`, `1.50`. For JSON and locks."""
    whole, rest = divmod(amount, DOLLAR)
    return f"{whole}.{f'{rest:09d}'.rstrip('0'):0<2}"


def stated(amount: Nano, unstated: int) -> str | None:
    """The same of charges of which so many are not stated: what the others come to, None where there are no others."""
    return None if unstated and not amount else text(amount)


def about(amount: Nano) -> str:
    """For people: `$0.047`, rounded up to a tenth of a cent; `$12.50` from ten dollars on."""
    return f"${_rounded(amount, 2 if amount >= 10 * DOLLAR else 3)}"


def exact(amount: Nano, places: int = _USUAL) -> str:
    """For people, of what was charged: `$0.047250`, with more decimals than `places` only where there are more."""
    return f"${max(_rounded(amount, places), text(amount), key=len)}"


def places(amounts: Iterable[Nano]) -> int:
    """Decimals of charges that stand below one another: as many as the longest of them has."""
    return max((len(exact(amount).partition(".")[2]) for amount in amounts), default=_USUAL)


def cap(amount: Nano) -> str:
    """For people, of a limit they set: `$5.00`."""
    return f"${text(amount)}"


def _rounded(amount: Nano, places: int) -> str:
    quantum = Decimal(1).scaleb(-places)
    return str((Decimal(amount) / DOLLAR).quantize(quantum, rounding=ROUND_CEILING))
