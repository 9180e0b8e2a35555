"""The checks of a cell as bound: templates, references, nulls, and what no request knows of."""

from typing import Any

import pytest
from binding_cases import EDIT, PRO, Binding
from wire import png

from flowrunner.artifact import Artifact
from flowrunner.binding import BoundCheck
from flowrunner.imagehead import artifact
from flowrunner.pipeline import Level

AXES = "axes: {size: {wide: {px: {width: 640, height: 512}, hex: '#aabbcc'}, tall: {px: {width: 512, height: 640}}}}\n"
MADE: Artifact = artifact(png(640, 512, "made"))


def step(checks: str, *, name: str = "a", model: str = PRO, more: str = "", request: str = "prompt: x") -> str:
    return f"  {name}: {{model: {model}, with: {{{request}}}, check: [{checks}]{more}}}\n"


def bound(checks: str, head: str = "", **more: Any) -> tuple[BoundCheck, ...]:
    """The checks of one sound cell."""
    found = Binding(f"{head}steps:\n{step(checks)}", **more)
    assert not found.problems, found.problems
    return found.bound["a"].checks


def test_values_are_templates_over_the_cells_own_axes() -> None:
    text = AXES + "steps:\n" + step('{size: "{{ axis.size.px }}"}', more=", across: size")
    found = Binding(text)
    assert not found.problems
    assert found.bound["a/tall"].checks[0].params == {"size": {"width": 512, "height": 640}}


def test_a_file_is_found_beside_the_pipeline_and_its_content_is_meant() -> None:
    (check,) = bound("{similar_to: {of: tall.png}, level: warn}")
    assert (check.level, [(one.width, one.height) for one in check.pictures]) == (Level.WARN, [(600, 800)])
    assert "tall.png" not in check.key


def test_the_size_of_another_picture_is_taken_as_it_is() -> None:
    (check,) = bound("{size: {size_of: $inputs.photo}}", "inputs: {photo: {type: image, default: photo.png}}\n")
    assert check.params == {"size": {"width": 800, "height": 600}}


@pytest.mark.parametrize(
    "checks",
    [
        "{similar_to: {of: $inputs.like}}",
        "{size: {size_of: $inputs.like}}",
        '{size: "{{ inputs.none }}"}',
        '{max_bytes: "{{ inputs.none }}"}',
    ],
)
def test_a_check_is_left_out_where_its_picture_or_its_value_is_null(checks: str) -> None:
    head = "inputs: {like: {type: image, default: null}, none: {type: integer, default: null}}\n"
    assert bound(checks, head) == ()


def test_of_an_input_without_a_value_only_the_type_is_judged() -> None:
    head = "inputs: {most: {type: integer}, word: {type: string}}\nsteps:\n"
    assert not Binding(head + step('{max_bytes: "{{ inputs.most }}"}')).problems
    assert Binding(head + step('{max_bytes: "{{ inputs.word }}"}')).fault.code == "wrong-type"


def chain(checks: str) -> str:
    return (
        "steps:\n"
        + step("", name="a")
        + step(checks, name="b", model=EDIT, request="prompt: x, image_urls: [photo.png]")
    )


@pytest.mark.parametrize("checks", ["{similar_to: {of: $a}}", "{size: {size_of: $a}}"])
def test_a_picture_that_is_not_there_yet_is_awaited_and_the_request_is_known(checks: str) -> None:
    found = Binding(chain(checks))
    assert not found.problems
    assert (found.bound["b"].awaited, len(found.bound["b"].calls)) == (("a",), 1)
    assert found.binder.graph.needs["b"] == ("a",)
    assert Binding(chain(checks), known={"a": [MADE]}).bound["b"].awaited == ()


def test_no_check_changes_the_key_of_a_request() -> None:
    keys = {
        Binding(chain(checks)).bound["b"].calls[0].key for checks in ("", "{format: png}", "{similar_to: {of: $a}}")
    }
    assert len(keys) == 1


def test_a_reference_means_the_picture_at_the_same_coordinates() -> None:
    text = AXES + "steps:\n" + step("", more=", across: size")
    text += step("{similar_to: {of: $a}}", name="b", more=", across: size")
    assert Binding(text).binder.graph.needs == {
        "a/wide": (),
        "a/tall": (),
        "b/wide": ("a/wide",),
        "b/tall": ("a/tall",),
    }


def test_a_reference_to_what_is_left_out_leaves_its_cell_out() -> None:
    text = "steps:\n" + step("", more=", when: false") + step("{similar_to: {of: $a}}", name="b")
    assert list(Binding(text).bound) == []


def test_a_reference_over_an_axis_that_the_step_lacks_is_told() -> None:
    text = AXES + "steps:\n" + step("", more=", across: size") + step("{similar_to: {of: $a}}", name="b")
    fault = Binding(text).fault
    assert (fault.code, fault.message) == ("axis-lacking", "a has one picture for each size, which b lacks")


def test_a_fault_is_told_where_the_value_is_written_be_it_a_data_file() -> None:
    files = {"sizes.yaml": "wide: {hex: red}\n"}
    text = "axes: {size: {from: sizes.yaml}}\nsteps:\n" + step(
        '{colors: {hex: "{{ axis.size.hex }}"}}', more=", across: size"
    )
    fault = Binding(text, files).fault
    assert fault.span is not None
    assert (fault.code, fault.span.file, fault.span.text) == ("wrong-form", "sizes.yaml", "red")


def test_a_box_in_pixels_is_held_against_the_size_that_is_asked_for() -> None:
    request = "prompt: x, image_size: {width: 512, height: 512}"
    text = "steps:\n" + step("{changed_inside: {of: photo.png, box: [0, 0, 600, 9]}}", request=request)
    assert "reaches outside the picture of 512x512" in Binding(text).fault.message
    assert not Binding(text.replace("600", "500")).problems
    assert not Binding(text.replace(request, "prompt: x")).problems
