"""TLS on loopback with certificates made for the test: the judged address is asked, under the host's own name."""

import asyncio
import shutil
import ssl
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

import httpx
import pytest

from flowrunner.downloads import Downloads, Fetched, FetchFailed
from flowrunner.exchange import Connections, NotSent, send
from flowrunner.network import Judged, Refusal
from flowrunner.providers.base import Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="certificates are made with openssl")

HOST = "cdn.example"
KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]


@dataclass(frozen=True)
class Authority:
    """A certificate authority of the test."""

    folder: Path

    def certificate(self, *names: str) -> ssl.SSLContext:
        """A server's side, with a certificate for these names."""
        stem = f"{self.folder}/{'-'.join(names)}"
        if not Path(f"{stem}.crt").exists():
            signed = ["-CA", "ca.crt", "-CAkey", "ca.key", "-addext", f"subjectAltName={','.join(names)}"]
            self.openssl("-subj", "/CN=server", *signed, "-keyout", f"{stem}.key", "-out", f"{stem}.crt")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(f"{stem}.crt", f"{stem}.key")
        return context

    def openssl(self, *words: str) -> None:
        subprocess.run(["openssl", "req", "-x509", *KEY, *words], cwd=self.folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("authority"))
    made.openssl("-subj", "/CN=the test's own", "-keyout", "ca.key", "-out", "ca.crt")
    return made


@pytest.fixture
def trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's authority stands where those of the system do; everything else of the context is as it is."""
    plain: Callable[..., ssl.SSLContext] = httpx.create_ssl_context

    def with_authority(**options: bool) -> ssl.SSLContext:
        context = plain(**options)
        context.load_verify_locations(authority.folder / "ca.crt")
        return context

    monkeypatch.setattr(httpx, "create_ssl_context", with_authority)


@dataclass
class Server:
    """Answers each request, and keeps the names in the handshakes, the requests, and the number of connections."""

    context: ssl.SSLContext
    names: list[str | None] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    connections: int = 0

    async def __aenter__(self) -> Self:
        self.context.sni_callback = lambda _, name, __: self.names.append(name)
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0, ssl=self.context)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        await self.server.wait_closed()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.requests.append(head.decode())
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\x89PNG")
        except (ConnectionError, asyncio.IncompleteReadError):
            writer.close()


async def downloaded(server: Server, times: int = 1, host: str = HOST) -> list[Fetched | FetchFailed]:
    async def judge(_: str) -> Judged | Refusal:
        return Judged(url=f"https://{host}:{server.port}/a.png", host=host, addresses=("127.0.0.1",))

    async with Connections() as connections:
        desk = Downloads(
            transport=connections.downloads,
            judge=judge,
            clock=lambda: 0.0,
            sleep=asyncio.sleep,
            random=lambda: 0.0,
        )
        return [await desk.once(f"https://{host}/") for _ in range(times)]


def fetched(context: ssl.SSLContext, **options: int | str) -> tuple[list[Fetched | FetchFailed], Server]:
    async def once() -> tuple[list[Fetched | FetchFailed], Server]:
        async with Server(context) as server:
            return await downloaded(server, **options), server  # type: ignore[arg-type]

    return asyncio.run(once())


@pytest.mark.usefixtures("trusted")
def test_the_judged_address_is_asked_under_the_name_of_its_host(authority: Authority) -> None:
    (found,), server = fetched(authority.certificate(f"DNS:{HOST}"))
    assert found == Fetched(b"\x89PNG")
    assert server.names == [HOST]
    assert server.requests[0].splitlines()[:2] == ["GET /a.png HTTP/1.1", f"Host: {HOST}"]


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize(
    "names",
    [["DNS:other.example"], ["IP:127.0.0.1"], ["DNS:localhost"], ["DNS:*.cdn.example"], ["DNS:cdn.example.evil"]],
)
def test_a_certificate_for_anybody_else_is_refused(authority: Authority, names: list[str]) -> None:
    (found,), server = fetched(authority.certificate(*names))
    assert isinstance(found, FetchFailed)
    assert found.reason.startswith("the certificate is not good: ")
    assert server.requests == []


@pytest.mark.usefixtures("trusted")
def test_an_address_as_host_wants_a_certificate_for_the_address(authority: Authority) -> None:
    (found,), _ = fetched(authority.certificate("IP:127.0.0.1"), host="127.0.0.1")
    assert isinstance(found, Fetched)
    (found,), _ = fetched(authority.certificate(f"DNS:{HOST}"), host="127.0.0.1")
    assert isinstance(found, FetchFailed)


def test_a_certificate_that_nobody_vouches_for_is_refused(authority: Authority) -> None:
    (found,), server = fetched(authority.certificate(f"DNS:{HOST}"))
    assert isinstance(found, FetchFailed)
    assert found.reason.startswith("the certificate is not good: ")
    assert server.requests == []


@pytest.mark.usefixtures("trusted")
def test_no_connection_is_kept_for_another_request(authority: Authority) -> None:
    found, server = fetched(authority.certificate(f"DNS:{HOST}"), times=3)
    assert all(isinstance(one, Fetched) for one in found)
    assert (server.connections, server.names) == (3, [HOST] * 3)


@pytest.mark.usefixtures("trusted")
def test_a_key_is_not_shown_to_a_provider_whose_certificate_is_not_good(authority: Authority) -> None:
    async def posted(names: str) -> tuple[object, Server]:
        async with Server(authority.certificate(names)) as server, Connections() as connections:
            base = f"https://127.0.0.1:{server.port}"
            endpoint = connections.endpoint(base, headers={"Authorization": "Bearer sk-1"})
            return await send(endpoint, Request(path="/v1/images", json={})), server

    found, server = asyncio.run(posted("DNS:api.example"))
    assert isinstance(found, NotSent)
    assert server.requests == []
    found, server = asyncio.run(posted("IP:127.0.0.1"))
    assert isinstance(found, Response)
    assert "Bearer sk-1" in server.requests[0]
