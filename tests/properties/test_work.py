"""How often the dear parts of a plan are done: by the number of requests, not by how often somebody asks."""

from collections import Counter
from typing import Any

import pytest
from shop import CELLS, Shop


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Calls of the functions that take the time of a large plan."""
    found: Counter[str] = Counter()

    def count(place: str) -> None:
        module, _, name = place.rpartition(".")
        original = getattr(__import__(module, fromlist=[name]), name)

        def counted(*args: Any, **options: Any) -> Any:
            found[name] += 1
            return original(*args, **options)

        monkeypatch.setattr(place, counted)

    for place in ("flowrunner.call.tagged", "flowrunner.binding.binder.check", "flowrunner.loading.data.measured"):
        count(place)
    return found


def test_a_request_key_is_made_once_for_each_call(shop: Shop, counts: Counter[str]) -> None:
    shop.plan()
    assert counts["tagged"] == CELLS


def test_requests_of_one_form_are_checked_once(shop: Shop, counts: Counter[str]) -> None:
    shop.plan()
    per_size = 2
    assert counts["check"] == 1 + per_size + per_size


def test_a_file_is_read_once(shop: Shop, counts: Counter[str]) -> None:
    shop.load()
    pipeline, include, products = 1, 1, 2
    assert counts["measured"] == pipeline + include + products
