"""What paths, URLs and references in a request mean, and what size a picture is."""

import base64
from typing import Any

import pytest
from binding_cases import EDIT, MANY, PRO, Binding, made
from hypothesis import given
from hypothesis import strategies as st
from wire import png
from written import PHOTO, TALL

from flowrunner.artifact import Artifact
from flowrunner.binding.bound import Pending, PendingSize
from flowrunner.call import Link
from flowrunner.digest import sha256

INLINE = f"data:image/png;base64,{base64.b64encode(PHOTO).decode()}"
EDITOR = "black-forest-labs/flux-2-pro/edit"
AXES = "axes: {size: [small, large], p: {lamp: {photo: photo.png, far: 'https://x.y/a.png'}, vase: {photo: ~}}}\n"


def edited(images: str, more: str = "", head: str = "", **options: Any) -> Binding:
    step = f"{{model: {EDIT}{more}, with: {{prompt: x, image_size: square, image_urls: {images}}}}}"
    return Binding(f"{head}steps: {{a: {{model: {PRO}, with: {{prompt: x}}}}, e: {step}}}", **options)


def images(images: str, more: str = "", head: str = "", cell: str = "e", **options: Any) -> list[Any]:
    bound = edited(images, more, head, **options)
    assert not bound.problems, bound.problems
    found = bound.bound[cell].params.get("image_urls", [])
    assert isinstance(found, list)
    return found


# Texts


def test_a_path_is_an_image_of_the_project() -> None:
    (found,) = images("[photo.png]")
    assert found == Artifact(sha256=sha256(PHOTO), media_type="image/png", width=800, height=600, bytes=len(PHOTO))


def test_a_data_uri_is_the_same_image_as_its_file() -> None:
    assert images(f'["{INLINE}"]') == images("[photo.png]")


@pytest.mark.parametrize("text", ["https://example.com/a.png", "http://example.com/a", "HTTPS://EXAMPLE.COM/a.png"])
def test_a_url_is_keyed_by_its_text(text: str) -> None:
    assert images(f"['{text}']") == [Link(text)]


def test_an_asset_key_goes_to_the_provider_that_keeps_it() -> None:
    bound = Binding(f"steps: {{a: {{model: {EDITOR}, with: {{prompt: x, imageUrl: 'asset:a/b.png'}}}}}}")
    assert bound.params("a")["imageUrl"] == "asset:a/b.png"
    assert edited("['asset:a/b.png']").fault.code == "asset"


def test_a_path_is_relative_to_the_file_in_which_it_is_written() -> None:
    files: dict[str, str | bytes] = {
        "shared/brand.yaml": "flowrunner: 1\naxes: {p: {lamp: {photo: pics/l.png}}}\n",
        "shared/pics/l.png": png(8, 8, "lamp"),
        "shows/own.png": png(9, 9, "own"),
    }
    bound = edited(
        "[own.png, $axis.p.photo]", ", across: p", "include: ../shared/brand.yaml\n", files=files, at="shows/show.yaml"
    )
    assert [leaf.width for leaf in bound.bound["e/lamp"].params["image_urls"]] == [9, 8]


def test_a_rendered_path_is_relative_to_the_file_that_holds_the_template() -> None:
    files: dict[str, str | bytes] = {"shared/brand.yaml": "flowrunner: 1\nvars: {name: photo}\n"}
    assert images('["{{ vars.name }}.png"]', head="include: shared/brand.yaml\n", files=files) == images("[photo.png]")


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("nowhere.png", "image", "does not exist"),
        ("ftp://a.example/1.png", "image", "from ftp://… write https://…, or the path of a file"),
        ("file:///photo.png", "image", "from file://…"),
        ("images/2025_12_04_18_10_29_882_cat.png", "image", "is written asset:images/2025_12_04_18_10_29_882_cat.png"),
        ("a/images/2025_12_04_1_cat.png", "image", "does not exist"),
        ("../photo.png", "image", "leads out of the project"),
        ("/etc/passwd", "image", "absolute path"),
        ("~/photo.png", "image", "absolute path"),
        ("show.yaml", "image", "not an image"),
        ("'data:image/png;base64,@@'", "image", "not base64"),
        ("'data:text/plain,x'", "image", "begins with data:image"),
        (f"'{INLINE[:60]}'", "image", "data: URI"),
        (base64.b64encode(PHOTO).decode(), "image", "write data:image/png;base64,iVBORw0KGgo"),
        ("/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQ", "image", "write data:image/jpeg;base64,/9j/"),
        ("'asset:'", "image", "names no key"),
        ("12", "image", "a path, a URL or a $ reference"),
        ("[photo.png]", "image", "a path, a URL or a $ reference"),
        ("$Nope", "image", "no reference"),
        ("$axis.p", "image", "no reference"),
        ("\"{{ '$a' }}\"", "image", "not made by a template"),
        ("'https://'", "wrong-form", "no URL"),
        ("'http:// x'", "wrong-form", "no URL"),
    ],
)
def test_a_text_that_names_no_image_is_told(text: str, code: str, words: str) -> None:
    found = edited(f"[{text}]").fault
    assert found.code == code
    assert words in f"{found.message} {found.hint}"


