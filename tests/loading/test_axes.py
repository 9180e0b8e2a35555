"""Axes: from lists, mappings, files, folders and CSV."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire import png
from written import STEP, fault, read

from flowrunner.loading.axes import slug
from flowrunner.nodes import MapNode, plain
from flowrunner.pipeline import Axis


def axis(text: str, files: dict[str, str | bytes] | None = None, more: str = STEP) -> Axis:
    return read(f"axes: {{a: {text}}}\n{more}", files).axes["a"]


def values(text: str, files: dict[str, str | bytes] | None = None, more: str = STEP) -> dict[str, object]:
    return {value.id: plain(value.node) for value in axis(text, files, more).values}


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("Lamp", "lamp"),
        ("Über-Straße", "uber-strae"),
        ("v1.5", "v1.5"),
        ("a b  c", "a-b-c"),
        ("--x--", "x"),
        ("snake_case", "snake_case"),
        ("..", ""),
        (".hidden", "hidden"),
        ("a/../b", "a-..-b"),
        ("漢字", ""),
        ("x" * 50, "x" * 40),
        ("x" * 39 + " y", "x" * 39),
        ("ﬁne", "fine"),
        ("½", "12"),
    ],
)
def test_a_slug_is_plain_lower_case_and_short(text: str, made: str) -> None:
    assert slug(text) == made


@given(st.text(max_size=80))
def test_a_slug_is_a_safe_name(text: str) -> None:
    made = slug(text)
    assert len(made) <= 40
    assert made.isascii()
    assert made == made.lower()
    assert not set(made) - set("abcdefghijklmnopqrstuvwxyz0123456789._-")
    assert made.strip(".-") == made
    assert slug(made) == made


def test_a_list_gives_its_scalars_as_they_are_written() -> None:
    found = axis("[small, 1e3, '007', true, no, 2.50]")
    assert [value.id for value in found.values] == ["small", "1e3", "007", "true", "no", "2.50"]
    assert [plain(value.node) for value in found.values] == ["small", 1000.0, "007", True, "no", 2.5]


def test_a_mapping_gives_ids_with_fields() -> None:
    assert values("{lamp: {name: Lamp, size: {w: 1}}, vase: }") == {
        "lamp": {"name": "Lamp", "size": {"w": 1}},
        "vase": {},
    }


def test_a_folder_of_mappings_gives_their_stems_in_code_point_order() -> None:
    files: dict[str, str | bytes] = {"p/b.yaml": "n: 2", "p/a.json": '{"n": 0}', "p/Z.yaml": "n: 1", "p/c/d.yaml": ""}
    found = values("{from: p/*.yaml}", files)
    assert list(found.items()) == [("Z", {"n": 1}), ("b", {"n": 2})]
    assert values("{from: 'p/?.json'}", files) == {"a": {"n": 0}}


def test_one_file_gives_its_entries() -> None:
    assert values("{from: p.yaml}", {"p.yaml": "lamp: {n: 1}\nvase: {n: 2}"}) == {"lamp": {"n": 1}, "vase": {"n": 2}}
    assert values("{from: p.json}", {"p.json": '{"lamp": {"u": "a\\/b \\ud83d\\ude00"}}'}) == {"lamp": {"u": "a/b 😀"}}


def test_csv_gives_rows_of_text() -> None:
    files: dict[str, str | bytes] = {"l.csv": 'locale,word,n\nen,hello,007\nde,"Guten, ""Tag""",1\n\n'}
    assert values("{from: l.csv, key: locale}", files) == {
        "en": {"locale": "en", "word": "hello", "n": "007"},
        "de": {"locale": "de", "word": 'Guten, "Tag"', "n": "1"},
    }


def test_csv_may_have_a_byte_order_mark_and_foreign_line_ends() -> None:
    files: dict[str, str | bytes] = {"l.csv": b"\xef\xbb\xbfid,w\r\na,1\r\nb,2\r\n"}
    assert values("{from: l.csv, key: id}", files) == {"a": {"w": "1"}, "b": {"w": "2"}}


def test_csv_knows_the_place_of_each_cell() -> None:
    node = axis("{from: l.csv, key: k}", {"l.csv": 'k,w,v\na,"x\ny",same\nb,,same\n'}).values[1].node
    assert isinstance(node, MapNode)
    span = node.entries["v"].span
    assert (span.file, span.line, span.text) == ("l.csv", 4, "same")


def test_the_order_of_csv_columns_changes_nothing() -> None:
    one = values("{from: l.csv, key: k}", {"l.csv": "k,w,v\na,1,2\n"})
    assert one == values("{from: l.csv, key: k}", {"l.csv": "v,k,w\n2,a,1\n"})


def test_texts_give_their_text_without_the_last_line_end() -> None:
    assert values("{from: b/*.md}", {"b/a.md": "One\ntwo\n", "b/b.md": "e\u0301\n\n"}) == {
        "a": {"text": "One\ntwo"},
        "b": {"text": "é\n"},
    }


