"""Bodies of requests: what they say, and how little of them lies in memory."""

import asyncio
import base64
import json
import threading
import tracemalloc
from email import message_from_bytes
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner import exchange
from flowrunner.bodies import PIECE, SMALL, apart, outgoing
from flowrunner.exchange import Connections
from flowrunner.providers.base import Inline, Request, Response

MIB = 2**20


def joined(tree: Any) -> bytes:
    body = outgoing(Request(path="/x", json=tree))
    assert body is not None
    pieces = list(body.pieces())
    assert body.length == sum(map(len, pieces))
    return b"".join(pieces)


def spelled(tree: Any) -> Any:
    """The tree with each picture as the text that it becomes."""
    if isinstance(tree, Inline):
        return f"{tree}{base64.b64encode(tree.data).decode()}"
    if isinstance(tree, dict):
        return {key: spelled(item) for key, item in tree.items()}
    return [spelled(item) for item in tree] if isinstance(tree, list) else tree


PICTURES = st.builds(Inline, st.sampled_from(["image/png", "image/webp"]), st.binary(max_size=20))
TREES = st.recursive(
    st.one_of(PICTURES, st.text(max_size=8), st.integers(), st.none(), st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=4), inner, max_size=4)),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=4), TREES, max_size=4))
def test_a_body_with_pictures_is_the_json_that_it_would_be_with_their_texts(tree: dict[str, Any]) -> None:
    assert joined(tree) == json.dumps(spelled(tree), separators=(",", ":")).encode()


@pytest.mark.parametrize("size", [PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 2])
def test_a_picture_of_many_pieces_is_one_text(size: int) -> None:
    data = bytes(at % 251 for at in range(size))
    assert json.loads(joined({"a": [Inline("image/png", data)]}))["a"][0] == spelled(Inline("image/png", data))


def test_a_picture_twice_stands_there_twice() -> None:
    picture = Inline("image/jpeg", b"one")
    assert json.loads(joined({"a": picture, "b": [picture]})) == spelled({"a": picture, "b": [picture]})


def test_what_is_no_json_is_none_with_pictures_either() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        joined({"seed": float("nan"), "image": Inline("image/png", b"x")})


@pytest.mark.parametrize("name", ["cat.png", 'a"; filename="b', "a\r\nX: y", "größe.png"])
def test_a_form_holds_one_file_under_its_name(name: str) -> None:
    data = bytes(range(256)) * 3000
    body = outgoing(Request(path="/x", part="asset", file=(name, "image/png", data)))
    assert body is not None
    sent = b"".join(body.pieces())
    assert len(sent) == body.length
    form = message_from_bytes(f"Content-Type: {body.content_type}\r\n\r\n".encode() + sent)
    (part,) = list(form.walk())[1:]
    assert part.get_payload(decode=True) == data
    assert (part.get_content_type(), part.get_param("name", header="content-disposition")) == ("image/png", "asset")
    assert [key for key, _ in part.items()] == ["Content-Disposition", "Content-Type"]


def test_a_request_without_a_body_has_none() -> None:
    assert outgoing(Request(path="/poll")) is None


class Deaf(httpx.AsyncBaseTransport):
    """Hears a request piece by piece, and keeps nothing of it."""

    def __init__(self) -> None:
        self.length = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert isinstance(request.stream, httpx.AsyncByteStream)
        async for piece in request.stream:
            self.length += len(piece)
        assert request.headers["content-length"] == str(self.length)
        return httpx.Response(200)


@pytest.mark.parametrize("form", [False, True])
def test_a_picture_is_sent_without_a_copy_of_it(form: bool) -> None:
    data = bytes(4 * MIB)
    deaf = Deaf()

    async def sent() -> int:
        async with Connections(transport=deaf) as connections:
            endpoint = connections.endpoint("https://api.example")
            await exchange.send(endpoint, Request(path="/warm", json={"image": Inline("image/png", b"x")}))
            deaf.length = 0
            file = ("a.png", "image/png", data) if form else None
            json = None if form else {"image_urls": [Inline("image/png", data)]}
            request = Request(path="/x", json=json, part="asset", file=file)
            tracemalloc.start()
            assert isinstance(await exchange.send(endpoint, request), Response)
            return tracemalloc.get_traced_memory()[1]

    try:
        most = asyncio.run(sent())
    finally:
        tracemalloc.stop()
    assert deaf.length > len(data)
    assert most < MIB


def test_many_bytes_are_worked_on_in_a_thread_and_few_at_once() -> None:
    def thread(_: object) -> int:
        return threading.get_ident()

    async def both() -> tuple[int, int]:
        return await apart(SMALL, thread, None), await apart(SMALL + 1, thread, None)

    few, many = asyncio.run(both())
    assert few == threading.get_ident() != many