@pytest.mark.parametrize("text", ["~", '"{{ none }}"', "$inputs.logo", "$axis.p.photo"])
def test_an_image_that_is_null_is_left_out(text: str) -> None:
    head = "inputs: {logo: {type: image, default: ~}}\n" + AXES
    assert images(f"[photo.png, {text}]", ", across: p", head, cell="e/vase") == images("[photo.png]")


def test_a_list_of_nothing_is_too_short() -> None:
    assert edited("[~]").fault.code == "too-few"
    assert edited("~").fault.code == "missing-parameter"


# References


def test_a_reference_is_pending_until_its_cell_has_run() -> None:
    assert images("[$a]") == [Pending("a")]
    assert images("[$a.1]") == [Pending("a", number=1)]
    assert images("[$a]", known={"a": [made("a")]}) == [made("a")]


def test_a_pending_cell_has_no_key() -> None:
    bound = edited("[$a]").bound["e"]
    assert (bound.calls, bound.awaited, bound.picks) == ((), ("a",), ("a",))
    assert edited("[$a]", known={"a": [made("a")]}).bound["e"].calls


@pytest.mark.parametrize(
    ("text", "picks"), [("[$a]", ("a",)), ("[$a.1]", ()), ("[$a.images]", ()), ("[$a, $a.1]", ("a",))]
)
def test_a_number_and_all_images_do_not_wait_for_a_pick(text: str, picks: tuple[str, ...]) -> None:
    assert edited(text).bound["e"].picks == picks


def test_lists_are_spliced_inside_lists() -> None:
    m, a = (f"{{model: {MANY}, with: {{prompt: x, num_images: {count}}}}}" for count in (2, 1))
    e = f"{{model: {EDIT}, with: {{prompt: x, image_size: square, image_urls: [$m.images, $a]}}}}"
    bound = Binding(f"steps: {{m: {m}, a: {a}, e: {e}}}")
    assert not bound.problems
    assert [leaf.cell for leaf in bound.bound["e"].params["image_urls"]] == ["m", "m", "a"]


def test_all_images_are_those_of_all_samples() -> None:
    head = f"steps: {{m: {{model: {MANY}, variants: 2, with: {{prompt: x, num_images: 2}}}},"
    bound = Binding(f"{head} s: {{model: image/contact-sheet, with: {{images: [$m.images]}}}}}}")
    assert len(bound.bound["s"].params["images"]) == 4


@pytest.mark.parametrize(("count", "code"), [(1, None), (3, None), (4, "too-many")])
def test_lengths_are_checked_with_references_expanded(count: int, code: str | None) -> None:
    text = f"steps: {{a: {{model: {PRO}, variants: {count}, with: {{prompt: x}}}}, e: {{model: {EDIT},"
    bound = Binding(f"{text} with: {{prompt: x, image_size: square, image_urls: [$a.images]}}}}}}")
    assert [problem.code for problem in bound.problems] == ([code] if code else [])


