"""The published contracts of AIML API and 1min.ai, offline: a request in, a reply out, no transport.

An independent reading: it takes requests apart by the catalogue's schemas and knows nothing of the adapters that build
them. Every reply says in a header that it is simulated.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from flowrunner.catalog import Catalog
from flowrunner.simulator import aimlapi, onemin
from flowrunner.simulator.faults import On
from flowrunner.simulator.mishaps import Mishap, Script
from flowrunner.simulator.spoiled import spoiled
from flowrunner.simulator.studio import FILES, ORIGIN, Studio
from flowrunner.simulator.wire import SIMULATED, Asked, Clock, End, Reply, answer, standing_still
from flowrunner.slotted import replace

LARGEST = 64 * 2**20
"""Bytes of a request's body."""
_Endpoint: TypeAlias = Callable[[Asked, Catalog, Studio, Clock], Reply]
_ENDPOINTS: Mapping[str, _Endpoint] = {
    "/v1/images/generations": aimlapi.generate,
    "/images/generations": aimlapi.generate,
    "/api/features": onemin.run,
    "/api/assets": onemin.keep,
}
_UPLOADS = "/api/assets"
_SIGNED = re.compile(r"[?&]X-Amz-Date=(\d{8}T\d{6})Z&X-Amz-Expires=(\d{1,9})")
_OVER = b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"


class Simulator:
    """Answers requests. `origin` is what the URLs of its pictures begin with. It keeps pictures and assets in memory,
    the longest unused go first. The same request gives the same bytes, in any process, while the clock stands still.
    `faults` are rules of `mishaps.read`; UsageError for what is none.
    """

    def __init__(
        self,
        catalog: Catalog,
        *,
        origin: str = ORIGIN,
        clock: Clock = standing_still,
        faults: Iterable[str | Mishap] = (),
    ) -> None:
        self._catalog = catalog
        self._studio = Studio(origin)
        self._clock = clock
        self._script = Script(faults)

    def unread(self, method: str, path: str) -> Reply | None:
        """What becomes of a request whose body is not read, if a fault says so."""
        on = _on(method.upper(), path)
        mishap = self._script.unread(on, path) if on else None
        return Reply(0, end=End.UNREAD, wait=mishap.wait, fault=mishap.rule) if mishap else None

    def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """The whole reply to one request. It takes as long as drawing takes, and may be called from many threads."""
        known = {name.lower(): value for name, value in headers.items()}
        asked = Asked(method.upper(), path.partition("?")[0], known, body)
        on = _on(asked.method, path)
        mishap = self._script.next(on, path, body) if on else None

        def right() -> Reply:
            return _expired() if on is On.DOWNLOAD and self._is_over(path) else self._answered(asked)

        reply = spoiled(mishap, asked, right, self._clock) if mishap else right()
        return replace(reply, headers={**reply.headers, SIMULATED: "1"})

    def _is_over(self, path: str) -> bool:
        """Whether a presigned link has ended, by its own words."""
        signed = _SIGNED.search(path)
        if not signed:
            return False
        begun = datetime.strptime(signed[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
        return begun + timedelta(seconds=int(signed[2])) < self._clock()

    def _answered(self, asked: Asked) -> Reply:
        if asked.path.startswith(FILES):
            return self._file(asked) if asked.method == "GET" else _wrong_method("GET")
        endpoint = _ENDPOINTS.get(asked.path)
        if endpoint is None:
            return answer(404, {"message": f"Nothing is at {asked.path[:200]}", "statusCode": 404})
        if asked.method != "POST":
            return _wrong_method("POST")
        if len(asked.body) > LARGEST:
            return answer(413, {"message": f"The body has more than {LARGEST} bytes", "statusCode": 413})
        return endpoint(asked, self._catalog, self._studio, self._clock)

    def _file(self, asked: Asked) -> Reply:
        thing = self._studio.shelf.get(asked.path.removeprefix(FILES))
        if thing is None:
            return Reply(404, {"content-type": "text/plain"}, b"no such picture")
        return Reply(200, {"content-type": thing.media_type}, thing.data)


def _on(method: str, path: str) -> On | None:
    """Which kind of request it is for the faults; none where nothing is done."""
    if path.startswith(FILES):
        return On.DOWNLOAD if method == "GET" else None
    if method != "POST" or path.partition("?")[0] not in _ENDPOINTS:
        return None
    return On.UPLOAD if path.partition("?")[0] == _UPLOADS else On.POST


def _expired() -> Reply:
    return Reply(403, {"content-type": "application/xml"}, _OVER)


def _wrong_method(right: str) -> Reply:
    said = {"message": f"Method Not Allowed: {right} is", "statusCode": 405}
    return answer(405, said, {"allow": right})
