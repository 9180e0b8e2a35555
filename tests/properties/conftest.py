"""The shop, before and after its first run."""

from pathlib import Path

import pytest
from shop import Shop, open_shop
from wire import Wire


@pytest.fixture
def shop(tmp_path: Path, wire: Wire) -> Shop:
    """The shop, with everything made and locked."""
    made = open_shop(tmp_path / "shop", wire)
    made.run()
    return made