def test_a_gather_counts_its_cells() -> None:
    text = (
        f"axes: {{n: [a, b, c, d]}}\nsteps: {{a: {{model: {PRO}, across: n, with: {{prompt: x}}}}, e: {{model: {EDIT},"
    )
    found = Binding(f"{text} with: {{prompt: x, image_size: square, image_urls: [$a.*]}}}}}}").fault
    assert found.message == "image_urls takes 1 to 3 images; this list has 4"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("$a", "write [$a]"),
        ("photo.png", "write [photo.png]"),
        ("$inputs.logo", "write [$inputs.logo]"),
        ('"{{ vars.one }}"', 'write ["{{ vars.one }}"]'),
    ],
)
def test_a_list_is_not_wrapped_by_itself(text: str, hint: str) -> None:
    head = "vars: {one: photo.png}\ninputs: {logo: {type: image, default: photo.png}}\n"
    found = edited(text, head=head).fault
    assert (found.code, found.hint) == ("wrap", hint)


@pytest.mark.parametrize("text", ["$a.images", '"{{ vars.list }}"', '["{{ vars.list }}"]'])
def test_what_is_a_list_needs_no_brackets(text: str) -> None:
    assert len(images(text, head="vars: {list: [photo.png]}\n")) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[$a, $a]", "takes one image; this is a list of 2"),
        ("[$a]", "write $a"),
        ("$m.images", "takes one image; $m.images is 2 choose one: $m.1"),
        ("$c.*", "takes one image; $c.* is 2 write $c, and add n and p to across of e"),
        ('"{{ vars.two }}"', "takes one image; "),
    ],
)
def test_one_image_is_not_a_list(text: str, words: str) -> None:
    step = f"e: {{model: {EDITOR}, with: {{prompt: x, imageUrl: {text}}}}}"
    head = "vars: {two: [photo.png, tall.png]}\naxes: {n: [a, b], p: [c]}\n"
    head += (
        f"steps: {{a: {{model: {PRO}, with: {{prompt: x}}}}, c: {{model: {PRO}, across: [n, p], with: {{prompt: x}}}},"
    )
    found = Binding(f"{head} m: {{model: {PRO}, variants: 2, with: {{prompt: x}}}}, {step}}}").fault
    assert found.code == "one-image"
    assert words in f"{found.message} {found.hint}"


@pytest.mark.parametrize(("text", "hint"), [("$a.2", "leave it out"), ("$m.3", "choose 1 to 2")])
def test_a_candidate_that_there_will_not_be_is_told(text: str, hint: str) -> None:
    head = f"steps: {{a: {{model: {PRO}, with: {{prompt: x}}}}, m: {{model: {PRO}, variants: 2, with: {{prompt: x}}}},"
    found = Binding(
        f"{head} e: {{model: {EDIT}, with: {{prompt: x, image_size: square, image_urls: [{text}]}}}}}}"
    ).fault
    assert (found.code, found.hint) == ("candidate", hint)


@pytest.mark.parametrize("when", ["true", "false"])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("$a.2", "$a.2 is candidate 2; a has 1"),
        ("$axis.p.foto", "p has no foto here"),
        ("$axis.p.gone", "gone.png does not exist"),
        ("$inputs.gone", "nowhere.png does not exist"),
    ],
)
def test_what_is_wrong_with_an_else_is_told_of_its_own_cell_whatever_when_gives(
    when: str, text: str, words: str
) -> None:
    head = "inputs: {gone: {type: image, default: nowhere.png}}\naxes: {p: {lamp: {gone: gone.png}}}\n"
    step = f"{{model: {PRO}, across: p, when: {when}, else: {text}, with: {{prompt: x}}}}"
    user = f"{{model: {EDIT}, across: p, with: {{prompt: x, image_size: {{size_of: $f}}, image_urls: [$f, $f.1]}}}}"
    found = Binding(f"{head}steps: {{a: {{model: {PRO}, with: {{prompt: x}}}}, f: {step}, u: {user}}}").fault
    assert (found.message, found.cells) == (words, ("f/lamp",))


def test_an_else_of_an_else_is_told_once() -> None:
    head = f"steps: {{a: {{model: {PRO}, with: {{prompt: x}}}},"
    one, two = (f"{{model: {PRO}, when: false, else: {ref}, with: {{prompt: x}}}}" for ref in ("$a.2", "$one.1"))
    assert Binding(f"{head} one: {one}, two: {two}}}").fault.cells == ("one",)


def test_a_reference_in_a_text_field_is_told_and_may_be_doubled() -> None:
    text = f"steps: {{a: {{model: {PRO}, with: {{prompt: $b}}}}, b: {{model: {PRO}, with: {{prompt: x}}}}}}"
    found = Binding(text).fault
    assert (found.code, found.hint) == ("reference-in-text", "to send the text itself write $$b")
    assert Binding(text.replace("$b", "$$b")).params("a")["prompt"] == "$b"


