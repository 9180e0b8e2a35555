"""The event loop of a run serves its calls: whatever takes long is done in other threads. Which thread does what is
told by what it calls, so that no clock is needed."""

import hashlib
import os
import threading
import zlib
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageFile
from support import pipeline

from flowrunner import api
from flowrunner.catalog.load import load
from flowrunner.running import Run
from flowrunner.simulator.server import serve
from flowrunner.store.records import RunStatus

LARGE = 64 * 1024
"""Bytes that are hashed in a fifth of a millisecond."""
STEPS = """
steps:
  made: {model: blackforestlabs/flux-2-pro, with: {prompt: a lamp, image_size: {width: 768, height: 768}}}
  edited:
    model: blackforestlabs/flux-2-pro-edit
    with: {prompt: the same at night, image_urls: [photo.png, $made]}
    check: [{not_flat: true}]
  small: {model: image/resize, with: {image: $edited, width: 100, height: 100}}
outputs: {best: $small}
"""


class Watched:
    """Notes, for each kind of heavy work, the threads that do it while calls may be under way."""

    def __init__(self, patched: pytest.MonkeyPatch) -> None:
        self.by: dict[str, set[int]] = defaultdict(set)
        self.running = False
        self._patched = patched
        plain = Run._connected

        async def connected(run: Run, *values: Any) -> Any:
            self.running = True
            try:
                return await plain(run, *values)
            finally:
                self.running = False

        patched.setattr(Run, "_connected", connected)

    def watch(self, owner: Any, name: str, *, data: int | None = None) -> None:
        """Calls of a function; `data` is the place of the bytes, of which few do not count."""
        plain = getattr(owner, name)

        def noted(*values: Any, **more: Any) -> Any:
            much = data is None or (len(values) > data and len(values[data]) >= LARGE)
            if self.running and much:
                self.by[name].add(threading.get_ident())
            return plain(*values, **more)

        self._patched.setattr(owner, name, noted)


def test_the_loop_hashes_decodes_packs_and_syncs_nothing_while_calls_are_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pipeline(tmp_path, STEPS)
    # The first run of a store makes the folder of its locks, once.
    (tmp_path / ".flowrunner/locks/keys").mkdir(parents=True, mode=0o700)
    Image.effect_noise((400, 300), 90).convert("RGB").save(tmp_path / "photo.png")
    watched = Watched(monkeypatch)
    watched.watch(hashlib, "sha256", data=0)
    watched.watch(zlib, "crc32", data=0)
    watched.watch(os, "write", data=1)
    watched.watch(os, "fsync")
    watched.watch(ImageFile.ImageFile, "load")
    watched.watch(Image, "open")
    with serve(load()) as origin:
        environment = {"AIMLAPI_BASE_URL": origin, "HOME": "/nonexistent", "PATH": ""}
        result = api.run(path, simulate=True, environment=environment)
    assert result.status is RunStatus.DONE
    # Each is done, and so would be seen; the server's own threads draw, too.
    assert watched.by.keys() == {"sha256", "crc32", "write", "fsync", "load", "open"}
    assert {name for name, threads in watched.by.items() if threading.get_ident() in threads} == set()
