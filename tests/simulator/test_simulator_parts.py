"""The small parts of the simulator: chance, palette, lettering, shelf, wire."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from flowrunner.simulator import lettering
from flowrunner.simulator.chance import Chance
from flowrunner.simulator.palette import Tone, inks, oklab, oklch, tone
from flowrunner.simulator.shelf import Shelf, Thing
from flowrunner.simulator.wire import Asked, Rejected, parsed, uploaded


def test_chance_follows_from_its_text_alone() -> None:
    # Pinned: another stream would redraw every simulated picture.
    chance = Chance("a")
    assert [chance.whole(0, 9) for _ in range(8)] == [4, 0, 1, 8, 4, 3, 7, 7]


@given(st.text(max_size=5), st.integers(-9, 9), st.integers(0, 9))
def test_whole_numbers_stay_between_their_ends(text: str, low: int, more: int) -> None:
    assert low <= Chance(text).whole(low, low + more) <= low + more


@given(st.floats(0, 1), st.floats(0, 0.4), st.floats(-720, 720))
def test_every_oklch_colour_becomes_one_that_exists(lightness: float, chroma: float, hue: float) -> None:
    assert all(0 <= part <= 255 for part in oklch(lightness, chroma, hue))


@given(st.tuples(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255)))
def test_oklab_and_back_is_the_same_colour(colour: tuple[int, int, int]) -> None:
    lightness, a, b = oklab(colour)
    back = oklch(lightness, math.hypot(a, b), math.degrees(math.atan2(b, a)))
    assert all(abs(one - other) <= 1 for one, other in zip(colour, back, strict=True))


@pytest.mark.parametrize(("hue", "night"), [(30, False), (120, False), (250, True)])
def test_the_tone_of_a_picture_is_its_colour(hue: float, night: bool) -> None:
    seen = tone(Image.new("RGB", (50, 50), oklch(0.3 if night else 0.7, 0.1, hue)))
    assert abs(seen.hue - hue) <= 10
    assert (seen.lightness < 0.45) is night


def test_evening_darkens_the_sky_and_so_does_a_dark_input() -> None:
    day = inks("a lamp", Chance("a"), None)
    assert not day.night
    assert inks("make it evening", Chance("a"), None).night
    assert inks("a lamp", Chance("a"), Tone(30, 0.3)).night
    assert oklab(inks("at night", Chance("a"), None).sky[0])[0] < 0.4 < oklab(day.sky[0])[0]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("café", "cafe"),
        ("Größe", "Grosse"),
        ("2×3 – ok", "2x3 - ok"),
        ("a\u200b\u0301b\x1b", "ab"),
        ("a\nb\tc", "a b c"),
        ("雪", "\uffff"),
    ],
)
def test_text_is_folded_to_what_the_font_has(text: str, shown: str) -> None:
    assert lettering.folded(text) == shown


@given(st.text(max_size=200), st.integers(20, 400), st.integers(8, 200))
def test_a_setting_fits_its_place(text: str, width: int, height: int) -> None:
    setting = lettering.fitted(text, width, height, largest=40, smallest=8)
    if setting:
        face = lettering.font(setting.size)
        assert setting.height <= height + 1
        # One glyph may be wider than a very narrow place.
        assert all(face.getlength(line) <= max(width, 2.2 * setting.size) + 1 for line in setting.lines)


def test_a_text_that_is_too_long_ends_in_an_ellipsis() -> None:
    setting = lettering.fitted("word " * 500, 100, 40, largest=20, smallest=8)
    assert setting
    assert setting.size == 8
    assert setting.lines[-1].endswith("…")
    assert not setting.lines[0].endswith("…")


def test_a_short_text_is_set_at_the_largest_size() -> None:
    assert lettering.fitted("hi", 400, 200, largest=40, smallest=8) == lettering.Setting(("hi",), 40)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 40)), max_size=30))
def test_a_shelf_keeps_to_its_room_and_the_newest_thing(puts: list[tuple[str, int]]) -> None:
    shelf = Shelf(room=100)
    for name, length in puts:
        shelf.put(name, Thing(bytes(length), "image/png"))
        assert shelf.get(name) == Thing(bytes(length), "image/png")
    assert sum(len(thing.data) for name in "abcdef" if (thing := shelf.get(name))) <= 100


def test_what_was_used_last_stays_longest() -> None:
    shelf = Shelf(room=3)
    for name in "abc":
        shelf.put(name, Thing(b"x", "image/png"))
    shelf.get("a")
    shelf.put("d", Thing(b"x", "image/png"))
    assert [name for name in "abcd" if shelf.get(name)] == ["a", "c", "d"]


def form(body: bytes, content_type: str = "multipart/form-data; boundary=b") -> Asked:
    return Asked("POST", "/api/assets", {"content-type": content_type}, body)


@given(st.binary(max_size=200))
def test_an_uploaded_file_arrives_byte_for_byte(data: bytes) -> None:
    part = b'--%s\r\nContent-Disposition: form-data; name="asset"; filename="a.png"\r\n\r\n' % (b"f" * 40)
    kind = f'multipart/form-data; boundary="{"f" * 40}"'
    if b"f" * 40 not in data:
        assert uploaded(form(part + data + b"\r\n--%s--\r\n" % (b"f" * 40), kind), "asset").data == data


def test_the_right_field_is_taken_out_of_several() -> None:
    other = b'--b\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n'
    asset = b'--b\r\ncontent-disposition: form-data; name="asset"; filename="../x y.png"\r\n\r\nbytes\r\n--b--'
    found = uploaded(form(b"preamble\r\n" + other + asset), "asset")
    assert (found.name, found.media_type, found.data) == ("..-x-y.png", "application/octet-stream", b"bytes")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", "multipart/form-data; boundary=b"),
        (b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nx\r\n--b--', "multipart/form-data; boundary=b"),
        (b'--b\r\nContent-Disposition: form-data; name="asset"\r\n\r\nx\r\n', "multipart/form-data; boundary=b"),
        (b'--b\r\nContent-Disposition: form-data; name="asset"\r\n\r\nx\r\n--b--', "multipart/form-data"),
        (b"{}", "application/json"),
        (b"", ""),
    ],
)
def test_a_form_without_the_file_is_refused(body: bytes, content_type: str) -> None:
    with pytest.raises(Rejected):
        uploaded(form(body, content_type), "asset")


@given(st.dictionaries(st.text(max_size=5), st.none() | st.text(max_size=5) | st.integers() | st.lists(st.booleans())))
def test_any_json_object_is_taken_apart(said: dict[str, Any]) -> None:
    assert parsed(json.dumps(said).encode()) == said


@given(st.binary(max_size=30))
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    # No JSON object begins with a full stop.
    with pytest.raises(Rejected, match="not JSON"):
        parsed(b"." + body)
