"""A browser for the tests of this folder; where none is found they are skipped, unless CHROMIUM names one."""

from collections.abc import Iterator

import pytest
from chromium import Browser, Tab, program, started


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if program() is None:
        pytest.skip("no Chromium is found: install it, or name it in CHROMIUM")
    with started(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.fixture
def tab(browser: Browser) -> Tab:
    return browser.tab()
