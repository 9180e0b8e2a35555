import io
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from flowrunner import imagehead
from flowrunner.simulator.drawing import Frame, Seen, Unseen, draw
from flowrunner.simulator.scenes import SCENES

FRAME = Frame(token="0" * 64, model="maker/model", prompt="A lamp", width=320, height=240, media_type="image/png")
MAGENTA = (255, 0, 255)


def frame(**more: object) -> Frame:
    return replace(FRAME, **more)  # type: ignore[arg-type]


def image(made: Frame) -> Image.Image:
    return Image.open(io.BytesIO(draw(made))).convert("RGB")


def plain(colour: tuple[int, int, int] = MAGENTA, kind: str = "PNG", size: tuple[int, int] = (200, 150)) -> Seen:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, kind)
    return Seen(buffer.getvalue())


def share(picture: Image.Image, like: Callable[[int, int, int], bool]) -> float:
    data = picture.tobytes()
    hits = sum(like(*pixel) for pixel in zip(data[0::3], data[1::3], data[2::3], strict=True))
    return hits / (picture.width * picture.height)


def scene(made: Frame) -> str:
    note: str = Image.open(io.BytesIO(draw(made))).getexif()[0x010E]
    return note.split("; ")[1]


def magenta(red: int, green: int, blue: int) -> bool:
    return red > 200 and green < 60 and blue > 200


@pytest.mark.slow
@pytest.mark.parametrize(
    ("width", "height"),
    [(16, 16), (64, 64), (127, 900), (128, 128), (512, 2048), (2048, 512), (1472, 512), (545, 1031), (4096, 128)],
)
@pytest.mark.parametrize("inputs", [(), (plain(), Unseen("https://a.example/b.png"))], ids=["made", "edited"])
def test_a_card_of_any_size_bears_the_stamp(width: int, height: int, inputs: tuple[Seen | Unseen, ...]) -> None:
    made = image(frame(width=width, height=height, inputs=inputs))
    assert made.size == (width, height)
    assert share(made, lambda red, green, blue: red > 170 and green < 90 and blue < 90) > 0.001


@pytest.mark.slow
def test_the_largest_card_is_drawn() -> None:
    assert image(frame(width=2048, height=2048, inputs=(plain(), plain()))).size == (2048, 2048)


@pytest.mark.parametrize("media_type", ["image/png", "image/jpeg", "image/webp"])
def test_every_format_is_whole_and_marked(media_type: str) -> None:
    data = draw(frame(media_type=media_type, inputs=(plain(),)))
    assert imagehead.artifact(data).media_type == media_type
    assert imagehead.simulated(data)


def test_equal_frames_give_equal_bytes_and_other_tokens_other_pictures() -> None:
    assert draw(frame()) == draw(frame())
    assert draw(frame()) != draw(frame(token="1" * 64))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_an_input_is_seen_in_the_picture(kind: str) -> None:
    assert share(image(frame(inputs=(plain(kind=kind),))), magenta) > 0.02
    assert share(image(frame()), magenta) == 0


def test_a_chain_shows_the_first_picture_inside_the_second_inside_the_third() -> None:
    second = Seen(draw(frame(width=800, height=600, inputs=(plain(),))))
    third = image(frame(width=800, height=600, token="1" * 64, inputs=(second,)))
    assert 0.001 < share(third, magenta) < share(image(frame(inputs=(plain(),))), magenta)


def test_inputs_stand_in_their_order() -> None:
    colours = [(255, 0, 255), (0, 255, 255), (255, 255, 0)]
    made = image(frame(width=800, height=600, inputs=tuple(plain(colour) for colour in colours)))
    places = [next(x for x in range(made.width) if made.getpixel((x, 400)) == colour) for colour in colours]
    assert places == sorted(places)


def test_many_inputs_still_fit() -> None:
    inputs = tuple(plain((255, 0, 255), size=(400, 100)) for _ in range(14))
    assert share(image(frame(inputs=inputs)), magenta) > 0.005


