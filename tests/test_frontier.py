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
    found = ways(NEEDS, NEEDS, "abc".__contains__)
    assert found.own == {
        "a": (3, 3),
        "b": (2, 2),
        "c": (1, 1),
        "d": (0, 3),
        "e": (0, 2),
        "f": (0, 1),
    }
    assert found.behind == {"a": (2, 2), "b": (1, 1), "c": (0, 0), "d": (0, 2), "e": (0, 1), "f": (0, 0)}


def test_cells_that_are_not_wanted_make_no_way_longer() -> None:
    assert ways(NEEDS, ["a", "b", "d"], bool).own == {"a": (2, 2), "b": (1, 1), "d": (1, 1)}


def test_a_chain_of_any_length_has_a_way() -> None:
    needs = {str(number): (str(number - 1),) if number else () for number in range(20_000)}
    assert ways(needs, needs, bool).own["0"] == (20_000, 20_000)


def test_each_provider_has_slots_of_its_own_and_unnamed_ones_as_many_as_are_asked_for() -> None:
    lines: Lines[str] = Lines({"one": 1})
    for place, (provider, way) in enumerate([("one", 1), ("one", 2), ("two", 1), ("two", 1)]):
        lines.add(provider, (way, way), (place, 0), f"{provider} {place}")
    assert taken(lines) == ["one 1", "two 2", "two 3"]
    assert taken(lines) == []
    lines.free("one", (1, 0))
    lines.free("two", (2, 0))
    assert taken(lines) == ["one 0"]


def taken(lines: Lines[str]) -> list[str]:
    return [work for _, work in lines.taken()]


def waiting(*ways: int, slots: int = 1) -> Lines[str]:
    """A line in which works of these lengths wait, and as many calls are under way as there are slots."""
    lines: Lines[str] = Lines({"p": slots})
    for place in range(slots):
        lines.add("p", (9, 9), (place, 0), "under way")
    assert taken(lines) == ["under way"] * slots
    for place, way in enumerate(ways, slots):
        lines.add("p", (way, way), (place, 0), f"{way}")
    assert taken(lines) == []
    return lines


def test_the_slot_of_an_answered_call_is_free_before_its_pictures_are_here() -> None:
    lines = waiting(1, 1)
    lines.answered("p", (0, 0), (0, 0))
    assert taken(lines) == ["1"]
    lines.free("p", (0, 0))  # its slot is another's by now
    assert taken(lines) == []
    lines.free("p", (1, 0))
    assert taken(lines) == ["1"]


def test_a_slot_is_kept_back_for_what_has_a_longer_way_to_go_than_whoever_waits() -> None:
    lines = waiting(2, slots=2)
    lines.answered("p", (0, 0), (3, 3))
    assert taken(lines) == []
    lines.answered("p", (1, 0), (2, 2))
    assert taken(lines) == ["2"]
    lines.add("p", (3, 3), (7, 0), "3")  # the picture is here, and what follows from it is ready
    lines.free("p", (0, 0))
    assert taken(lines) == ["3"]


def test_a_call_that_came_to_its_end_keeps_no_slot_back() -> None:
    lines = waiting(1, 1)
    lines.answered("p", (0, 0), (0, 0))
    lines.free("p", (0, 0))
    assert taken(lines) == ["1"]
    lines.answered("p", (1, 0), (5, 5))
    assert taken(lines) == []


def test_no_more_pictures_are_fetched_at_once_than_calls_are_made() -> None:
    lines = waiting(1, 1, 1)
    lines.answered("p", (0, 0), (0, 0))
    assert taken(lines) == ["1"]
    lines.answered("p", (1, 0), (0, 0))
    assert taken(lines) == []
    lines.free("p", (0, 0))
    assert taken(lines) == ["1"]
