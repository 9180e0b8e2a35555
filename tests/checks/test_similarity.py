"""Structural similarity and the perceptual hash: their properties, and other people's numbers."""

import pytest
from check_pictures import scene
from PIL import Image, ImageFilter

from flowrunner.checks.similarity import hash_distance, ssim
from flowrunner.imaging.errors import OperationError


def noisy(image: Image.Image, by: int) -> Image.Image:
    import numpy as np

    noise = np.random.default_rng(5).integers(-by, by + 1, (image.height, image.width, 3))
    return Image.fromarray((np.asarray(image).astype(int) + noise).clip(0, 255).astype("uint8"))


def test_the_more_noise_the_less_alike() -> None:
    found = [ssim(scene(), noisy(scene(), by))[0] for by in (0, 4, 40, 120)]
    assert found[0] == pytest.approx(1)
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == 4


def test_it_does_not_matter_which_picture_is_the_first() -> None:
    one, two = scene(), noisy(scene(), 30)
    assert ssim(one, two)[0] == pytest.approx(ssim(two, one)[0])


def test_two_plain_pictures_have_a_likeness_too() -> None:
    black, white = (Image.new("RGB", (20, 20), colour) for colour in ("black", "white"))
    assert ssim(black, white)[0] == pytest.approx(0.0001, abs=1e-5)


def test_it_shows_where_they_are_unlike() -> None:
    _, unlike = ssim(scene((60, 60)), scene((60, 60), spot=(40, 40, 50, 50)))
    assert unlike[45, 45] > 50
    assert unlike[:30, :30].max() == 0


def test_a_picture_under_the_window_is_refused() -> None:
    with pytest.raises(OperationError, match="10x20: SSIM takes pictures of at least 11x11"):
        ssim(Image.new("RGB", (10, 20)), Image.new("RGB", (10, 20)))


def test_a_hash_stays_when_a_picture_is_scaled_or_softened_and_not_when_it_is_turned() -> None:
    large = scene((120, 90))
    assert hash_distance(large, large.resize((60, 45))) <= 4
    assert hash_distance(large, large.filter(ImageFilter.GaussianBlur(1))) <= 4
    assert hash_distance(large, large.transpose(Image.Transpose.ROTATE_180)) > 16


def test_plain_pictures_hash_alike() -> None:
    assert hash_distance(Image.new("RGB", (20, 20), "#123456"), Image.new("RGB", (50, 9), "#fedcba")) == 0


@pytest.mark.slow
@pytest.mark.parametrize("size", [(11, 11), (64, 48), (301, 200)])
@pytest.mark.parametrize("by", [1, 10, 60, 200])
def test_the_similarity_is_that_of_scikit_image(size: tuple[int, int], by: int) -> None:
    import numpy as np

    structural_similarity = pytest.importorskip("skimage.metrics").structural_similarity

    one, two = scene(size), noisy(scene(size), by)
    values = [np.asarray(image.convert("L")) for image in (one, two)]
    theirs = structural_similarity(
        *values, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255, K1=0.01, K2=0.03
    )
    assert ssim(one, two)[0] == pytest.approx(float(theirs), abs=1e-9)


@pytest.mark.slow
def test_lab_is_that_of_scikit_image() -> None:
    import numpy as np

    from flowrunner.checks.colorimetry import lab

    rgb2lab = pytest.importorskip("skimage.color").rgb2lab

    colors = np.random.default_rng(3).integers(0, 256, (50, 50, 3)).astype("uint8")
    assert abs(lab(colors) - rgb2lab(colors)).max() < 0.05