def test_pictures_give_their_file_and_their_size_only_where_it_is_asked_for() -> None:
    files: dict[str, str | bytes] = {"p/x.png": png(30, 20), "p/broken.png": b"no"}
    assert values("{from: p/*.png}", files) == {
        "broken": {"file": "p/broken.png", "stem": "broken"},
        "x": {"file": "p/x.png", "stem": "x"},
    }
    asking = 'steps: {s: {across: a, model: blackforestlabs/flux-2-pro, with: {prompt: "{{ axis.a.width }}"}}}'
    assert values("{from: p/x.png}", files, asking) == {
        "x": {"file": "p/x.png", "stem": "x", "width": 30, "height": 20}
    }
    in_a_file = "steps: {s: {across: a, model: blackforestlabs/flux-2-pro, with: {prompt: {file: t.md}}}}"
    assert "width" in str(values("{from: p/x.png}", {**files, "t.md": "x"}, in_a_file))


def test_a_size_is_as_displayed() -> None:
    import io

    from PIL import Image

    stream = io.BytesIO()
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (30, 20)).save(stream, "jpeg", exif=turned)
    asking = 'steps: {s: {across: a, model: blackforestlabs/flux-2-pro, with: {prompt: "{{ axis.a.width }}"}}}'
    found = values("{from: x.jpg}", {"x.jpg": stream.getvalue()}, asking)["x"]
    assert found == {"file": "x.jpg", "stem": "x", "width": 20, "height": 30}


def test_paths_are_relative_to_the_file_that_names_them() -> None:
    pipeline = read(
        f"include: shared/brand.yaml\n{STEP}",
        {"shared/brand.yaml": "flowrunner: 1\naxes: {a: {from: p/*.png}}", "shared/p/x.png": png(4, 4)},
    )
    value = pipeline.axes["a"].values[0]
    assert plain(value.node) == {"file": "p/x.png", "stem": "x"}
    assert value.span.file == "shared/brand.yaml"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("x", "type"),
        ("[]", "empty-axis"),
        ("{}", "empty-axis"),
        ("[[x]]", "type"),
        ("[~]", "type"),
        ("[a, A]", "slug"),
        ("['?']", "slug"),
        ("{x: 1}", "type"),
        ("{x: {id: 1}}", "axis-id"),
        ("{from: p/*.yaml}", "empty-axis"),
        ("{from: p.yaml, key: x}", "axis-from"),
        ("{from: p.txt, kye: x}", "unknown-key"),
        ("{from: '*/p.yaml'}", "axis-from"),
        ("{from: 'p[ab].yaml'}", "axis-from"),
        ("{from: p}", "axis-from"),
        ("{from: p.xlsx}", "axis-from"),
        ("{from: 12}", "type"),
        ("{from: nowhere.csv, key: a}", "file"),
        ("{from: l.csv}", "axis-from"),
        ("{from: '*.csv', key: locale}", "axis-from"),
        ("{from: l.csv, key: lang}", "axis-from"),
        ("{from: l.csv, key: b}", "axis-id"),
        ("{from: bad.csv, key: a}", "csv"),
        ("{from: list.yaml}", "type"),
        ("{from: ../x.yaml}", "path"),
        ("{from: /x.yaml}", "path"),
        ("{from: ~/x.yaml}", "path"),
    ],
)
def test_an_axis_that_means_nothing_is_a_problem(text: str, code: str) -> None:
    files: dict[str, str | bytes] = {
        "p.txt": "x",
        "p.yaml": "x: {n: 1}",
        "l.csv": "a,b,id\n1,2,3\n",
        "bad.csv": "a\n1,2\n",
        "list.yaml": "[a]",
    }
    assert fault(f"axes: {{a: {text}}}\n{STEP}", files).code == code


def test_two_equal_slugs_show_both_places() -> None:
    found = fault(f"axes: {{a: [Lamp, lamp]}}\n{STEP}")
    assert "'lamp' and 'Lamp'" in found.message
    assert "show.yaml:3:12" in found.hint


def test_data_is_no_template_and_no_reference() -> None:
    assert values('{x: {t: "{{ vars.y }}", r: $a}}') == {"x": {"t": "{{ vars.y }}", "r": "$a"}}


def test_files_that_are_too_large_together_are_told_where_they_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowrunner.loading.meter.VALUES", 200)
    files: dict[str, str | bytes] = {f"p/{name}.yaml": f"x: [{'1,' * 60}]" for name in "abc"}
    problem = fault(f"axes: {{a: {{from: p/*.yaml}}}}\n{STEP}", files)
    assert problem.message == "the files of this pipeline hold more than 200 values together"
    assert problem.span is not None
    assert problem.span.text == "p/*.yaml"