def test_an_image_of_an_input_without_a_value_is_not_known() -> None:
    bound = edited("[$inputs.logo]", head="inputs: {logo: {type: image}}\n")
    assert (bound.problems, bound.bound["e"].calls) == ([], ())


def test_an_axis_reference_reaches_any_depth() -> None:
    head = "axes: {p: {lamp: {photos: {front: photo.png}}}}\n"
    assert images("[$axis.p.photos.front]", ", across: p", head, cell="e/lamp") == images("[photo.png]")


@pytest.mark.parametrize(
    ("text", "words"),
    [("$axis.p.foto", "has no foto"), ("$axis.p.photos", "not the path"), ("$axis.p.photos.x", "no photos.x")],
)
def test_an_axis_reference_to_no_image_is_told(text: str, words: str) -> None:
    head = "axes: {p: {lamp: {photos: {front: photo.png}}}}\n"
    assert words in edited(f"[{text}]", ", across: p", head).fault.message


def test_a_folder_of_pictures_is_an_axis() -> None:
    head = "axes: {p: {from: pics/*.png}}\n"
    files: dict[str, str | bytes] = {"pics/one.png": png(10, 20, "1"), "pics/two.png": png(30, 40, "2")}
    bound = edited("[$axis.p.file]", ", across: p", head, files=files)
    assert [bound.bound[f"e/{name}"].params["image_urls"][0].width for name in ("one", "two")] == [10, 30]


# Keys


def keys(one: str, files: dict[str, str | bytes] | None = None, **options: Any) -> str:
    (call,) = edited(one, files=files, **options).bound["e"].calls
    return call.key


def test_an_image_counts_by_its_content_wherever_it_lies() -> None:
    files: dict[str, str | bytes] = {"elsewhere/other.png": PHOTO}
    assert keys("[photo.png]") == keys("[elsewhere/other.png]", files) == keys(f'["{INLINE}"]')
    assert keys("[photo.png]") != keys("[tall.png]")


def test_the_order_of_images_counts() -> None:
    assert keys("[photo.png, tall.png]") != keys("[tall.png, photo.png]")


def test_equal_pixels_stand_for_equal_pictures() -> None:
    import dataclasses

    one, two = (dataclasses.replace(made(name), pixels="ab" * 32) for name in ("x", "y"))
    assert keys("[$a]", known={"a": [one]}) == keys("[$a]", known={"a": [two]})
    assert keys("[$a]", known={"a": [one]}) != keys("[$a]", known={"a": [made("x")]})


# Sizes


def sized(size: str, model: str = EDIT, **options: Any) -> Any:
    text = "inputs: {photo: {type: image, default: photo.png}, far: {type: image, default: 'https://x.y/z'}}\nsteps:\n"
    steps = f"""
  a: {{model: {PRO}, with: {{prompt: x, image_size: {{width: 1472, height: 512}}}}}}
  b: {{model: {PRO}, with: {{prompt: x}}}}
"""
    step = f"  e: {{model: {model}, with: {{prompt: x, image_urls: [$a], image_size: {size}}}}}"
    return Binding(f"{text}{steps}{step}", **options)


def test_a_size_of_a_picture_that_is_there_is_literal() -> None:
    bound = sized("{size_of: $a}", known={"a": [made("a", 1408, 640)]})
    assert bound.params("e")["image_size"] == {"width": 1408, "height": 640}


def test_a_size_of_a_file_is_read_from_its_header() -> None:
    bound = sized("{size_of: $inputs.photo}", known={"a": [made("a")]})
    assert bound.params("e")["image_size"] == {"width": 800, "height": 608}


