"""The provider `image`: local operations, free and offline, each a pure function from pictures to one picture."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

from flowrunner import imagehead
from flowrunner.artifact import Artifact
from flowrunner.call import Call, Input
from flowrunner.imaging import geometry, operations
from flowrunner.imaging.errors import OperationError
from flowrunner.imaging.geometry import Fit, Gravity, Size
from flowrunner.imaging.keying import key_color
from flowrunner.imaging.operations import Inputs
from flowrunner.imaging.picture import decode, encode, pixels
from flowrunner.imaging.sheet import candidates, chosen_labels, contact_sheet, layout
from flowrunner.slotted import replace

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["ADAPTER", "NAME", "OperationError", "output_size", "perform", "pixels", "sheet"]

Lettered: TypeAlias = Callable[[str, Any], None]
"""OperationError for a text with letters that a font lacks; None is the built-in one."""

NAME = "image"
ADAPTER = 1
"""Rises when the same parameters and pictures give other pixels."""

_OPERATIONS: dict[str, Callable[[operations.Params, Inputs], "Image"]] = {
    "image/resize": operations.resize,
    "image/crop": operations.crop,
    "image/pad": operations.pad,
    "image/convert": operations.convert,
    "image/composite": operations.composite,
    "image/mask": operations.mask,
    "image/annotate": operations.annotate,
    "image/key-color": key_color,
    "image/contact-sheet": contact_sheet,
}
_SIZED = {"image/convert": "image", "image/annotate": "image", "image/key-color": "image", "image/composite": "base"}
"""Operations whose result has the size of one of their pictures."""


def perform(call: Call, read: Callable[[Input], bytes]) -> tuple[bytes, Artifact]:
    """The picture that the call describes: its bytes, and its artifact with the digest of its pixels. The same inputs
    give the same bytes; a simulated call's picture carries the mark. `read` gives the bytes of an input.

    OperationError, in one sentence, for what cannot be done with these pictures; it may run in any thread.
    """
    image = _OPERATIONS[call.model](call.params, Inputs(read))
    geometry.allowed(image.size)
    data = _encoded(call, image)
    if call.model == "image/convert":  # what a lossy encoder made of the pixels is what comes out of the file
        image = decode(data)
    data = imagehead.mark(data) if call.simulated else data
    return data, replace(imagehead.artifact(data), pixels=pixels(image))


def output_size(
    model: str, params: Mapping[str, Any], sizes: Callable[[Input], tuple[int, int] | None]
) -> tuple[int, int] | None:
    """The size that an operation will give, by the sizes of its pictures and without decoding them. None where one of
    them is not known, or the operation would fail: the parameters need not have been checked yet."""
    try:
        return _size(model, params, lambda leaf: _known(sizes(leaf)))
    except (OperationError, LookupError, TypeError, ValueError, ArithmeticError, AttributeError):
        return None


def refusals(
    model: str, params: Mapping[str, Any], sizes: Callable[[Input], tuple[int, int] | None], lettered: Lettered
) -> Iterator[tuple[str, OperationError]]:
    """Why an operation will fail, each with the parameter at fault if it is one alone, as far as its texts, and the
    number and the sizes of its pictures tell it: a letter that the font lacks, a box that holds no pixel, labels that
    are too few. `lettered` holds a text against a font. The parameters must be those of its schema."""
    labels = list(_failing("labels", lambda: _labelled(model, params)))
    if labels:  # its layout has them, too
        yield from labels
        return
    if model == "image/annotate":
        yield from _failing("text", lambda: lettered(params["text"], params.get("font")))

    def known(leaf: Input) -> Size:
        return _known(sizes(leaf))

    yield from _failing(_short(model, params, known), lambda: _fitting(model, params, known))


def _short(model: str, params: Mapping[str, Any], size: Callable[[Input], Size]) -> str:
    """The side that is too short for what it is to hold, if one is."""
    with suppress(LookupError):
        if model == "image/pad":
            return "width" if size(params["image"])[0] > params["width"] else "height"
    return ""


def _failing(name: str, does: Callable[[], None]) -> Iterator[tuple[str, OperationError]]:
    try:
        does()
    except OperationError as fault:
        yield name, fault
    except LookupError:
        return  # the size of a picture is not known yet


def _labelled(model: str, params: Mapping[str, Any]) -> None:
    if model == "image/contact-sheet":
        chosen_labels(params, len(params["images"]))


def _fitting(model: str, params: Mapping[str, Any], size: Callable[[Input], Size]) -> None:
    found = _size(model, params, size)
    for name in ("box", "ellipse"):
        if name in params and model != "image/crop":
            geometry.rect(params[name], found)
    if model == "image/pad":
        geometry.padded(size(params["image"]), found)
    if model == "image/composite" and "box" not in params:
        gravity = Gravity(params.get("gravity", Gravity.CENTER))
        geometry.overlaid(size(params["overlay"]), found, gravity, params.get("scale"))


def sheet(pictures: Sequence[tuple[str, bytes]], title: str, captions: Sequence[str] = ()) -> bytes:
    """A PNG to pick from: each picture (number, bytes) with its number large on it, a title above, and below each a
    caption where there are any. OperationError for a picture that cannot be read."""
    return encode(candidates(pictures, title, captions))


def _encoded(call: Call, image: "Image") -> bytes:
    if call.model != "image/convert":
        return encode(image)
    return encode(image, f"image/{call.params['format']}", call.params.get("quality", 90))


def _size(model: str, params: Mapping[str, Any], size: Callable[[Input], Size]) -> Size:
    if model in _SIZED:
        return size(params[_SIZED[model]])
    if model == "image/mask" and "like" in params:
        return size(params["like"])
    if model == "image/resize":
        fit = Fit(params.get("fit", Fit.COVER))
        return geometry.resized(size(params["image"]), params.get("width"), params.get("height"), fit)
    if model == "image/crop":
        return geometry.rect(params["box"], size(params["image"])).size
    if model == "image/contact-sheet":
        return layout(params, [size(leaf) for leaf in params["images"]]).size
    return geometry.allowed((params["width"], params["height"]))


def _known(size: Size | None) -> Size:
    if size is None:
        raise LookupError
    return size
