"""The page as its readers have it: on a phone, a tablet and a desk, in light and dark, by keyboard, on paper."""

import os
from pathlib import Path

import pytest
from chromium import Tab
from report_pages import LABELLED, RECIPE, made, page_of
from support import cli

pytestmark = pytest.mark.slow

AUDIT = (Path(__file__).parent / "audit.js").read_text(encoding="utf-8")
WIDE = """\
flowrunner: 1
name: spring
axes:
  product: [the-whistling-kettle-of-this-autumn, Donaudampfschifffahrtskapitaenskajuete]
  size: {square: {w: 200, h: 200}, banner: {w: 600, h: 150}, leader: {w: 800, h: 80}, story: {w: 120, h: 300}}
steps:
  cut:
    across: [product, size]
    model: image/resize
    with: {image: lamp.png, width: "{{ axis.size.w }}", height: "{{ axis.size.h }}", fit: cover}
    check: [{max_bytes: 10}]
"""
SHELF = os.environ.get("SCREENSHOTS")
"""A folder in which the screenshots are kept, for whoever wants to look at them."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One product is chosen, the other waits; drawn by the simulator."""
    return made(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="module")
def page(folder: Path) -> Path:
    page_of(folder, "--simulate")
    return folder / "page.html"


def pictured(tab: Tab, name: str) -> int:
    """Keeps a screenshot; how many colours it has."""
    import io

    from PIL import Image

    data = tab.screenshot(whole=True)
    if SHELF:
        Path(SHELF).mkdir(parents=True, exist_ok=True)
        (Path(SHELF) / f"{name}.png").write_bytes(data)
    return len(Image.open(io.BytesIO(data)).convert("RGB").resize((200, 200)).getcolors(40_000) or ())


LOOKS = [(width, scheme, "") for width in (390, 900, 1200, 1600) for scheme in ("light", "dark")]
LOOKS += [(390, "dark", "picture/scene/vase"), (1600, "light", "picture/frame/lamp/banner")]


@pytest.mark.parametrize(("width", "scheme", "anchor"), LOOKS)
def test_a_page_owes_its_readers_nothing(tab: Tab, page: Path, width: int, scheme: str, anchor: str) -> None:
    tab.size(width)
    tab.media(prefers_color_scheme=scheme)
    tab.go(page, anchor)
    assert tab.evaluate(AUDIT) == []
    assert pictured(tab, f"{anchor.replace('/', '-') or 'page'}-{width}-{scheme}") > 100
    assert tab.of("Log.entryAdded") == tab.of("Runtime.exceptionThrown") == tab.of("Runtime.consoleAPICalled") == []
    asked = {sent["request"]["url"].partition(":")[0] for sent in tab.of("Network.requestWillBeSent")}
    assert asked <= {"file", "data", "about"}


@pytest.mark.parametrize("width", [390, 1600])
def test_a_storyboard_owes_its_readers_nothing(tab: Tab, folder: Path, width: int) -> None:
    page_of(folder, "-o", "story.html")
    tab.size(width)
    tab.go(folder / "story.html")
    assert tab.evaluate(AUDIT) == []
    assert pictured(tab, f"storyboard-{width}-light") > 50


def test_failed_checks_can_be_read_in_the_dark(tab: Tab, tmp_path: Path) -> None:
    page_of(made(tmp_path, LABELLED, picks=""), "--simulate")
    tab.media(prefers_color_scheme="dark")
    for anchor in ("", "picture/label"):
        tab.go(tmp_path / "page.html", anchor)
        assert tab.evaluate(AUDIT) == []
    assert pictured(tab, "checks-dark") > 50


