"""What the author of a request is told."""

import pytest
from catalogue import CATALOG, EDITOR, PICTURE, faults, least, model, told
from hypothesis import given
from hypothesis import strategies as st

from flowrunner import escape
from flowrunner.catalog import Model
from flowrunner.catalog.check import Fault, check
from flowrunner.problems import Severity

PRESETS = "square_hd, square, portrait_4_3, portrait_16_9, landscape_4_3, landscape_16_9"
MESSAGES = [
    ("flux-2-edit", {"image_size": {"height": 600}}, "height 600 is not a multiple of 32", "write 608 or 576"),
    ("flux-2-edit", {"image_size": {"width": 592}}, "width 592 is not a multiple of 32", "write 608 or 576"),
    ("flux-2", {"image_size": {"width": 4096}}, "width 4096 is over the largest, 2048", "write 2048 or less"),
    ("flux-2", {"image_size": {"width": 511}}, "width 511 is under the smallest, 512", "write 512 or more"),
    ("flux-2", {"image_size": {"width": 520}}, "width 520 is not a multiple of 32", "write 512 or 544"),
    ("flux-2", {"image_size": {"width": "1024"}}, 'width is the text "1024", not a whole number', "write 1024"),
    ("flux-2", {"image_size": {"height": 100.5}}, "height 100.5 is not a whole number", "write 512"),
    (
        "flux-2",
        {"image_size": "1024x768"},
        'image_size "1024x768" is not how a size is written',
        "write {width: 1024, height: 768}",
    ),
    (
        "flux-2",
        {"image_size": "landscape"},
        f'image_size "landscape" is none of {PRESETS}',
        "write landscape_4_3",
    ),
    (
        "flux-2",
        {"image_size": 5},
        "image_size is the number 5",
        f"image_size takes {{width, height}} or one of {PRESETS}",
    ),
    ("flux-2", {"output_format": "gif"}, 'output_format "gif" is none of jpeg, png, webp', ""),
    ("flux-2", {"output_format": "jpg"}, 'output_format "jpg" is none of jpeg, png, webp', "write jpeg"),
    ("flux-2", {"output_format": "PNG"}, 'output_format "PNG" is none of jpeg, png, webp', "write png"),
    ("flux-2-pro", {"safety_tolerance": 2}, "safety_tolerance is the number 2, not text", 'write "2"'),
    (
        "flux-2-pro",
        {"safety_tolerance": 9},
        "safety_tolerance is the number 9, not text",
        'safety_tolerance takes one of "1", "2", "3", "4", "5", "6"',
    ),
    (EDITOR, {"safety_tolerance": "2"}, 'safety_tolerance is the text "2", not a number', "write 2"),
    ("flux-2", {"prompt": ["A heron"]}, "prompt is a list, not text", "write it without the brackets"),
    ("flux-2", {"prompt": None}, "flux-2 needs prompt", "add prompt: text of up to 4000 characters"),
    ("flux-2", {"prompt": "x" * 4180}, "prompt has 4180 characters, 180 over the 4000 that flux-2 takes", ""),
    ("flux-2", {"num_images": 2.5}, "num_images 2.5 is not a whole number", "write 3 or 2"),
    ("flux-2", {"num_images": True}, "num_images is true, not a number", "num_images takes a number from 1 to 4"),
    (
        "flux-2",
        {"enable_safety_checker": "no"},
        'enable_safety_checker is the text "no", not true or false',
        "write false",
    ),
    ("flux-2", {"seed": 0}, "seed 0 is under the smallest, 1", "write 1 or more"),
    ("flux-2-edit", {"image_urls": None}, "flux-2-edit needs image_urls", "add image_urls: a list of 1 to 3 images"),
    ("flux-2-edit", {"image_urls": [PICTURE] * 5}, "image_urls takes 1 to 3 images; this list has 5", "leave out 2"),
    ("flux-2-edit", {"image_urls": []}, "image_urls takes 1 to 3 images; this list is empty", ""),
    (
        "flux-2-edit",
        {"image_urls": PICTURE},
        f'image_urls is the text "{PICTURE}", not a list',
        "write it as a list, in brackets: […]",
    ),
    (
        "flux-2-edit",
        {"image_urls": [PICTURE, "iVBORw0KGgoAAAANSU"]},
        "image 2 of image_urls is base64 without its data: prefix",
        "write data:image/png;base64,iVBORw0KGgoA…",
    ),
    (
        "flux-2-edit",
        {"image_urls": ["heron.png"]},
        'image 1 of image_urls "heron.png" is no URL of an image',
        "write https://…, http://… or data:image/png;base64,…",
    ),
    ("flux-2-lora", {"loras": [{"path": "a/b", "scale": 9}]}, "scale 9 is over the largest, 4", "write 4 or less"),
    ("flux-2-lora", {"loras": [{"scale": 1}]}, "item 1 of loras needs path", "add path: text"),
    ("image/crop", {"box": [0, 0, 1]}, "box takes 4 numbers; this list has 3", ""),
    ("image/resize", {}, "image/resize needs width or height", ""),
    ("image/mask", {"box": [0, 0, 1, 1], "width": 5}, "image/mask needs like or width with height", ""),
]


