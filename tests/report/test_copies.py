import io

import pytest
from PIL import Image, ImageChops, ImageDraw

from flowrunner.imaging import picture
from flowrunner.imaging.errors import OperationError
from flowrunner.report.page.copies import Copies, Copy, Sizes, copied


def drawn(size: tuple[int, int]) -> Image.Image:
    """Gradients with a disc on them."""
    found = Image.merge("RGB", [Image.linear_gradient("L").rotate(turn).resize(size) for turn in (0, 90, 180)])
    ImageDraw.Draw(found).ellipse((size[0] // 4, size[1] // 4, size[0] // 2, size[1] // 2), fill="#dd4422")
    return found


def encoded(image: Image.Image, kind: str) -> bytes:
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def copies(image: Image.Image, kind: str = "PNG", *, count: int = 1000, large: bool = False) -> Copies:
    return copied(encoded(image, kind), Sizes.of(count), large=large, is_preview=False)


def shown(copy: Copy) -> Image.Image:
    found = Image.open(io.BytesIO(copy.data))
    assert (found.format, found.size) == ("WEBP", (copy.width, copy.height))
    return found.convert("RGB")


@pytest.mark.parametrize(("count", "size"), [(1, (512, 384)), (200, (400, 300)), (1000, (256, 192))])
def test_the_more_pictures_the_smaller_they_are(count: int, size: tuple[int, int]) -> None:
    assert shown(copies(drawn((1024, 768)), count=count).small).size == size


def test_pictures_of_every_shape_get_as_many_pixels() -> None:
    found = [copies(drawn(size)).small for size in ((1024, 1024), (1600, 400))]
    assert [(copy.width, copy.height) for copy in found] == [(222, 222), (443, 111)]


def test_a_large_copy_is_made_where_it_is_asked_for_and_shows_more() -> None:
    assert copies(drawn((1024, 768))).large is None
    assert copies(drawn((200, 150)), large=True).large is None
    found = copies(drawn((1024, 768)), large=True).large
    assert found is not None
    assert shown(found).size == (800, 600)


def test_nothing_becomes_larger_than_it_is() -> None:
    found = copies(drawn((50, 40)), large=True)
    assert [shown(copy).size for copy in (found.mini, found.small)] == [(50, 40), (50, 40)]


def test_only_a_picture_that_shows_what_is_behind_it_is_see_through() -> None:
    glass = drawn((50, 40)).convert("RGBA")
    assert not copies(glass).see_through
    glass.putpixel((7, 7), (0, 0, 0, 254))
    assert copies(glass).see_through


@pytest.mark.slow
@pytest.mark.parametrize(("large", "size"), [(False, (1000, 750)), (True, (2000, 1500))])
def test_of_a_jpeg_no_more_is_decoded_than_its_copies_need_and_they_look_alike(
    large: bool, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    decode = picture.decode

    def heard(data: bytes, enough: int | None = None) -> Image.Image:
        found = decode(data, enough)
        seen.append(found.size)
        return found

    monkeypatch.setattr(picture, "decode", heard)
    image = drawn((4000, 3000))
    found, whole = copies(image, "JPEG", large=large), copies(image, large=large)
    assert seen == [size, (4000, 3000)]
    for one, other in ((found.mini, whole.mini), (found.small, whole.small), (found.large, whole.large)):
        if one and other:
            assert max(ImageChops.difference(shown(one), shown(other)).resize((16, 16)).convert("L").tobytes()) < 8


def test_what_cannot_be_decoded_has_no_copies() -> None:
    with pytest.raises(OperationError):
        copied(b"no picture", Sizes.of(1), large=False, is_preview=False)
