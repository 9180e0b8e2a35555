"""The published contracts of AIML API and 1min.ai, offline: a request in, a reply out, no transport.

An independent reading: it takes requests apart by the catalogue's schemas and knows nothing of the adapters that build
them. Every reply says in a header that it is simulated.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeAlias

from flowrunner.catalog import Catalog
from flowrunner.simulator import aimlapi, onemin
from flowrunner.simulator.studio import FILES, ORIGIN, Studio
from flowrunner.simulator.wire import SIMULATED, Asked, Clock, Reply, answer, standing_still

LARGEST = 64 * 2**20
"""Bytes of a request's body."""
_Endpoint: TypeAlias = Callable[[Asked, Catalog, Studio, Clock], Reply]
_ENDPOINTS: Mapping[str, _Endpoint] = {
    "/v1/images/generations": aimlapi.generate,
    "/images/generations": aimlapi.generate,
    "/api/features": onemin.run,
    "/api/assets": onemin.keep,
}


class Simulator:
    """Answers requests. `origin` is what the URLs of its pictures begin with. It keeps pictures and assets in memory,
    the longest unused go first. The same request gives the same bytes, in any process, while the clock stands still.
    """

    def __init__(self, catalog: Catalog, *, origin: str = ORIGIN, clock: Clock = standing_still) -> None:
        self._catalog = catalog
        self._studio = Studio(origin)
        self._clock = clock

    def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """The whole reply to one request. It takes as long as drawing takes, and may be called from many threads."""
        known = {name.lower(): value for name, value in headers.items()}
        asked = Asked(method.upper(), path.partition("?")[0], known, body)
        reply = self._answered(asked)
        return replace(reply, headers={**reply.headers, SIMULATED: "1"})

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


def _wrong_method(right: str) -> Reply:
    said = {"message": f"Method Not Allowed: {right} is", "statusCode": 405}
    return answer(405, said, {"allow": right})
