"""A Chromium of this machine, without a window, over the pipe of its own protocol: what a reader's browser would do.

`CHROMIUM` in the environment names the program, and then it has to be there; else one is looked for on the path.
"""

import base64
import fcntl
import json
import os
import shutil
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
_KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "ArrowLeft": 37, "ArrowRight": 39, "ArrowDown": 40, "End": 35}
_TYPED = {"Enter": "\r", " ": " "}


def program() -> str | None:
    """The program, or None where this machine has none."""
    given = os.environ.get("CHROMIUM")
    return given or next((found for name in NAMES if (found := shutil.which(name))), None)


class Browser:
    """Calls and events of one browser process, one at a time."""

    def __init__(self, write: BinaryIO, read: BinaryIO) -> None:
        self._write = write
        self._read = read
        self._number = 0
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str = "", **params: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        self._write.write(json.dumps(message | ({"sessionId": session} if session else {})).encode() + b"\0")
        while True:
            found = self._message()
            if found.get("id") == self._number:
                assert "error" not in found, f"{method}: {found['error']}"
                result: dict[str, Any] = found["result"]
                return result
            self.events.append(found)

    def tab(self) -> "Tab":
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Performance"):
            self.call(f"{domain}.enable", session)
        return Tab(self, session)

    def _message(self) -> dict[str, Any]:
        data = bytearray()
        while (byte := self._read.read(1)) != b"\0":
            assert byte, "the browser has gone"
            data += byte
        found: dict[str, Any] = json.loads(data)
        return found


class Tab:
    """One page as its reader sees and uses it."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        return self._browser.call(method, self._session, **params)

    def evaluate(self, script: str) -> Any:
        """The value of an expression, awaited."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def size(self, width: int, height: int = 900) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def media(self, kind: str = "screen", **features: str) -> None:
        """`media(prefers_color_scheme="dark")`, `media("print")`."""
        named = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.call("Emulation.setEmulatedMedia", media=kind, features=named)

    def go(self, page: Path, anchor: str = "") -> None:
        """Loads a page anew and waits until its pictures are decoded."""
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=page.as_uri() + (f"#{anchor}" if anchor else ""))
        here = "document.readyState === 'complete'"
        self.evaluate(f"new Promise(done => {here} ? done() : addEventListener('load', done))")
        self.settle()

    def settle(self) -> None:
        """Two frames: what was asked for is drawn."""
        self.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def press(self, key: str, times: int = 1) -> None:
        code = _KEYS[key]
        for _ in range(times):
            down = {"key": key, "code": key if key != " " else "Space", "windowsVirtualKeyCode": code}
            self.call("Input.dispatchKeyEvent", type="keyDown", **down, **_text(key))
            self.call("Input.dispatchKeyEvent", type="keyUp", **down)

    def write(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def click(self, selector: str, across: float = 0.5) -> None:
        """With a pointer, `across` of the element's width from its left edge."""
        self.evaluate(f"var it = document.querySelector({json.dumps(selector)})")
        self.evaluate("it.scrollIntoView({block: 'center', behavior: 'instant'})")
        box = self.evaluate("(box => [box.left, box.top, box.width, box.height])(it.getBoundingClientRect())")
        place = {"x": box[0] + box[2] * across, "y": box[1] + box[3] / 2, "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, **place)

    def screenshot(self, *, whole: bool = False) -> bytes:
        if whole:
            height = self.evaluate("Math.ceil(document.documentElement.scrollHeight)")
            self.size(self.evaluate("innerWidth"), min(height, 16_000))
            self.settle()
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def of(self, method: str) -> list[Mapping[str, Any]]:
        """What the browser has told of this page, by the name of the event."""
        self.evaluate("0")  # what was on its way is here now
        events = [one for one in self._browser.events if one.get("sessionId") == self._session]
        return [one["params"] for one in events if one["method"] == method]


def _text(key: str) -> dict[str, str]:
    return {"text": _TYPED[key]} if key in _TYPED else {}


@contextmanager
def started(folder: Path) -> Iterator[Browser]:
    """A browser with an empty profile in `folder`; it ends with the block."""
    found = program()
    assert found is not None
    ours_to_write, ours_to_read, process = _spawned([found, *FLAGS, f"--user-data-dir={folder / 'profile'}"])
    with os.fdopen(ours_to_write, "wb", 0) as write, os.fdopen(ours_to_read, "rb") as read:
        try:
            yield Browser(write, read)
        finally:
            os.kill(process, signal.SIGTERM)
            os.waitpid(process, 0)


def _spawned(words: list[str]) -> tuple[int, int, int]:
    """Our ends of two pipes, and the process. The protocol wants its ends as the descriptors 3 and 4."""
    read, to_write, to_read, write = (_moved(end) for end in (*os.pipe(), *os.pipe()))
    places = [(os.POSIX_SPAWN_DUP2, read, 3), (os.POSIX_SPAWN_DUP2, write, 4)]
    quiet = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
    process = os.posix_spawn(words[0], words, os.environ, file_actions=[*places, *quiet])
    os.close(read)
    os.close(write)
    return to_write, to_read, process


def _moved(end: int) -> int:
    """The same end under a number that nothing else is put at."""
    moved = fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(end)
    return moved