@pytest.mark.parametrize(("name", "fields", "message", "hint"), MESSAGES)
def test_a_fault_says_what_is_wrong_and_what_to_write(
    name: str, fields: dict[str, object], message: str, hint: str
) -> None:
    filled = {"image": PICTURE} if name.startswith("image/") and name != "image/mask" else {}
    fault = told_of(name, filled | fields)
    assert (fault.message, fault.hint, fault.severity) == (message, hint, Severity.ERROR)


def told_of(name: str, fields: dict[str, object]) -> Fault:
    request = (least(name) if not name.startswith("image/") else {}) | fields
    (fault,) = faults(name, {field: value for field, value in request.items() if value is not None})
    return fault


@pytest.mark.parametrize(
    ("name", "fields", "path"),
    [
        ("flux-2", {"image_size": {"width": 1024, "height": 600}}, ("image_size", "height")),
        ("flux-2-edit", {"image_urls": [PICTURE, "x"]}, ("image_urls", 1)),
        ("flux-2-edit", {"image_urls": None}, ()),
        ("flux-2-lora", {"loras": [{"path": "a"}, {}]}, ("loras", 1)),
        ("flux-2", {"promt": "x"}, ("promt",)),
    ],
)
def test_a_fault_leads_to_the_value(name: str, fields: dict[str, object], path: tuple[str | int, ...]) -> None:
    assert told(name, **fields).path == path


def test_the_two_schemas_tell_one_fault_of_one_value() -> None:
    assert told("flux-2", image_size={"width": 4100}).code == "too-large"
    assert told("flux-2", num_images=9.5).code == "too-large"


def test_faults_of_different_values_are_all_told() -> None:
    found = faults("flux-2-edit", {"image_size": {"width": 500, "height": 600}, "seed": 0})
    assert {fault.path for fault in found} == {(), ("image_size", "width"), ("image_size", "height"), ("seed",)}
    assert [fault.message for fault in found if fault.path == ()] == [
        "flux-2-edit needs prompt",
        "flux-2-edit needs image_urls",
    ]


def test_a_whole_float_is_a_whole_number() -> None:
    assert faults("flux-2", least("flux-2") | {"num_images": 2.0, "seed": 7.0}) == []


def test_keyword_pairs_that_exclude_each_other_are_told_at_the_second() -> None:
    found = faults("image/composite", {"base": "a", "overlay": "b", "box": [0, 0, 1, 1], "gravity": "east"})
    assert [(fault.path, fault.message) for fault in found] == [(("gravity",), "box and gravity exclude each other")]


@pytest.mark.parametrize("color", ["red", "#fff", "#ffffff\n", "#fffffff", "ffffff"])
def test_a_colour_has_its_whole_form(color: str) -> None:
    (fault,) = faults("image/pad", {"image": PICTURE, "width": 9, "height": 9, "color": color})
    assert fault.code == "wrong-form"
    assert "#rrggbb" in fault.hint


# -- parameters that the schema does not define


def test_an_image_field_of_another_model_names_that_model() -> None:
    fault = told("flux-2-pro", image_urls=[PICTURE])
    assert fault.message == "flux-2-pro takes no images; flux-2-pro-edit does"
    assert fault.hint == "write model: blackforestlabs/flux-2-pro-edit"
    assert (fault.severity, fault.about_key) == (Severity.ERROR, True)


def test_another_spelling_of_an_image_field_counts_as_that_field() -> None:
    assert told("flux-2", imageUrls=[PICTURE]).message == "flux-2 takes no images; flux-2-edit does"


def test_the_field_of_a_published_example_is_a_warning_only() -> None:
    fault = told("flux-2-pro-edit", guidance_scale=19)
    assert fault.message == "flux-2-pro-edit does not define guidance_scale; flux-2-edit has it"
    assert fault.hint == "it will be sent, as a published example does"
    assert fault.severity is Severity.WARNING


def test_a_field_that_is_close_to_one_of_the_model_is_an_error() -> None:
    fault = told("flux-2-pro", promt="x")
    assert (fault.hint, fault.severity, fault.about_key) == ("did you mean prompt?", Severity.ERROR, True)


def test_a_field_that_nobody_has_is_a_warning() -> None:
    fault = told("flux-2-pro", tags="x")
    assert (fault.message, fault.severity) == ("flux-2-pro does not define tags", Severity.WARNING)


