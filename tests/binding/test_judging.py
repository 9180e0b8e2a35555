"""Judging a request: rules that were published, picks that cannot be, and oversights."""

from io import BytesIO

import pytest
from binding_cases import EDIT, MANY, PRO, Binding, made
from PIL import ImageFont

from flowrunner.problems import Problem


def judged(step: str, head: str = "", **options: object) -> list[Problem]:
    return Binding(f"{head}steps:\n  a: {step}\n", **options).problems  # type: ignore[arg-type]


def one(step: str, head: str = "", **options: object) -> Problem:
    (found,) = judged(step, head, **options)
    return found


@pytest.mark.parametrize(
    ("model", "params", "code", "marked"),
    [
        (PRO, "prompt: x, seed: 0", "too-small", "0"),
        (PRO, "prompt: x, image_size: {width: 600, height: 512}", "size-step", "600"),
        (PRO, "prompt: x, image_size: {width: 4096, height: 512}", "too-large", "4096"),
        (PRO, "prompt: x, image_size: huge", "not-allowed", "huge"),
        (PRO, "prompt: x, safety_tolerance: 2", "wrong-type", "2"),
        (PRO, 'prompt: x, safety_tolerance: "7"', "not-allowed", '"7"'),
        (PRO, "prompt: x, output_format: gif", "not-allowed", "gif"),
        (PRO, "seed: 3", "missing-parameter", "with"),
        (PRO, "promt: x, prompt: x", "unknown-parameter", "promt"),
        (PRO, "prompt: x, model: other", "unknown-parameter", "model"),
        (MANY, "prompt: x, num_images: 2.5", "wrong-type", "2.5"),
        (MANY, "prompt: x, num_images: 5", "too-large", "5"),
        (EDIT, "prompt: x, image_size: square, image_urls: []", "too-few", "[]"),
        (PRO, "prompt: x, image_urls: [photo.png]", "unknown-parameter", "image_urls"),
    ],
)
def test_a_broken_rule_is_told_at_the_value_that_breaks_it(model: str, params: str, code: str, marked: str) -> None:
    found = one(f"{{model: {model}, with: {{{params}}}}}")
    assert found.code == code
    assert found.span is not None
    assert found.span.text == marked
    assert (found.cells, found.of) == (("a",), 1)


@pytest.mark.parametrize(
    ("given", "marked"),
    [
        ("prompt: x}, overrides: [{at: {n: a}, with: {prompt: y}}, {at: {n: b}, with: {prompt: null}}]", "null"),
        ("prompt: x}, overrides: [{at: {n: b}, with: {prompt: null}}, {at: {n: b}, with: {seed: 2}}]", "null"),
        ("prompt: ~}, overrides: [{at: {n: a}, with: {prompt: y}}]", "~"),
        ("prompt: ~, seed: 1}, overrides: [{at: {}, with: {prompt: null}}, {at: {n: a}, with: {prompt: y}}]", "null"),
    ],
)
def test_a_null_that_removes_what_is_needed_is_told_at_the_null(given: str, marked: str) -> None:
    head = "defaults: {with: {prompt: z}}\naxes: {n: [a, b]}\n"
    found = one(f"{{model: {PRO}, across: n, with: {{{given}}}", head)
    assert (found.code, found.span and found.span.text, found.cells) == ("missing-parameter", marked, ("a/b",))
    assert found.message == "flux-2-pro needs prompt, and null removes it"
    assert found.hint == "write prompt: text of up to 4000 characters"


@pytest.mark.parametrize(
    ("params", "error"), [("guidance_scale: 3", False), ("mood: calm", False), ("imge_size: square", True)]
)
def test_a_field_that_the_schema_does_not_define_is_a_slip_or_meant_so(params: str, error: bool) -> None:
    found = one(f"{{model: {PRO}, with: {{prompt: x, {params}}}}}")
    assert (found.code, found.is_error) == ("unknown-parameter", error)


def test_a_model_without_images_names_one_that_takes_them_and_says_no_more() -> None:
    found = one(f"{{model: {PRO}, with: {{prompt: x, image_urls: [$b]}}}}\n  b: {{model: {PRO}, with: {{prompt: y}}}}")
    assert found.message == "flux-2-pro takes no images; flux-2-pro-edit does"


@pytest.mark.parametrize(
    ("model", "more", "words"),
    [
        (PRO, "variants: 2, pick: 3, with: {prompt: x}", "choose 1 to 2, or raise variants"),
        (PRO, "pick: 2, with: {prompt: x}", "leave pick out"),
        (MANY, "pick: 4, with: {prompt: x, num_images: 3}", "choose 1 to 3"),
    ],
)
def test_a_pick_of_a_candidate_that_there_will_not_be_is_told(model: str, more: str, words: str) -> None:
    found = one(f"{{model: {model}, {more}}}")
    assert found.code == "pick"
    assert words in found.hint


