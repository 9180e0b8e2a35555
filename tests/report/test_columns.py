from flowrunner.report.columns import columns


def test_columns_are_as_wide_as_their_widest_text_and_two_blanks_apart() -> None:
    assert columns([("a", "bb", "c"), ("aaa", "b", "")]) == ["a    bb  c", "aaa  b"]


def test_numbers_end_in_line_and_empty_columns_are_left_out() -> None:
    assert columns([("a", "", "9"), ("b", "", "10")], right=(2,)) == ["a   9", "b  10"]


def test_wide_letters_count_twice() -> None:
    assert columns([("日本", "x"), ("abcd", "y")]) == ["日本  x", "abcd  y"]


def test_no_rows_are_no_lines() -> None:
    assert columns([]) == []
