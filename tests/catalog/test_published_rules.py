"""The published rules, broken one by one: every field of every model against what its provider says of it."""

from collections.abc import Iterator
from typing import Any

import pytest
from catalogue import AIML, DEV, EDITOR, EDITS, GENERATOR, PICTURE, PRO, faults, least

from flowrunner.problems import Severity

SIDES = [{"width": 512}, {"height": 2048}, {"width": 2048, "height": 512}, {}]
PRESETS = ["square_hd", "square", "portrait_4_3", "portrait_16_9", "landscape_4_3", "landscape_16_9"]
RATIOS = ["1:1", "16:9", "9:16", "3:2", "2:3", "4:5", "5:4"]
DATA = "data:image/png;base64,iVBORw0KGgo="

# field: (values that are right, {value that is wrong: nothing}) as lists, since values may be lists themselves
EVERYWHERE: dict[str, tuple[list[Any], list[Any]]] = {
    "prompt": (["", "x" * 4000], ["x" * 4001, 7, None, ["x"], True]),
    "image_size": (SIDES + PRESETS, ["auto", "square_xl", "1024x1024", 1024, [1024, 768], None, True]),
    "image_size.width": ([512, 544, 2048], [480, 511, 513, 600, 2049, 2080, "1024", 1024.5, True]),
    "image_size.height": ([512, 544, 2048], [480, 511, 513, 600, 2049, 2080, "768", 768.5, True]),
    "seed": ([1, 2**53], [0, -1, 1.5, "42", True]),
    "enable_safety_checker": ([True, False], ["true", 1, 0, "no"]),
}
DEV_ONLY: dict[str, tuple[list[Any], list[Any]]] = {
    "output_format": (["jpeg", "png", "webp"], ["jpg", "gif", "PNG", 1, ""]),
    "enable_prompt_expansion": ([True, False], ["yes", 1]),
    "guidance_scale": ([0, 20, 7.5, 19], [-0.1, 20.1, "5", True]),
    "num_inference_steps": ([4, 50], [3, 51, 28.5, "28", True]),
    "acceleration": (["none", "regular", "high"], ["fast", True, 1]),
    "num_images": ([1, 4, 2.0], [0, 5, 2.5, "2", True]),
}
PRO_ONLY: dict[str, tuple[list[Any], list[Any]]] = {
    "output_format": (["jpeg", "png", "webp"], ["jpg", "gif"]),
    "safety_tolerance": (list("123456"), [2, "0", "7", "", True]),
}
MAX_ONLY: dict[str, tuple[list[Any], list[Any]]] = {
    "output_format": (["jpeg", "png"], ["webp", "jpg"]),
    "safety_tolerance": (list("12345"), ["6", 2]),
}
EDIT_ONLY: dict[str, tuple[list[Any], list[Any]]] = {
    "image_urls": (
        [[PICTURE], [PICTURE, DATA], [PICTURE] * 3, ["http://a.example/b c".replace(" ", "%20")]],
        [[], [PICTURE] * 4, PICTURE, None, [7], ["picture.png"], ["iVBORw0KGgo"], ["ftp://a.example/b"], ["https://"]],
    ),
}
LORA_ONLY: dict[str, tuple[list[Any], list[Any]]] = {
    "loras": (
        [[], [{"path": "owner/name"}], [{"path": "a", "scale": 0}, {"path": "b", "scale": 4}, {"path": "c"}]],
        [[{}], [{"scale": 1}], [{"path": "a"}] * 4, {"path": "a"}, "owner/name", [{"path": "a", "scale": 4.1}]],
    ),
}
ONEMIN: dict[str, tuple[list[Any], list[Any]]] = {
    "prompt": (["x" * 9000], [7]),
    "output_format": (["jpg", "png"], ["jpeg", "webp"]),
    "output_quality": ([0, 100, 79.5], [-1, 101, "80"]),
    "steps": ([15, 50], [14, 51, "25"]),
    "guidance": ([2, 5, 3.5], [1.9, 5.1]),
    "safety_tolerance": ([1, 6], [0, 7, "2"]),
    "prompt_upsampling": ([True, False], ["no", 0]),
    "seed": ([0, 77, -3], ["77", True]),
}


