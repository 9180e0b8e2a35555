"""Reading YAML: values, places, limits, refusals and lints."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.errors import InvalidPipeline
from flowrunner.loading import document
from flowrunner.loading.document import DEPTH, decode, measured, parse
from flowrunner.loading.meter import Full
from flowrunner.nodes import ListNode, MapNode, Node, Scalar, Style, noun, plain
from flowrunner.problems import Problem
from flowrunner.source import Source


def read(text: str, **limits: Any) -> Node:
    return parse(Source("a.yaml", text), **limits)


def value(text: str) -> Any:
    return plain(read(text))


def faults(text: str, **limits: int) -> list[Problem]:
    with pytest.raises(InvalidPipeline) as caught:
        read(text, **limits)
    return caught.value.problems


def fault(text: str, **limits: int) -> Problem:
    (found,) = faults(text, **limits)
    return found


def lints(text: str) -> list[Problem]:
    found: list[Problem] = []
    parse(Source("a.yaml", text), lints=found)
    return found


def at(problem: Problem) -> str:
    assert problem.span is not None
    return problem.span.text


def place(problem: Problem) -> tuple[int, int]:
    assert problem.span is not None
    return problem.span.line, problem.span.column


def entry(node: Node, *path: str | int) -> Node:
    for part in path:
        if isinstance(part, int):
            assert isinstance(node, ListNode)
            node = node.items[part]
        else:
            assert isinstance(node, MapNode)
            node = node.entries[part]
    return node


# Values


@pytest.mark.parametrize(
    ("text", "read_as"),
    [
        ("a: 16:9", {"a": "16:9"}),
        (
            "a: [no, on, 007, 1_000, 0x1F, 2026-11-21, 1:30]",
            {"a": ["no", "on", "007", "1_000", "0x1F", "2026-11-21", "1:30"]},
        ),
        ("a: {b: true, c: null, d: ~, e: , f: 1e3}", {"a": {"b": True, "c": None, "d": None, "e": None, "f": 1000.0}}),
        ("a: 'true'\nb: \"1\"", {"a": "true", "b": "1"}),
        ("a: >-\n  two\n  lines\nb: |\n  one\n", {"a": "two lines", "b": "one\n"}),
        ("a: plain text\n  goes on", {"a": "plain text goes on"}),
        ("1: a\ntrue: b\nnull: c\n1e3: d", {"1": "a", "true": "b", "null": "c", "1e3": "d"}),
        ("- &x {a: 1}\n- *x\n- [*x, *x]", [{"a": 1}, {"a": 1}, [{"a": 1}, {"a": 1}]]),
        ("a: &same 5\nb: *same", {"a": 5, "b": 5}),
        ("? &k key\n: 1\nb: *k", {"key": 1, "b": "key"}),
        ("%YAML 1.2\n---\na: 1\n...\n", {"a": 1}),
        ('a: "x\\r\\ny"', {"a": "x\ny"}),
        ("e\u0301: e\u0301", {"é": "é"}),
        ("just text", "just text"),
        ("[]", []),
    ],
)
def test_a_text_means(text: str, read_as: Any) -> None:
    assert value(text) == read_as


_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(-1e15, 1e15, allow_nan=False),
    st.text(st.characters(min_codepoint=32, max_codepoint=0xD7FF, exclude_characters="\x7f\ufeff"), max_size=12).filter(
        lambda text: all(not 0x7F <= ord(character) <= 0x9F for character in text)
    ),
)
_JSON = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcdef", max_size=3), inner, max_size=4),
)


@given(_JSON)
def test_json_is_read_as_what_it_says(data: Any) -> None:
    import unicodedata

    wanted = json.loads(unicodedata.normalize("NFC", json.dumps(data, ensure_ascii=False)))
    assert value(json.dumps(data, ensure_ascii=False)) == wanted


@given(_JSON)
def test_escaped_json_is_read_as_what_it_says(data: Any) -> None:
    import unicodedata

    wanted = json.loads(unicodedata.normalize("NFC", json.dumps(data, ensure_ascii=False)))
    assert value(json.dumps(data, indent=1)) == wanted


# Places


def test_every_value_knows_its_place() -> None:
    root = read("a: 1\nb:\n  - x\n  - {c: 'q', d: &e word}\n")
    for path, text, line, column in (
        (("a",), "1", 1, 4),
        (("b", 0), "x", 3, 5),
        (("b", 1, "c"), "'q'", 4, 9),
        (("b", 1, "d"), "word", 4, 20),
    ):
        span = entry(root, *path).span
        assert (span.text, span.line, span.column) == (text, line, column)


def test_keys_know_their_places() -> None:
    root = read("a: 1\n'b': 2")
    assert isinstance(root, MapNode)
    assert [root.key(name).text for name in root.entries] == ["a", "'b'"]
    assert root.key("absent") == root.span


def test_a_block_ends_with_its_last_value_and_not_with_the_next_token() -> None:
    root = read("a:\n  b: 1\n\n# a comment\nc: 2")
    assert entry(root, "a").span.text == "b: 1"


def test_columns_count_code_points() -> None:
    assert entry(read("a: [🦖, x]"), "a", 1).span.column == 8


@pytest.mark.parametrize(
    ("text", "word", "line", "column"),
    [
        ("a: one two", "two", 1, 8),
        ("a: 'one two'", "two", 1, 9),
        ('a: "one two"', "two", 1, 9),
        ("a: |\n  first\n  one two\n", "two", 3, 7),
        ("a: |-\n    one two", "two", 2, 9),
        ('a: "é\\n two"', "two", 1, 4),
        ("a: >-\n  one\n  two", "two", 1, 4),
        ("a: one\n  two", "two", 1, 4),
    ],
)
def test_a_place_inside_text_is_exact_where_the_text_stands_as_it_is(
    text: str, word: str, line: int, column: int
) -> None:
    scalar = entry(read(text), "a")
    assert isinstance(scalar, Scalar)
    start = str(scalar.value).index(word)
    span = scalar.inside(start, start + len(word))
    assert (span.line, span.column) == (line, column)


def test_a_place_inside_a_number_is_the_number() -> None:
    scalar = entry(read("a: 12"), "a")
    assert isinstance(scalar, Scalar)
    assert scalar.inside(1, 2) == scalar.span


def test_styles_are_told_apart() -> None:
    found = [item.style for item in read_items("- a\n- 'a'\n- \"a\"\n- |\n  a\n- >\n  a\n")]
    assert found == [Style.PLAIN, Style.QUOTED, Style.QUOTED, Style.LITERAL, Style.OTHER]


def read_items(text: str) -> list[Scalar]:
    root = read(text)
    assert isinstance(root, ListNode)
    return [item for item in root.items if isinstance(item, Scalar)]


def test_a_value_has_a_noun() -> None:
    root = read("[{}, [], ~, true, text, 1]")
    assert isinstance(root, ListNode)
    nouns = ["a mapping", "a list", "nothing", "true or false", "text", "a number"]
    assert [noun(item) for item in root.items] == nouns


# Refusals


@pytest.mark.parametrize(
    ("text", "code", "marked"),
    [
        ("a: 1\na: 2", "duplicate-key", "a"),
        ("{a: 1, 'a': 2}", "duplicate-key", "'a'"),
        ("<<: {a: 1}", "merge-key", "<<"),
        ("a: !!str 1", "tag", "!!str 1"),
        ("a: !x {b: 1}", "tag", "!x {"),
        ("!x\n- a", "tag", ""),
        ("a: *b", "alias", "*b"),
        ("&a [*a]", "alias", "*a"),
        ("&a {b: [*a]}", "alias", "*a"),
        ("a: 1\n---\nb: 2", "documents", "---"),
        ("? [a]\n: b", "key", "["),
        ("[a]: b", "key", "["),
        ("? {a: 1}\n: b", "key", "{"),
        ("a: 9007199254740993", "number", "9007199254740993"),
        ("a: 1e400", "number", "1e400"),
        ("a: [1, 2", "yaml", ""),
        ("a: b: c", "yaml", ""),
        ("a:\n\tb: 1", "yaml", ""),
        ("a: @x", "yaml", ""),
        ("a: \x07", "character", "\x07"),
        ("", "empty", ""),
        ("# nothing\n", "empty", ""),
    ],
)  # fmt: skip
def test_what_is_not_read_is_refused_at_its_place(text: str, code: str, marked: str) -> None:
    found = fault(text)
    assert found.code == code
    assert at(found).startswith(marked)


def test_a_doubled_key_shows_both_places() -> None:
    found = fault("steps:\n  a: 1\n  b: 2\n  a: 3\n")
    assert place(found) == (4, 3)
    assert "line 2, column 3" in found.hint


def test_several_faults_of_a_file_are_told_together() -> None:
    codes = [found.code for found in faults("a: 1\na: 2\n<<: {}\nb: 1e400\nc: !x 1")]
    assert codes == ["duplicate-key", "merge-key", "number", "tag"]


def test_an_empty_file_says_so() -> None:
    assert fault("").message == "the file holds no value"


@pytest.mark.parametrize(
    "text",
    [
        "prompt: {{ vars.light }}",
        "prompt: {{ vars.light }} and more",
        "prompt:   {{ a }}/{{ b }}",
        "list: [{{ a }}]",
        "list: [x, {{ a }}]",
        "list:\n  - {{ a }}\n  - b",
        "step: {model: {{ m }}, with: {prompt: x}}",
        "prompt: {% if a %}x{% endif %}",
        "prompt: {{ a.b[c] }}",
    ],
)
def test_an_unquoted_template_is_told_to_be_quoted(text: str) -> None:
    found = fault(text)
    assert found.code == "unquoted-template"
    assert at(found) in ("{{", "{%")
    assert "quote" in found.hint


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("a: {{ vars.light }}", 'quote it: "{{ vars.light }}"'),
        ("a: {{ x }} tail", 'quote it: "{{ x }} tail"'),
        ("a: [x, {{ a }}, y]", 'quote it: "{{ a }}"'),
        ("a: {b: {{ a }}, c: d}", 'quote it: "{{ a }}"'),
        ('a: {{ x | default("y") }}', "quote it: '{{ x | default(\"y\") }}'"),
        ("a: {% if b %}x{% endif %}", 'quote it: "{% if b %}x{% endif %}"'),
    ],
)
def test_the_hint_quotes_the_value_as_it_should_be_written(text: str, hint: str) -> None:
    assert fault(text).hint == hint


@pytest.mark.parametrize(
    "text", ["a: [data:image/png;base64,AAAA]", "a: [x, data:image/png;base64,AAAA]", "{a: data:image/png;base64,AAAA}"]
)
def test_an_unquoted_data_uri_between_commas_is_told_to_be_quoted(text: str) -> None:
    found = fault(text)
    assert found.code == "unquoted-data"
    assert found.hint == 'quote it: "data:image/png;base64,…"'


@pytest.mark.parametrize("text", ['a: ["data:image/png;base64,AAAA"]', "a: data:image/png;base64,AAAA", "- data:x,y"])
def test_a_data_uri_that_stands_whole_is_read(text: str) -> None:
    assert "data:" in json.dumps(value(text))


# Limits


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


def test_depth_ends_at_its_limit() -> None:
    read(nested(DEPTH))
    assert fault(nested(DEPTH + 1)).code == "too-deep"
    assert fault("- " * (DEPTH + 1) + "a").code == "too-deep"


def test_an_alias_counts_with_its_depth() -> None:
    text = f"- &a {nested(40)}\n- {'[' * 30}*a{']' * 30}"
    assert fault(text).code == "too-deep"


def test_events_end_at_their_limit() -> None:
    # Begin and end of stream, document and list are six.
    read("[" + "a," * 10 + "]", events=16)
    assert fault("[" + "a," * 11 + "]", events=16).code == "too-large"


def test_values_end_at_their_limit() -> None:
    read("[" + "a," * 10 + "]", nodes=11)
    assert fault("[" + "a," * 11 + "]", nodes=11).code == "too-large"


def test_aliases_count_as_often_as_they_are_used() -> None:
    lines = ["- &a0 [x, x, x, x]"] + [f"- &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    found = fault("\n".join(lines))
    assert found.code == "too-large"
    assert "aliases" in found.message


@pytest.mark.slow
@pytest.mark.parametrize("text", ["- a: b\n" * 140_000, "[" + "a," * 300_000 + "]", "- 1\n" * 390_000])
def test_a_file_of_too_much_is_refused_before_anything_is_built_of_it(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document, "Scalar", None)
    monkeypatch.setattr(document, "MapNode", None)
    assert fault(text).code == "too-large"


@pytest.mark.parametrize("bracket", ["[", "{a: ", "- ", "? "])
def test_absurd_nesting_is_refused_at_once(bracket: str) -> None:
    # The C parser takes minutes for so many brackets when nobody stops it.
    assert fault(bracket * 450_000).code in ("too-deep", "key")


def test_the_early_look_changes_no_verdict() -> None:
    text = "[" + "a, " * 200 + "]"
    read(text, events=206, nodes=201)
    assert fault(text, events=205, nodes=201).message == "more than 205 YAML events"
    assert "values" in fault(text, events=206, nodes=200).message
    assert fault(text + "]", events=300, nodes=300).code == "yaml"


# Lints


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ("a: a blue #1 car", "#1 car"),
        ("a: color #ff0000", "#ff0000"),
        ("color: #ff0000", "#ff0000"),
        ("- #ff0000", "#ff0000"),
        ("a: [x #y\n]", "#y"),
    ],
)
def test_text_that_a_number_sign_cuts_short_is_told_with_what_is_lost(text: str, lost: str) -> None:
    (found,) = lints(text)
    assert (found.code, at(found)) == ("comment-cut", lost)
    assert lost in found.message
    assert not found.is_error


@pytest.mark.parametrize(
    "text", ["a: b # a comment", "a: b #", "a: 'b' #1", "a: b#1", "# a\na: 1", "a: 1 #2", "a:\n  b\n  c #x"]
)
def test_a_comment_that_is_meant_is_not_told(text: str) -> None:
    assert lints(text) == []


@pytest.mark.parametrize("text", ["007", "0x1F", "True", "NULL", "+5", ".5", "5."])
def test_text_that_other_readers_take_for_something_else_is_told(text: str) -> None:
    (found,) = lints(f"a: {text}")
    assert found.code == "editor-type"
    assert f'write "{text}"' in found.hint
    assert lints(f'a: "{text}"') == []


@pytest.mark.parametrize("text", ["16:9", "no", "on", "1_000", "2026-11-21"])
def test_text_to_yaml_1_2_is_not_told(text: str) -> None:
    assert lints(f"a: {text}") == []


# Bytes


def test_a_byte_order_mark_and_foreign_line_ends_are_passed_over() -> None:
    source = decode(b"\xef\xbb\xbfa: 1\r\nb: 2\rc: 3\n", "a.yaml")
    assert source.text == "a: 1\nb: 2\nc: 3\n"


@pytest.mark.parametrize(("data", "word"), [("a: é".encode("latin-1"), "byte 4"), ("a: 1".encode("utf-16"), "UTF-16")])
def test_what_is_not_utf_8_is_refused_with_its_place(data: bytes, word: str) -> None:
    with pytest.raises(InvalidPipeline) as caught:
        decode(data, "a.yaml")
    (found,) = caught.value.problems
    assert found.code == "not-utf8"
    assert word in found.message + found.hint


def problems_of(data: bytes) -> list[Problem]:
    try:
        parse(decode(data, "a.yaml"))
    except InvalidPipeline as refusal:
        return refusal.problems
    return []


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    assert problems_of(data) is not None


@given(st.text("[]{}:,-?&*!|>'\"%@`# \n\tab1.~", max_size=30))
def test_any_text_is_read_or_refused_at_a_place_inside_it(text: str) -> None:
    for problem in problems_of(text.encode()):
        assert problem.span is not None
        assert 0 <= problem.span.start <= problem.span.end <= len(text)
        assert str(problem.span).startswith("a.yaml:")


@pytest.mark.parametrize(
    ("text", "shown"), [("a: &x\n\nb: 1\n", ""), ("a: &x 'one'\n", "'one'"), ("a: &x\n  one\n", "one")]
)
def test_the_place_of_an_anchored_value_is_past_its_anchor(text: str, shown: str) -> None:
    root = parse(Source("a.yaml", text))
    assert isinstance(root, MapNode)
    span = root.entries["a"].span
    assert (span.start <= span.end, span.text) == (True, shown)


# What is left for one file of many


@pytest.mark.parametrize("text", ["[1, 2, 3]", "{a: 1, b: 2, c: 3}", "[&a [1], *a]"])
def test_a_file_ends_where_no_value_is_left_for_it(text: str) -> None:
    source = Source("data.yaml", text)
    size = measured(source)[1]
    assert measured(source, left=size)[1] == size
    with pytest.raises(Full):
        measured(source, left=size - 1)


def test_a_file_that_is_too_large_by_itself_says_so_where_much_is_left() -> None:
    with pytest.raises(InvalidPipeline) as told:
        measured(Source("data.yaml", "[1, 2, 3]"), nodes=3, left=4)
    assert "more than 3 values" in told.value.problems[0].message


def test_of_what_no_value_is_left_for_next_to_nothing_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []

    def counted(text: str) -> str:
        built.append(text)
        return text

    monkeypatch.setattr(document, "meant", counted)
    with pytest.raises(Full):
        measured(Source("data.yaml", f"[{'1,' * 5000}]"), left=10)
    assert len(built) == 10
