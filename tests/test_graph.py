"""Who needs whom, what a reference means, who is skipped."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from written import graph

from flowrunner.errors import InvalidPipeline
from flowrunner.graph import FromCell, FromOutside, Graph
from flowrunner.pipeline import Selector, StepRef, references

PRO, EDIT, SHEET = "blackforestlabs/flux-2-pro", "blackforestlabs/flux-2-edit", "image/contact-sheet"
AXES = "axes: {product: [lamp, vase], size: [small, large], locale: [en, de]}\n"


def made(text: str, **inputs: object) -> Graph:
    return graph(text, inputs=inputs)


def edit(refs: str, more: str = "") -> str:
    return f"{{model: {EDIT}, with: {{prompt: x, image_urls: [{refs}]}}{more}}}"


def pro(more: str = "") -> str:
    return f"{{model: {PRO}, with: {{prompt: x}}{more}}}"


def sheet(refs: str, more: str = "") -> str:
    return f"{{model: {SHEET}, with: {{images: [{refs}]}}{more}}}"


def code(text: str) -> tuple[str, str]:
    with pytest.raises(InvalidPipeline) as caught:
        graph(text)
    (found,) = caught.value.problems
    return found.code, f"{found.message}; {found.hint}"


# References


def test_shared_axes_align_cell_with_cell() -> None:
    found = made(f"{AXES}steps: {{a: {pro(', across: [product]')}, b: {edit('$a', ', across: [size, product]')}}}")
    assert found.needs["b/small/vase"] == ("a/vase",)
    assert found.needs["b/large/lamp"] == ("a/lamp",)


def test_a_step_with_fewer_axes_is_shared_by_all_cells() -> None:
    found = made(f"{AXES}steps: {{a: {pro()}, b: {edit('$a', ', across: [product, size]')}}}")
    assert set(found.needs.values()) == {(), ("a",)}


def test_a_gather_takes_the_axes_that_the_referring_step_lacks_in_the_order_of_their_own_step() -> None:
    found = made(
        f"{AXES}steps: {{a: {pro(', across: [size, product, locale]')}, b: {sheet('$a.*', ', across: locale')},"
        f" c: {sheet('$a.*')}}}"
    )
    assert found.needs["b/de"] == ("a/small/lamp/de", "a/small/vase/de", "a/large/lamp/de", "a/large/vase/de")
    assert found.needs["c"] == tuple(name for name in found.cells if name.startswith("a/"))


def test_a_reference_says_which_image_it_means() -> None:
    found = made(f"steps: {{a: {pro(', variants: 3')}, b: {sheet('$a, $a.2, $a.images')}}}")
    at = found.cells["b"].at
    refs = [StepRef(step="a", selector=s, number=n, span=found.cells["b"].step.span) for s, n in _SELECTED]
    assert [found.targets(ref, at) for ref in refs] == [[FromCell("a", s, n)] for s, n in _SELECTED]


_SELECTED = ((Selector.PICKED, 0), (Selector.CANDIDATE, 2), (Selector.IMAGES, 0))


@pytest.mark.parametrize(
    ("text", "found", "words"),
    [
        (f"steps: {{a: {edit('$b')}}}", "unknown-step", "there is a"),
        (f"steps: {{lamp: {pro()}, b: {edit('$lmap')}}}", "unknown-step", "did you mean lamp?"),
        (f"steps: {{a: {edit('$inputs.x')}}}", "unknown-input", "no input x"),
        (f"inputs: {{x: }}\nsteps: {{a: {edit('$inputs.x')}}}", "reference", "declare it with type: image"),
        (f"{AXES}steps: {{a: {edit('$axis.prodcut.x')}}}", "unknown-axis", "did you mean product?"),
        (f"{AXES}steps: {{a: {edit('$axis.product.x')}}}", "reference", "add product to across of a"),
        (
            f"{AXES}steps: {{a: {pro(', across: size')}, b: {edit('$a')}}}",
            "axis-lacking",
            "$a.* for all of them, or add size",
        ),
        (f"{AXES}steps: {{a: {pro(', across: size')}, b: {edit('$a.2')}}}", "axis-lacking", "which b lacks"),
        (f"steps: {{a: {pro()}, b: {sheet('$a.*')}}}", "gather", "write $a"),
        (
            f"{AXES}steps: {{a: {pro(', across: size')}, b: {sheet('$a.*', ', across: size')}}}",
            "gather",
            "every axis of a",
        ),
        (f"steps: {{a: {pro()}}}\noutputs: {{x: $b}}", "unknown-step", "there is a"),
        (f"steps: {{a: {pro()}}}\noutputs: {{x: $a.*}}", "gather", "write $a"),
        (f"{AXES}steps: {{a: {pro(', across: size')}}}\noutputs: {{x: $a}}", "axis-lacking", "write $a.*"),
        (f"steps: {{a: {pro(', after: b')}}}", "unknown-step", "no step b"),
        (f"steps: {{a: {pro()}, b: {pro(', after: [$a]')}}}", "after", "write a"),
        (f"steps: {{a: {pro(', when: false, else: $b')}}}", "unknown-step", "no step b"),
        (f"steps: {{a: {edit('$a')}}}", "cycle", "needs itself"),
        (f"steps: {{a: {pro(', after: a')}}}", "cycle", "needs itself"),
        (f"steps: {{a: {pro(', when: false, else: $a')}}}", "cycle", "needs itself"),
    ],
)
def test_a_reference_that_means_nothing_is_told(text: str, found: str, words: str) -> None:
    said, sentence = code(text)
    assert said == found
    assert words in sentence


def test_every_place_of_a_cycle_is_told_and_every_cycle() -> None:
    text = f"steps: {{a: {edit('$c')}, b: {edit('$a')}, c: {edit('$b')}, x: {pro(', after: y')}, y: {edit('$x')}}}"
    with pytest.raises(InvalidPipeline) as caught:
        graph(text)
    messages = [problem.message for problem in caught.value.problems]
    assert messages == [
        "a needs c, and so itself: a → b → c → a",
        "b needs a, and so itself: a → b → c → a",
        "c needs b, and so itself: a → b → c → a",
        "x needs y, and so itself: x → y → x",
        "y needs x, and so itself: x → y → x",
    ]


def test_the_order_of_the_file_changes_nothing() -> None:
    steps = {"a": pro(), "b": edit("$a"), "c": edit("$b"), "d": edit("$b, $c")}
    found = {
        frozenset(made("steps: {" + ", ".join(f"{name}: {steps[name]}" for name in order) + "}").needs.items())
        for order in itertools.permutations(steps)
    }
    assert len(found) == 1


@given(st.permutations(["a", "b", "c", "d", "e"]), st.sets(st.tuples(st.integers(0, 4), st.integers(0, 4))))
def test_each_cell_stands_behind_what_it_needs(order: list[str], pairs: set[tuple[int, int]]) -> None:
    needed = {order[high]: [order[low] for low, other in pairs if other == high and low < high] for high in range(5)}
    text = ", ".join(
        f"{n}: {edit(', '.join(f'${m}' for m in needed[n])) if needed[n] else pro()}" for n in sorted(needed)
    )
    found = made(f"steps: {{{text}}}")
    place = {name: index for index, name in enumerate(found.cells)}
    assert all(place[need] < place[name] for name, needs in found.needs.items() for need in needs)
    assert {name: set(needs) for name, needs in found.needs.items()} == {n: set(m) for n, m in needed.items()}


# After


def test_after_is_aligned_over_shared_axes() -> None:
    found = made(
        f"{AXES}steps: {{a: {pro(', across: [product, size]')}, b: {pro(', across: product, after: a')},"
        f" c: {pro(', after: [b]')}}}"
    )
    assert found.needs["b/vase"] == ("a/vase/small", "a/vase/large")
    assert found.needs["c"] == ("b/lamp", "b/vase")


def test_after_does_not_wait_for_what_is_skipped_and_does_not_skip() -> None:
    found = made(f"steps: {{a: {pro(', when: false')}, b: {pro(', after: a')}}}")
    assert (found.needs["b"], list(found.skipped)) == ((), ["a"])


# Skips, gathers, else


def test_a_cell_whose_when_is_false_is_skipped_and_so_is_what_refers_to_it() -> None:
    found = made(f"steps: {{a: {pro(', when: false')}, b: {edit('$a')}, c: {edit('$b')}, d: {pro()}}}")
    assert {name: skip.because for name, skip in found.skipped.items()} == {"a": None, "b": "a", "c": "b"}


def test_only_cells_at_the_skipped_coordinates_are_skipped() -> None:
    when = ", across: size, when: \"axis.size == 'small'\""
    found = made(f"{AXES}steps: {{a: {pro(when)}, b: {edit('$a', ', across: [size, product]')}}}")
    assert set(found.skipped) == {"a/large", "b/large/lamp", "b/large/vase"}


def test_a_gather_leaves_skipped_cells_out_and_one_with_nothing_left_skips_its_cell() -> None:
    when = ", across: [size, locale], when: \"axis.size == 'small' and axis.locale == 'en'\""
    found = made(f"{AXES}steps: {{a: {pro(when)}, b: {sheet('$a.*', ', across: locale')}, c: {sheet('$a.*')}}}")
    assert found.needs["b/en"] == ("a/small/en",)
    assert found.skipped["b/de"].because == "a/small/de"
    assert found.needs["c"] == ("a/small/en",)


def test_else_hands_on_another_image_in_references_gathers_and_outputs() -> None:
    when = ", across: size, when: \"axis.size == 'small'\", else: $base"
    found = made(
        f"{AXES}steps: {{base: {pro()}, a: {edit('$base', when)}, b: {edit('$a', ', across: size')},"
        f" c: {sheet('$a.*')}}}\noutputs: {{o: $a.*}}"
    )
    assert found.needs["b/small"] == ("a/small",)
    assert found.needs["b/large"] == ("base",)
    assert found.needs["c"] == ("a/small", "base")
    assert [(target, cell.id) for target, cell in found.output(found.pipeline.outputs["o"])] == [
        (FromCell("a/small", Selector.PICKED, 0), "a/small"),
        (FromCell("base", Selector.PICKED, 0), "a/large"),
    ]


def test_else_stands_in_for_all_images_of_the_skipped_cell() -> None:
    found = made(f"steps: {{base: {pro()}, a: {edit('$base', ', when: false, else: $base')}, b: {sheet('$a.images')}}}")
    assert found.targets(_only(found, "b", "images"), {}) == [FromCell("base", Selector.PICKED, 0)]


def test_else_also_holds_where_the_cell_is_skipped_by_its_upstream() -> None:
    a = edit("$off", ", when: true, else: $base")
    found = made(f"steps: {{base: {pro()}, off: {pro(', when: false')}, a: {a}, b: {edit('$a')}}}")
    assert set(found.skipped) == {"off", "a"}
    assert found.needs["b"] == ("base",)


def test_else_chains() -> None:
    a, b = pro(", when: false, else: $x"), pro(", when: false, else: $a")
    found = made(f"steps: {{x: {pro()}, a: {a}, b: {b}, c: {edit('$b')}}}")
    assert found.needs["c"] == ("x",)


def test_else_that_is_itself_skipped_skips_the_cell() -> None:
    found = made(f"steps: {{x: {pro(', when: false')}, a: {pro(', when: false, else: $x')}, c: {edit('$a')}}}")
    assert found.skipped["c"].because == "a"


def test_else_may_be_an_image_that_an_input_or_an_axis_gives() -> None:
    text = (
        f"inputs: {{logo: {{type: image}}}}\nsteps: {{a: {pro(', when: false, else: $inputs.logo')}, b: {edit('$a')}}}"
    )
    found = made(text, logo="a.png")
    (target,) = found.targets(_only(found, "b"), {})
    assert isinstance(target, FromOutside)
    assert "b" not in found.skipped
    assert "b" in made(text, logo=None).skipped


def test_else_of_an_axis_field_that_is_null_skips_the_cell() -> None:
    head = "axes: {p: {lamp: {photo: a.png}, vase: {photo: ~}}}\n"
    a, b = pro(", across: p, when: false, else: $axis.p.photo"), edit("$a", ", across: p")
    found = made(f"{head}steps: {{a: {a}, b: {b}}}")
    assert set(found.skipped) == {"a/lamp", "a/vase", "b/vase"}


def _only(found: Graph, cell: str, name: str = "image_urls") -> StepRef:
    ((ref, _),) = references(found.cells[cell].params[name].param)
    assert isinstance(ref, StepRef)
    return ref


# Limits


def test_too_many_connections_are_refused() -> None:
    many, more = (", ".join(f"v{n}" for n in range(count)) for count in (500, 450))
    said, _ = code(
        f"axes: {{a: [{many}], b: [{more}]}}\nsteps: {{x: {pro(', across: a')}, y: {sheet('$x.*', ', across: b')}}}"
    )
    assert said == "too-many-edges"
