"""What every test has: one profile for properties, and a provider in this process.

The same examples are tried everywhere, and no clock is run against; `FLOWRUNNER_EXPLORE=1000` looks for as many new
ones.
"""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from wire import Wire

settings.register_profile(
    "flowrunner",
    derandomize=not os.environ.get("FLOWRUNNER_EXPLORE"),
    deadline=None,
    max_examples=int(os.environ.get("FLOWRUNNER_EXPLORE") or 50),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("flowrunner")

_ROOM = 1024**3
"""Bytes; the quick tests take a twentieth of it."""


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    """Stands where the simulator would: simulated runs send to it."""
    made = Wire()
    monkeypatch.setattr("flowrunner.simulator.transport.transport", lambda *_: made)
    return made


def pytest_configure(config: pytest.Config) -> None:
    """The quick tests make thousands of small files durable: they lie in memory, where the system has room for them.
    The slow ones stay on the disk, since some are about disks."""
    memory = Path("/dev/shm")
    if config.getoption("-m") == "not slow" and memory.is_dir() and shutil.disk_usage(memory).free > _ROOM:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))


def pytest_xdist_auto_num_workers() -> int:
    """Half as many again as there are cores: tests also wait for disks, servers and other processes."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores + cores // 2