def test_an_input_is_shown_upright_and_a_transparent_one_on_white() -> None:
    buffer = io.BytesIO()
    turned = Image.new("RGB", (300, 100), MAGENTA)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(buffer, "JPEG", exif=exif)
    upright = image(frame(width=800, height=600, inputs=(Seen(buffer.getvalue()),)))
    columns = [x for x in range(upright.width) if magenta(*_pixel(upright, x, 400))]
    assert len(columns) < 100
    clear = io.BytesIO()
    Image.new("RGBA", (100, 100), (0, 0, 0, 0)).save(clear, "PNG")
    assert share(image(frame(inputs=(Seen(clear.getvalue()),))), lambda *pixel: pixel == (255, 255, 255)) > 0.02


def _pixel(picture: Image.Image, x: int, y: int) -> tuple[int, int, int]:
    pixel = picture.getpixel((x, y))
    assert isinstance(pixel, tuple)
    red, green, blue = pixel
    return int(red), int(green), int(blue)


def test_an_edit_keeps_the_scene_of_its_input_in_other_colours() -> None:
    first = draw(frame(prompt="A boat on the sea"))
    second = draw(frame(prompt="Put it in a suit", token="1" * 64, inputs=(Seen(first),)))
    notes = [Image.open(io.BytesIO(data)).getexif()[0x010E] for data in (first, second)]
    assert notes[0].startswith("simulated by flowrunner; sea; ")
    assert notes[1] == f"{notes[0]} {'1' * 16}"
    assert image(frame(prompt="A boat on the sea")).getpixel((20, 20)) != Image.open(io.BytesIO(second)).getpixel(
        (20, 20)
    )


@pytest.mark.parametrize(
    "note", ["", "simulated by flowrunner; moon; 0", "simulated by flowrunner; sea; x", "\x00" * 99]
)
def test_a_foreign_note_in_an_input_changes_nothing(note: str) -> None:
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = note
    Image.new("RGB", (60, 60), MAGENTA).save(buffer, "PNG", exif=exif)
    assert imagehead.simulated(draw(frame(inputs=(Seen(buffer.getvalue()),))))


@pytest.mark.parametrize("data", [b"", b"GIF89a", plain().data[:-9], plain(kind="JPEG").data[:300]])
def test_bytes_that_are_no_whole_picture_are_refused(data: bytes) -> None:
    with pytest.raises(imagehead.BadImage):
        draw(frame(inputs=(Seen(data),)))


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        " \n\t",
        "Übergröße – naïve café × 2",
        "雪山の上の猫" * 600,
        "עברית العربية",
        "🦖🏖️",
        "\x00\x1b[31m\u202e",
        "x" * 4000,
        "word " * 800,
    ],
    ids=["empty", "blank", "accents", "han", "right to left", "emoji", "controls", "one word", "many words"],
)
def test_any_prompt_can_be_lettered(prompt: str) -> None:
    assert imagehead.simulated(draw(frame(prompt=prompt)))


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=60), st.text(max_size=30), st.text(max_size=60))
def test_no_text_breaks_the_drawing(prompt: str, model: str, url: str) -> None:
    made = frame(prompt=prompt, model=model, width=160, height=128, inputs=(Unseen(f"https://{url}"),))
    assert imagehead.simulated(draw(made))


@pytest.mark.parametrize(
    ("prompt", "shown"),
    {
        "mountains": "peaks",
        "A BOAT": "sea",
        "the city": "city",
        "a museum": "arches",
        "a vase": "still",
        "a garden": "hills",
    }.items(),
)
def test_the_words_of_a_prompt_choose_the_scene(prompt: str, shown: str) -> None:
    assert scene(frame(prompt=prompt)) == shown


def test_every_scene_comes_up_by_lot() -> None:
    notes = [
        Image.open(io.BytesIO(draw(frame(prompt="a", width=64, height=64, token=f"{n:064x}")))).getexif()
        for n in range(40)
    ]
    assert {note[0x010E].split("; ")[1] for note in notes} == set(SCENES)


def test_a_hex_colour_of_the_prompt_is_used() -> None:
    made = image(frame(prompt="A vase in #13579b", width=512, height=512))
    assert share(made, lambda *pixel: pixel == (0x13, 0x57, 0x9B)) > 0.005
