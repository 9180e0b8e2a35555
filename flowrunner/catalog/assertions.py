"""Checks on pictures as data: what each asserts takes a schema, as a model's request does, and is held to it alike."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from flowrunner.catalog.model import Model

JSON = dict[str, Any]

TOLERANCE = 0.1
AT_MOST = 0.01
AT_LEAST = 0.05
SSIM = 0.9
DISTANCE = 10
SHARE = 0.01
SPREAD = 2

_SIDE: JSON = {"type": "integer", "minimum": 1, "maximum": 16384}
_SHARE: JSON = {"type": "number", "minimum": 0, "maximum": 1}
_HEX: JSON = {
    "type": "string",
    "pattern": "^#[0-9A-Fa-f]{6}$",
    "description": "A colour is written #rrggbb, in quotes.",
}
_OF: JSON = {"type": "string", "description": "The picture to compare with: a file or a $ reference."}
_AREA: JSON = {
    "of": _OF,
    "box": {
        "type": "array",
        "items": {"type": "number", "minimum": 0, "maximum": 16384},
        "minItems": 4,
        "maxItems": 4,
        "description": "Left, top, right, bottom: shares of the picture from 0 to 1, or pixels where one is over 1.",
    },
    "mask": {
        "type": "string",
        "description": "A picture in place of a box: white is inside, black outside; scaled to the picture.",
    },
    "tolerance": {
        **_SHARE,
        "default": TOLERANCE,
        "description": "How far the most different channel of a pixel may be off: 0 not at all, 1 any colour.",
    },
}


def _value(name: str, title: str, part: JSON) -> Model:
    """A check that is one value."""
    return _model(name, title, {"type": "object", "properties": {name: part}})


def _mapping(name: str, title: str, properties: JSON, images: tuple[str, ...] = (), **more: Any) -> Model:
    """A check with parameters of its own."""
    return _model(name, title, {"type": "object", "properties": properties, **more}, images)


def _model(name: str, title: str, request: JSON, images: tuple[str, ...] = ()) -> Model:
    closed = {**request, "additionalProperties": False}
    return Model(id=name, provider="check", title=title, request=closed, images=images)


def _area(name: str, title: str, bound: JSON) -> Model:
    """A check inside or outside of a box or a mask."""
    return _mapping(
        name,
        title,
        {**_AREA, **bound},
        ("of", "mask"),
        required=["of"],
        anyOf=[{"required": ["box"]}, {"required": ["mask"]}],
        allOf=[{"not": {"required": ["box", "mask"]}}],
    )


_ALL = (
    _value(
        "size",
        "The picture's size in pixels, as displayed: {width, height}, one of them, or {size_of: $ref}",
        {
            "type": "object",
            "properties": {"width": _SIDE, "height": _SIDE},
            "allOf": [{"anyOf": [{"required": ["width"]}, {"required": ["height"]}]}],
            "additionalProperties": False,
        },
    ),
    _value("format", "The file's type", {"type": "string", "enum": ["png", "jpeg", "webp"]}),
    _value("max_bytes", "The most bytes of the file", {"type": "integer", "minimum": 1}),
    _value("has_alpha", "Whether any pixel is transparent", {"type": "boolean"}),
    _value(
        "not_flat",
        "Not one plain colour: true, or the least standard deviation of a channel, in levels of 0 to 255",
        {"anyOf": [{"type": "boolean", "enum": [True]}, {"type": "number", "minimum": 0, "maximum": 128}]},
    ),
    _area(
        "unchanged_outside",
        "Nothing but the inside of a box or a mask differs from another picture",
        {
            "at_most": {
                **_SHARE,
                "default": AT_MOST,
                "description": "The share of the pixels outside that may differ by more than the tolerance.",
            }
        },
    ),
    _area(
        "changed_inside",
        "The inside of a box or a mask differs from another picture",
        {
            "at_least": {
                **_SHARE,
                "default": AT_LEAST,
                "description": "The share of the pixels inside that has to differ by more than the tolerance.",
            }
        },
    ),
    _mapping(
        "similar_to",
        "Like another picture, by structure (SSIM), by a perceptual hash, or by both",
        {
            "of": _OF,
            "ssim": {
                **_SHARE,
                "description": f"The least mean structural similarity; 1 is equal. {SSIM} where no bound is given.",
            },
            "hash": {
                "type": "integer",
                "minimum": 0,
                "maximum": 64,
                "description": "The most of 64 bits in which the perceptual hashes differ; sizes may differ.",
            },
        },
        ("of",),
        required=["of"],
    ),
    _mapping(
        "colors",
        "Each of some colours takes a part of the picture",
        {
            "hex": {
                "anyOf": [_HEX, {"type": "array", "items": _HEX, "minItems": 1, "maxItems": 16}],
                "description": "A colour as #rrggbb, or a list of them.",
            },
            "distance": {
                "type": "number",
                "minimum": 0,
                "maximum": 100,
                "default": DISTANCE,
                "description": "How far a pixel may be from the colour: CIE76, in Lab; 2 is hardly seen, 10 is close.",
            },
            "at_least": {
                **_SHARE,
                "default": SHARE,
                "description": "The least share of the pixels that is near to each colour.",
            },
        },
        required=["hex"],
    ),
)

ASSERTIONS: Mapping[str, Model] = MappingProxyType({model.id: model for model in _ALL})
"""Every check by its name. A check that is one value has one parameter, of its own name."""


def is_value(name: str) -> bool:
    """Whether a check is written as one value, and not as a mapping of parameters."""
    return name in ASSERTIONS[name].parameters
