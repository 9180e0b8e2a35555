import socket
from collections.abc import Iterator

import httpx
import pytest

from flowrunner import imagehead
from flowrunner.catalog.load import load
from flowrunner.simulator.contract import LARGEST
from flowrunner.simulator.server import Served, serve

CATALOG = load()
PATH = "/v1/images/generations"
BEARER = {"Authorization": "Bearer any"}
BODY = {"model": "blackforestlabs/flux-2-pro", "prompt": "A lamp", "image_size": {"width": 512, "height": 512}}
GOOD = b'{"model": "blackforestlabs/flux-2-pro", "prompt": "A", "image_size": {"width": 512, "height": 512}}'


@pytest.fixture
def log() -> list[Served]:
    return []


@pytest.fixture
def client(log: list[Served]) -> Iterator[httpx.Client]:
    with serve(CATALOG, on_request=log.append) as origin, httpx.Client(base_url=origin, trust_env=False) as made:
        yield made


def raw(origin: httpx.URL, request: bytes) -> bytes:
    """All that the server says to these bytes until it closes."""
    with socket.create_connection((origin.host, origin.port or 0), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_a_picture_is_served_from_the_servers_own_origin(client: httpx.Client, log: list[Served]) -> None:
    url = client.post(PATH, json=BODY, headers=BEARER).json()["data"][0]["url"]
    assert url.startswith(f"http://127.0.0.1:{client.base_url.port}/files/")
    fetched = client.get(url)
    assert imagehead.simulated(fetched.content)
    assert fetched.headers["content-type"] == "image/png"
    assert [(one.method, one.status) for one in log] == [("POST", 200), ("GET", 200)]


def test_a_picture_of_the_server_can_be_edited_by_its_url(client: httpx.Client) -> None:
    url = client.post(PATH, json=BODY, headers=BEARER).json()["data"][0]["url"]
    edit = BODY | {"model": "blackforestlabs/flux-2-edit", "image_urls": [url]}
    assert client.post(PATH, json=edit, headers=BEARER).status_code == 200


def test_only_the_loopback_address_is_listened_on(client: httpx.Client) -> None:
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", client.base_url.port or 0), timeout=5)


def test_two_requests_share_a_connection(client: httpx.Client) -> None:
    request = b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n"
    said = raw(client.base_url, request + request)
    assert said.count(b"HTTP/1.1 404") == 2


def test_a_chunked_body_is_read(client: httpx.Client) -> None:
    chunks = b"%x\r\n%s\r\n5;a=b\r\n     \r\n0\r\nTrailer: x\r\n\r\n" % (len(GOOD), GOOD)
    head = b"POST %s HTTP/1.1\r\nAuthorization: Bearer a\r\nTransfer-Encoding: chunked\r\n\r\n" % PATH.encode()
    said = raw(client.base_url, head + chunks + b"GET /nothing HTTP/1.1\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 200")
    assert b"HTTP/1.1 404" in said


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"POST %s HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST %s HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST %s HTTP/1.1\r\nContent-Length: 99999999999999\r\n\r\n", 413),
        (b"POST %s HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST %s HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n", 413),
        (b"POST %s HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n", 413),
        (b"BREW %s HTTP/1.1\r\n\r\n", 501),
        (b"POST %s HTTP/9.9 x\r\n\r\n", 400),
    ],
)
def test_what_cannot_be_read_is_refused(client: httpx.Client, request_: bytes, status: int) -> None:
    said = raw(client.base_url, request_ % PATH.encode())
    assert b"HTTP/1.1 %d" % status in said.splitlines()[0] or b'"statusCode": %d' % status in said
    assert client.get("/still/there").status_code == 404


def test_a_huge_body_is_refused_and_the_refusal_arrives(client: httpx.Client) -> None:
    reply = client.post(PATH, content=bytes(LARGEST + 1), headers=BEARER)
    assert reply.status_code == 413
    assert reply.headers["x-flowrunner-simulated"] == "1"


def test_a_head_request_gets_the_headers_alone(client: httpx.Client) -> None:
    url = client.post(PATH, json=BODY, headers=BEARER).json()["data"][0]["url"]
    reply = client.head(url)
    assert int(reply.headers["content-length"]) > 1000
    assert client.get("/nothing").status_code == 404


def test_a_client_that_goes_away_is_no_matter(client: httpx.Client, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_connection((client.base_url.host, client.base_url.port or 0)) as connection:
        connection.sendall(b"POST %s HTTP/1.1\r\nContent-Length: 100\r\n\r\n{" % PATH.encode())
    assert client.get("/nothing").status_code == 404
    assert capfd.readouterr() == ("", "")


def test_faults_come_in_their_order_and_only_to_posts() -> None:
    rules = ["429 at=1", "drop at=2", "cut at=3"]
    with serve(CATALOG, faults=rules) as origin, httpx.Client(base_url=origin, trust_env=False) as client:
        assert client.get("/nothing").status_code == 404
        limited = client.post(PATH, json=BODY, headers=BEARER)
        assert (limited.status_code, limited.json()["message"]) == (429, "Too Many Requests")
        for _ in ("drop", "cut"):
            with pytest.raises(httpx.RemoteProtocolError):
                client.post(PATH, json=BODY, headers=BEARER)
        assert [client.post(PATH, json=BODY, headers=BEARER).status_code for _ in range(2)] == [200, 200]


def test_the_port_is_free_again_after_the_block() -> None:
    with serve(CATALOG) as origin:
        port = int(origin.rpartition(":")[2])
    with serve(CATALOG, port=port) as again:
        assert again == origin


def test_closing_does_not_wait_for_the_latency() -> None:
    with serve(CATALOG, latency=600) as origin:
        connection = socket.create_connection(("127.0.0.1", int(origin.rpartition(":")[2])), timeout=10)
        connection.sendall(b"POST %s HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}" % PATH.encode())
        # Connections are taken in their order: once this one is answered, the one before it is being waited on.
        httpx.get(f"{origin}/nothing", trust_env=False)
    with connection:
        assert connection.recv(12) == b"HTTP/1.1 401"