@pytest.mark.parametrize(
    ("size", "legal"),
    [
        ((1024, 768), (1024, 768)),
        ((800, 600), (800, 608)),
        ((1000, 1000), (992, 992)),
        ((1008, 1008), (1024, 1024)),  # a tie goes up
        ((400, 300), (672, 512)),
        ((4096, 2048), (2048, 1024)),
        ((8000, 500), (2048, 512)),
        ((100, 3000), (512, 2048)),
    ],
)
def test_a_size_is_scaled_as_a_whole_and_each_side_brought_to_a_step(
    size: tuple[int, int], legal: tuple[int, int]
) -> None:
    bound = sized("{size_of: $a}", known={"a": [made("a", *size)]})
    assert bound.params("e")["image_size"] == {"width": legal[0], "height": legal[1]}


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_every_size_of_is_one_that_the_model_takes(width: int, height: int) -> None:
    picture = Artifact(sha256="0" * 64, media_type="image/png", width=width, height=height)
    bound = sized("{size_of: $a}", known={"a": [picture]})
    assert not bound.problems
    size = bound.params("e")["image_size"]
    assert all(512 <= side <= 2048 and side % 32 == 0 for side in size.values())


@pytest.mark.parametrize(("ref", "size", "known"), [("$a", (1472, 512), True), ("$b", (2048, 2048), False)])
def test_until_the_picture_is_there_a_legal_size_stands_in(ref: str, size: tuple[int, int], known: bool) -> None:
    bound = sized(f"{{size_of: {ref}}}")
    assert bound.problems == []
    found = bound.bound["e"].params["image_size"]
    assert isinstance(found, PendingSize)
    assert (found.size, found.known) == (size, known)
    assert (bound.bound["e"].calls, bound.bound["e"].awaited) == ((), ("a", ref[1:]) if ref == "$b" else ("a",))


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ("{size_of: $inputs.far}", "is a URL or an asset"),
        ("{size_of: $a.2}", "candidate 2"),
        ("{width: {size_of: $a}}", "takes no width and height"),
    ],
)
def test_a_size_that_cannot_be_known_is_told(size: str, words: str) -> None:
    found = sized(size, known={"a": [made("a")]}).problems
    assert any(words in problem.message for problem in found)


@pytest.mark.parametrize("ref", ["$a", "$inputs.far"])
def test_of_a_size_of_in_a_misspelled_parameter_only_its_name_is_told(ref: str) -> None:
    head = "inputs: {far: {type: image, default: 'https://x.y/z'}}\n"
    head += f"steps: {{a: {{model: {PRO}, with: {{prompt: x}}}},"
    found = Binding(f"{head} e: {{model: {PRO}, with: {{prompt: x, image_sise: {{size_of: {ref}}}}}}}}}").fault
    assert (found.code, found.hint) == ("unknown-parameter", "did you mean image_size?")


def test_the_picture_whose_size_is_taken_is_no_part_of_the_key() -> None:
    def call(name: str) -> str:
        step = f"{{model: {PRO}, with: {{prompt: y, image_size: {{size_of: $a}}}}}}"
        text = f"steps: {{a: {{model: {PRO}, with: {{prompt: x}}}}, e: {step}}}"
        return Binding(text, known={"a": [made(name)]}).bound["e"].calls[0].key

    assert call("one") == call("two")


def test_a_result_has_the_size_that_was_asked_for() -> None:
    bound = sized("square").bound
    assert (bound["a"].size, bound["b"].size, bound["e"].size) == ((1472, 512), None, None)


def test_a_local_operation_tells_the_size_of_its_result() -> None:
    text = "steps: {r: {model: image/resize, with: {image: tall.png, width: 300}}, p: {model: image/pad,"
    bound = Binding(f"{text} with: {{image: $r, width: 640, height: 640}}}}}}").bound
    assert (bound["r"].size, bound["p"].size) == ((300, 400), (640, 640))
    assert TALL


# Contact sheets


def test_coordinates_become_literal_labels() -> None:
    head = "axes: {p: [lamp, vase], size: [small]}\n"
    text = (
        f"{head}steps: {{a: {{model: {PRO}, across: [p, size], with: {{prompt: x}}}}, s: {{model: image/contact-sheet,"
    )
    bound = Binding(f"{text} with: {{images: [$a.*, photo.png], labels: coordinates}}}}}}")
    assert bound.bound["s"].params["labels"] == ["lamp · small", "vase · small", "photo"]


def test_labels_number_several_candidates() -> None:
    text = f"steps: {{a: {{model: {PRO}, variants: 2, with: {{prompt: x}}}}, s: {{model: image/contact-sheet,"
    bound = Binding(f"{text} with: {{images: $a.images, labels: coordinates}}}}}}")
    assert bound.bound["s"].params["labels"] == ["a 1", "a 2"]
