"""Which cells may begin, and which of them first."""

from flowrunner.frontier import Frontier, Lines, ways

NEEDS = {"a": (), "b": ("a",), "c": ("a", "b"), "d": (), "e": ("d",), "f": ("e", "x")}


def test_a_frontier_gives_each_cell_out_once_when_its_needs_are_done() -> None:
    frontier = Frontier({"a": (), "b": ("a",), "c": ("a", "b"), "d": ("x",)}, ["a", "b", "c", "d"])
    assert frontier.ready() == ["a", "d"]
    assert frontier.ready() == []
    assert frontier.done("a") == ["b"]
    assert frontier.done("d") == []
    assert frontier.done("b") == ["c"]


def test_the_longest_way_counts_calls_that_are_paid_and_then_cells() -> None:
    assert ways(NEEDS, NEEDS, "abc".__contains__) == {
        "a": (3, 3),
        "b": (2, 2),
        "c": (1, 1),
        "d": (0, 3),
        "e": (0, 2),
        "f": (0, 1),
    }


def test_cells_that_are_not_wanted_make_no_way_longer() -> None:
    assert ways(NEEDS, ["a", "b", "d"], bool) == {"a": (2, 2), "b": (1, 1), "d": (1, 1)}


def test_a_chain_of_any_length_has_a_way() -> None:
    needs = {str(number): (str(number - 1),) if number else () for number in range(20_000)}
    assert ways(needs, needs, bool)["0"] == (20_000, 20_000)


def test_each_provider_has_slots_of_its_own_and_unnamed_ones_as_many_as_are_asked_for() -> None:
    lines: Lines[str] = Lines({"one": 1})
    for place, (provider, way) in enumerate([("one", 1), ("one", 2), ("two", 1), ("two", 1)]):
        lines.add(provider, (way, way), (place, 0), f"{provider} {place}")
    assert [work for _, work in lines.taken()] == ["one 1", "two 2", "two 3"]
    assert list(lines.taken()) == []
    lines.free("one", given=False)
    lines.free("two", given=False)
    assert [work for _, work in lines.taken()] == ["one 0"]


def test_answered_calls_give_as_many_slots_away_as_there_are() -> None:
    lines: Lines[str] = Lines({"one": 1})
    for place in range(4):
        lines.add("one", (1, 1), (place, 0), f"{place}")
    assert [work for _, work in lines.taken()] == ["0"]
    assert (lines.give("one"), lines.give("two")) == (True, False)
    assert [work for _, work in lines.taken()] == ["1"]
    assert not lines.give("one")
    lines.free("one", given=True)
    assert list(lines.taken()) == []
    assert lines.give("one")
    lines.free("one", given=True)
    assert [work for _, work in lines.taken()] == ["2"]