@pytest.fixture(scope="module")
def crossing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of pictures under names that are long, in shapes that are wide."""
    folder = tmp_path_factory.mktemp("crossing")
    made(folder, WIDE, picks="")
    page_of(folder, "--simulate")
    return folder / "page.html"


def test_a_long_name_leaves_room_for_its_pictures_on_a_phone(tab: Tab, crossing: Path) -> None:
    tab.size(390)
    tab.media()
    tab.go(crossing)
    assert tab.evaluate(AUDIT) == []
    assert tab.evaluate("document.querySelector('.crossing td img').getBoundingClientRect().right") < 390


def test_words_that_are_read_from_the_right_begin_there(tab: Tab, tmp_path: Path) -> None:
    arabic = "\u0636\u0648\u0621 \u0627\u0644\u0635\u0628\u0627\u062d, 50 mm."
    made(tmp_path, RECIPE.replace("Extend it", f'"{arabic}"'), picks="")
    page_of(tmp_path, "--simulate")
    tab.size(1280)
    tab.media()
    tab.go(tmp_path / "page.html")
    left, right, end = tab.evaluate(
        """(() => {
          const it = [...document.querySelectorAll(".written p")].find((one) => one.textContent.includes("50 mm"));
          const words = document.createRange();
          words.setStart(it.firstChild, 0);
          words.setEnd(it.firstChild, 1);
          const first = words.getBoundingClientRect();
          return [it.getBoundingClientRect().left, first.right, it.getBoundingClientRect().right];
        })()"""
    )
    assert left < right == end


def test_all_columns_of_a_table_are_on_the_paper(tab: Tab, crossing: Path) -> None:
    tab.size(700)
    tab.media("print")
    tab.go(crossing)
    ends = tab.evaluate("[...document.querySelectorAll('.crossing td *')].map(it => it.getBoundingClientRect().right)")
    assert len(ends) > 12
    assert max(ends) <= 700


def test_a_policy_that_forbids_all_requests_is_kept_by_the_browser(tab: Tab, page: Path) -> None:
    tab.go(page)
    failed = "fetch('https://example.org').then(() => 'sent', () => 'refused')"
    assert tab.evaluate(failed) == "refused"
    assert not any("example" in sent["request"]["url"] for sent in tab.of("Network.requestWillBeSent"))


FOCUS = """(() => { const it = document.activeElement; return it === document.body ? null : {
    at: [...document.querySelectorAll('*')].indexOf(it), what: it.id || it.className.baseVal || it.className || it.type,
    name: it.getAttribute('aria-label') || it.textContent.trim() || it.querySelector('img')?.alt,
    seen: it.checkVisibility({opacityProperty: false}) }; })()"""


def test_the_keyboard_goes_through_a_page_in_its_order(tab: Tab, page: Path) -> None:
    tab.size(1600)
    tab.go(page)
    stops = []
    for _ in range(80):
        tab.press("Tab")
        stop = tab.evaluate(FOCUS)
        if stop is None:
            break
        stops.append(stop)
    places = [stop["at"] for stop in stops]
    assert places == sorted(places)
    assert len(places) == len(set(places)) > 25
    names = [stop["name"] for stop in stops]
    assert names[0] == "To the pictures"
    for wanted in (
        "Candidate 1",
        "Reason for the choice in scene/vase",
        "The recipe as a drawing",
        "frame: product by size",
    ):
        assert any(name.startswith(wanted) for name in names), wanted


def test_choices_made_by_keyboard_alone_are_lines_that_pick_takes(tab: Tab, page: Path, folder: Path) -> None:
    tab.size(390)
    tab.go(page)
    tab.evaluate("document.querySelector('[data-cell=\"scene/vase\"] input').focus()")
    assert tab.evaluate("document.getElementById('bar').hidden") is True
    tab.press(" ")
    tab.press("ArrowRight")
    tab.press("Tab")
    tab.write("the blue\nis right")
    lines = tab.evaluate("document.getElementById('lines').value")
    assert lines.startswith("scene/vase 2@")
    assert lines.endswith(" the blue is right")
    assert (
        tab.evaluate("document.getElementById('command').textContent")
        == "flowrunner pick spring.yaml --from - --simulate"
    )
    result = cli("pick", "spring.yaml", "--from", "-", "--simulate", cwd=folder, stdin=lines)
    assert (result.exit_code, result.out.split()[:3]) == (0, ["pick", "scene/vase", "2"])


def test_copy_picks_copies_all_lines(tab: Tab, page: Path) -> None:
    tab.go(page)
    tab._browser.call("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    tab.evaluate("document.querySelector('details.made').open = true")
    tab.click('[data-cell="scene/vase"] input[value="1"]')
    tab.click('[data-cell="scene/lamp"] input[value="none"]')
    tab.evaluate("document.getElementById('copy').focus()")
    tab.press("Enter")
    tab.settle()
    copied = tab.evaluate("navigator.clipboard.readText()")
    first, second = copied.splitlines()
    assert first.startswith("scene/vase 1@")
    assert second == "scene/lamp none"
    assert tab.evaluate("document.getElementById('chosen').textContent") == "Copied."


def test_an_edit_is_uncovered_by_keyboard_and_by_pointer(tab: Tab, page: Path) -> None:
    tab.size(1600)
    tab.go(page, "picture/frame/lamp/square")
    slider = "dialog[open] .compare input"
    tab.evaluate(f"document.querySelector('{slider}').focus()")
    tab.press("ArrowLeft", 10)
    assert tab.evaluate(f"document.querySelector('{slider}').parentElement.style.getPropertyValue('--at')") == "40%"
    assert tab.evaluate(f"document.querySelector('{slider}').getAttribute('aria-valuetext')") == "40 % before"
    tab.click(slider, across=0.8)
    assert 75 <= float(tab.evaluate(f"document.querySelector('{slider}').value")) <= 85


def test_a_picture_opens_closes_and_leads_to_the_next_by_keyboard(tab: Tab, page: Path) -> None:
    tab.size(1600)
    tab.go(page)
    tab.evaluate("document.querySelector('[id=\"step/frame\"] a.open').focus()")
    tab.press("Enter")
    tab.settle()
    open_now = "document.querySelector('dialog[open]')?.id"
    assert tab.evaluate(open_now) == "picture/frame/lamp/square"
    tab.press("ArrowRight")
    tab.settle()
    assert tab.evaluate(open_now) == "picture/frame/lamp/banner"
    assert tab.evaluate("[...document.querySelectorAll('dialog[open] img')].every(it => it.naturalWidth > 0)")
    tab.press("Escape")
    tab.settle()
    assert tab.evaluate(open_now) is None
    assert tab.evaluate("document.activeElement.closest('section').id") == "step/frame"


def test_candidates_can_be_looked_at_large(tab: Tab, page: Path) -> None:
    tab.go(page, "picture/scene/vase")
    shown = "document.querySelector('dialog[open] .after img').src"
    before = tab.evaluate(shown)
    tab.click("dialog[open] li:nth-child(2) button")
    assert tab.evaluate(shown) != before
    assert tab.evaluate("document.querySelector('dialog[open] .after img').alt").startswith("scene, vase, candidate 2")


def test_on_paper_there_are_pictures_and_words_and_no_controls(tab: Tab, page: Path) -> None:
    tab.go(page)
    tab.media("print")
    seen = "[...document.querySelectorAll('{}')].filter(it => it.checkVisibility()).length"
    assert tab.evaluate(seen.format("nav, dialog, #bar, .reason")) == 0
    assert tab.evaluate(seen.format("main img")) > 8
    assert len(tab.call("Page.printToPDF", printBackground=True)["data"]) > 50_000


def test_nothing_moves_for_whoever_wants_less_motion(tab: Tab, page: Path) -> None:
    moves = "getComputedStyle(document.documentElement).scrollBehavior"
    tab.media(prefers_reduced_motion="reduce")
    tab.go(page)
    assert tab.evaluate(moves) == "auto"