@pytest.mark.parametrize("more", ["variants: 2, pick: 2", "variants: 16, pick: 16", "pick: human", "pick: 1"])
def test_a_pick_that_can_be_is_none(more: str) -> None:
    assert judged(f"{{model: {PRO}, {more}, with: {{prompt: x}}}}") == []


@pytest.mark.parametrize(
    ("more", "params", "code"),
    [
        ("variants: 2, ", "num_images: 2", "count-and-variants"),
        ("variants: 2, ", "", None),
        ("", "num_images: 2", None),
    ],
)
def test_two_ways_of_asking_for_more_are_told_to_multiply(more: str, params: str, code: str | None) -> None:
    found = judged(f"{{model: {MANY}, {more}with: {{prompt: x, {params}}}}}")
    assert [problem.code for problem in found] == ([code] if code else [])


def test_a_seed_that_leaves_no_room_for_the_variants_is_told_where_it_is_written() -> None:
    found = one(f"{{model: {PRO}, variants: 2, with: {{prompt: x, seed: {2**53}}}}}")
    assert (found.code, found.span and found.span.text) == ("not-exact", str(2**53))
    assert found.message.startswith(f"variants: 2 counts seed up to {2**53 + 1}: ")
    assert judged(f"{{model: {PRO}, variants: 2, with: {{prompt: x, seed: {2**53 - 1}}}}}") == []
    assert judged(f"{{model: {PRO}, with: {{prompt: x, seed: {2**53}}}}}") == []


@pytest.mark.parametrize("seed", ["0", '"7"', "true", "1.5"])
def test_a_seed_that_is_wrong_in_itself_is_told_once(seed: str) -> None:
    found = one(f"{{model: {PRO}, variants: 2, with: {{prompt: x, seed: {seed}}}}}")
    assert "variants" not in found.message


def test_variants_of_a_local_operation_are_told_to_be_the_same() -> None:
    found = one("{model: image/resize, variants: 2, with: {image: photo.png, width: 40}}")
    assert (found.code, found.is_error) == ("local-variants", False)


@pytest.mark.parametrize(
    ("image", "size", "told"),
    [
        ("tall.png", "", True),
        ("photo.png", "", False),  # 800x600 has the shape of the default already
        ("tall.png", ", image_size: portrait_4_3", False),
        ("tall.png", ", image_size: {size_of: $inputs.t}", False),
        ("'https://x.y/z.png'", "", False),
        ("$wide", "", True),
        ("$unsaid", "", False),
    ],
)
def test_an_edit_that_would_reshape_its_picture_is_told(image: str, size: str, told: bool) -> None:
    more = f"""
  wide: {{model: {PRO}, with: {{prompt: x, image_size: {{width: 1472, height: 512}}}}}}
  unsaid: {{model: {PRO}, with: {{prompt: y}}}}"""
    head = "inputs: {t: {type: image, default: tall.png}}\n"
    found = judged(f"{{model: {EDIT}, with: {{prompt: x, image_urls: [{image}]{size}}}}}{more}", head)
    assert [problem.code for problem in found] == (["edit-reshapes"] if told else [])


def test_the_advice_against_reshaping_names_the_picture() -> None:
    found = one(
        f"{{model: {EDIT}, with: {{prompt: x, image_urls: [$b]}}}}\n  b: {{model: {PRO}, with: {{prompt: y}}}}",
        known={"b": [made("b", 1472, 512)]},
    )
    assert found.hint == "add image_size: {size_of: $b}"
    assert "1472x512" in found.message


def test_a_letter_that_a_font_lacks_is_told_at_the_text_and_an_unknown_text_is_not() -> None:
    font = ImageFont.load_default(20)
    assert isinstance(font, ImageFont.FreeTypeFont)
    assert isinstance(font.path, BytesIO)
    files: dict[str, str | bytes] = {"own.ttf": font.path.getvalue()}
    told = one("{model: image/annotate, with: {image: photo.png, text: für, font: own.ttf}}", files=files)
    assert (told.code, told.message, told.span and told.span.text) == (
        "operation",
        "the font has no 'ü' (U+00FC)",
        "für",
    )
    assert judged("{model: image/annotate, with: {image: photo.png, text: fur, font: own.ttf}}", files=files) == []
    asked = '{model: image/annotate, with: {image: photo.png, text: "{{ inputs.word }}"}}'
    assert judged(asked, "inputs: {word: {type: string}}\n") == []