def test_where_the_schema_is_closed_every_unknown_field_is_an_error() -> None:
    for field in ("watermark", "columns"):
        (fault,) = faults("image/crop", {"image": PICTURE, "box": [0, 0, 1, 1], field: 1})
        assert (fault.path, fault.severity) == ((field,), Severity.ERROR)
        assert fault.hint == "image/crop takes image, box"


def test_the_own_list_of_images_is_offered_before_another_models_field() -> None:
    (fault,) = faults("image/contact-sheet", {"images": ["a"], "image": "b"})
    assert fault.hint == "did you mean images?"


def test_what_the_catalogue_sends_is_no_parameter() -> None:
    assert told("flux-2", model="blackforestlabs/flux-2").message == "model is set by the catalogue"
    assert told(EDITOR, promptObject={}).message == "promptObject is set by the catalogue"


def test_a_nested_slip_is_an_error_and_a_nested_stranger_a_warning() -> None:
    slip, stranger = faults("flux-2", least("flux-2") | {"image_size": {"witdh": 1024, "dpi": 300}})
    assert (slip.path, slip.hint, slip.severity) == (("image_size", "witdh"), "did you mean width?", Severity.ERROR)
    assert (stranger.path, stranger.severity) == (("image_size", "dpi"), Severity.WARNING)


# -- whatever is asked, an answer comes back

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@given(st.sampled_from(CATALOG.models), st.data())
def test_no_request_makes_the_check_fail(found: Model, data: st.DataObject) -> None:
    names = st.sampled_from([*found.parameters, "extra"])
    request = data.draw(st.dictionaries(names, JSON, max_size=5))
    for fault in check(found, request, siblings=CATALOG.siblings(found)):
        assert fault.message == escape.visible(fault.message)
        assert len(fault.message) < 400


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 10**400, 2**53 + 1])
def test_a_number_that_json_cannot_carry_is_refused(number: float) -> None:
    assert told("flux-2", seed=number).code == "not-exact"


def test_endless_nesting_is_a_fault() -> None:
    nested: dict[str, object] = {}
    for _ in range(200):
        nested = {"a": nested}
    assert told("flux-2", image_size=nested).code == "too-deep"


def test_what_is_no_json_is_a_fault() -> None:
    assert told("flux-2", prompt=object()).message == "prompt is of the Python type object, which JSON cannot carry"


def test_a_schema_that_goes_in_a_ring_is_a_fault_and_no_crash() -> None:
    ring = {"type": "object", "properties": {"a": {"$ref": "#/properties/a"}}}
    found = check(Model(id="m", provider="p", title="", request=ring, file="schemas/m.json"), {"a": 1})
    assert [(fault.code, fault.hint) for fault in found] == [("schema", "schemas/m.json")]


def test_a_multiple_is_exact() -> None:
    found = Model(id="m", provider="p", title="", request=number_in_steps_of(0.01))
    assert check(found, {"scale": 0.07}) == []
    assert [fault.hint for fault in check(found, {"scale": 0.071})] == ["write 0.07 or 0.08"]


def number_in_steps_of(step: float) -> dict[str, object]:
    return {"type": "object", "properties": {"scale": {"type": "number", "multipleOf": step}}}


def test_a_long_text_meets_no_pattern() -> None:
    part = {"type": "string", "pattern": "^[a-z]*$"}
    found = Model(id="m", provider="p", title="", request={"type": "object", "properties": {"name": part}})
    assert check(found, {"name": "a" * 1000}) == []
    assert [fault.code for fault in check(found, {"name": "a" * 1001})] == ["wrong-form"]


def test_the_check_of_one_model_needs_no_siblings() -> None:
    assert [fault.severity for fault in check(model("flux-2-pro"), least("flux-2-pro") | {"tags": 1})] == ["warning"]


@pytest.mark.parametrize(
    ("shape", "nearest"),
    [
        ("4:3", "5:4"),
        ("3:4", "4:5"),
        ("16:10", "3:2"),
        ("2:1", "16:9"),
        ("9:21", "9:16"),
        ("16 x 9", "16:9"),
        ("1/1", "1:1"),
    ],
)
def test_the_shape_that_is_offered_is_the_nearest_in_shape_and_not_in_spelling(shape: str, nearest: str) -> None:
    assert told(EDITOR, aspect_ratio=shape).hint == f'write "{nearest}"'


@pytest.mark.parametrize(("shape", "hint"), [("match_input", "write match_input_image"), ("wide", "")])
def test_what_is_no_shape_is_compared_by_its_letters(shape: str, hint: str) -> None:
    assert told(EDITOR, aspect_ratio=shape).hint == hint