def facts(name: str) -> dict[str, tuple[list[Any], list[Any]]]:
    if name == EDITOR:
        ratios: tuple[list[Any], list[Any]] = ([*RATIOS, "match_input_image"], ["4:3", 1])
        return ONEMIN | {"aspect_ratio": ratios, "imageUrl": (["images/a.png", PICTURE], [["a"], 7])}
    if name == GENERATOR:
        return ONEMIN | {"aspect_ratio": (RATIOS, ["match_input_image", "21:9"])}
    found = EVERYWHERE | (DEV_ONLY if name in DEV else MAX_ONLY if name == "flux-2-max" else PRO_ONLY)
    return found | (EDIT_ONLY if name in EDITS else {}) | (LORA_ONLY if "lora" in name else {})


def cases(right: bool) -> Iterator[Any]:
    for name in (*AIML, EDITOR, GENERATOR):
        for field, values in facts(name).items():
            for value in values[0 if right else 1]:
                shown = repr(value) if len(repr(value)) < 40 else f"{repr(value)[:20]}…{len(value)}"
                yield pytest.param(name, field, value, id=f"{name}-{field}-{shown}")


def request(name: str, field: str, value: Any) -> dict[str, Any]:
    outer, _, inner = field.partition(".")
    return least(name) | {outer: {inner: value} if inner else value}


@pytest.mark.parametrize(("name", "field", "value"), list(cases(right=True)))
def test_a_value_that_is_published_as_right_has_no_fault(name: str, field: str, value: Any) -> None:
    assert faults(name, request(name, field, value)) == []


@pytest.mark.slow
@pytest.mark.parametrize(("name", "field", "value"), list(cases(right=False)))
def test_a_value_that_breaks_a_published_rule_is_refused_where_it_stands(name: str, field: str, value: Any) -> None:
    found = faults(name, request(name, field, value))
    path = tuple(field.split("."))
    assert found
    assert all(fault.path[: len(path)] == path and fault.severity is Severity.ERROR for fault in found)


@pytest.mark.parametrize("name", [*AIML, EDITOR, GENERATOR])
def test_a_required_field_that_is_absent_is_missed_by_name(name: str) -> None:
    assert [fault.message.split()[-1] for fault in faults(name, {})] == list(least(name))


@pytest.mark.parametrize("name", AIML)
def test_a_field_of_the_family_that_the_model_lacks_is_told(name: str) -> None:
    lacking = {"image_urls": [PICTURE], "guidance_scale": 4, "safety_tolerance": "2", "loras": [{"path": "a/b"}]}
    for field in lacking.keys() - facts(name).keys():
        (fault,) = faults(name, least(name) | {field: lacking[field]})
        assert (fault.path, fault.about_key) == ((field,), True)
        assert (fault.severity is Severity.ERROR) == (field == "image_urls")


# The example requests of the published pages: their fields and numbers, with prompts of our own.
TWO = ["https://example.com/t-rex.png", "https://example.com/blue-mug.jpg"]
EXAMPLES = [
    ("flux-2", {"image_size": {"width": 1472, "height": 512}}),
    ("flux-2-lora", {"image_size": {"width": 1472, "height": 512}}),
    ("flux-2-pro", {"image_size": {"width": 1472, "height": 512}}),
    ("flux-2-edit", {"image_urls": TWO, "guidance_scale": 19}),
    ("flux-2-lora-edit", {"image_urls": TWO, "guidance_scale": 19}),
    (
        EDITOR,
        {
            "aspect_ratio": "match_input_image",
            "steps": 25,
            "guidance": 3,
            "output_format": "png",
            "safety_tolerance": 2,
        },
    ),
]


@pytest.mark.parametrize(("name", "fields"), EXAMPLES)
def test_a_published_example_has_no_fault(name: str, fields: dict[str, Any]) -> None:
    assert faults(name, least(name) | fields) == []


def test_the_published_example_that_breaks_its_own_schema_is_warned_about_only() -> None:
    found = faults("flux-2-pro-edit", least("flux-2-pro-edit") | {"image_urls": TWO, "guidance_scale": 19})
    assert [(fault.path, fault.severity) for fault in found] == [(("guidance_scale",), Severity.WARNING)]


def test_both_pro_models_and_max_agree_on_nothing_that_the_dev_models_have() -> None:
    assert not set(DEV_ONLY) & set(PRO_ONLY) - {"output_format"}
    assert set(PRO) | set(DEV) == set(AIML)
