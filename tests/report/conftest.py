import shutil
from pathlib import Path

import pytest
from report_pages import made
from wire import Wire


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One product is chosen and framed, the other waits."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("flowrunner.simulator.transport.transport", lambda *_: Wire())
        return made(tmp_path_factory.mktemp("once"))


@pytest.fixture
def folder(once: Path, tmp_path: Path) -> Path:
    """A project whose pictures lie there, and no copies of them for a page."""
    return shutil.copytree(once, tmp_path / "copy")
