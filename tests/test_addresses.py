"""Spellings of addresses that no download may reach: as a URL of a reply, and as the target of a redirect."""

import asyncio
import json
import socket
from collections.abc import Callable, Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address
from itertools import chain
from pathlib import Path

import httpx
import pytest
from test_downloads import PUBLIC, URL, Desk, redirect

from flowrunner.downloads import FetchFailed

ENTRIES = json.loads((Path(__file__).parent / "hostile" / "entries" / "ssrf.json").read_text(encoding="utf-8"))
CORPUS = {entry["id"]: entry["payload"] for entry in ENTRIES if entry.get("payload")}

INNER = {
    "loopback": "127.0.0.1",
    "loopback's end": "127.255.255.254",
    "this network": "0.0.0.0",
    "ten": "10.0.0.1",
    "a carrier's, with a cloud's metadata": "100.100.100.200",
    "link-local, with most clouds' metadata": "169.254.169.254",
    "a cloud's platform": "168.63.129.16",
    "a third cloud's metadata": "192.0.0.192",
    "at home": "192.168.1.1",
    "an office": "172.31.255.1",
    "multicast": "224.0.0.251",
    "broadcast": "255.255.255.255",
}


def six(prefix: int, address: IPv4Address, shift: int = 0) -> str:
    return f"[{IPv6Address(prefix | int(address) << shift)}]"


def parts(address: IPv4Address, form: str) -> str:
    return ".".join(form.format(byte) for byte in address.packed)


def circled(text: str) -> str:
    return "".join(chr(0x245F + int(c)) if c in "123456789" else "⓪" if c == "0" else c for c in text)


SPELLINGS: dict[str, Callable[[IPv4Address], str]] = {
    "plain": str,
    "with a trailing dot": "{}.".format,
    "one decimal number": lambda a: str(int(a)),
    "one hexadecimal number": lambda a: hex(int(a)),
    "in capitals": lambda a: f"0X{int(a):X}",
    "one octal number": lambda a: f"0{int(a):o}",
    "hexadecimal parts": lambda a: parts(a, "{:#x}"),
    "octal parts": lambda a: parts(a, "0{:o}"),
    "parts with zeros": lambda a: parts(a, "{:03d}"),
    "two parts": lambda a: f"{a.packed[0]}.{int(a) & 0xFFFFFF}",
    "three parts": lambda a: f"{a.packed[0]}.{a.packed[1]}.{int(a) & 0xFFFF}",
    "ideographic dots": lambda a: str(a).replace(".", "。"),
    "full-width dots": lambda a: str(a).replace(".", "．"),
    "half-width dots": lambda a: str(a).replace(".", "｡"),
    "full-width digits": lambda a: str(a).translate({48 + n: 0xFF10 + n for n in range(10)}),
    "circled digits": lambda a: circled(str(a)),
    "Arabic digits": lambda a: str(a).translate({48 + n: 0x0660 + n for n in range(10)}),
    "percent": lambda a: "".join(f"%{ord(c):02x}" for c in str(a)),
    "percent dots": lambda a: str(a).replace(".", "%2e"),
    "a zero-width space": lambda a: str(a).replace(".", ".\u200b", 1),
    "behind a user": "example.com@{}".format,
    "behind a user and a password": "a:b@{}".format,
    "behind a backslash": "example.com\\@{}".format,
    "before a backslash": "{}\\@example.com".format,
    "before a tab": "{}%09".format,
    "mapped": lambda a: six(0xFFFF << 32, a),
    "mapped, dotted": "[::ffff:{}]".format,
    "compatible": lambda a: six(0, a),
    "translated": lambda a: six(0xFFFF << 48, a),
    "NAT64": lambda a: six(0x64FF9B << 96, a),
    "local NAT64": lambda a: six(0x64FF9B0001 << 80, a),
    "6to4": lambda a: six(0x2002 << 112, a, 80),
    "Teredo": lambda a: six(0x20010000 << 96, a, 64),
    "Teredo, as its client": lambda a: six(0x20010000 << 96, IPv4Address(int(a) ^ 0xFFFFFFFF)),
    "with a zone": "[::ffff:{}%25eth0]".format,
    "bare brackets": "[{}]".format,
    "by name": lambda a: f"{a}.nip.example",
}
OTHERS = [
    *("localhost", "LOCALHOST", "localhost.", "ip6-localhost", "metadata.google.internal", "metadata"),
    *("[::]", "[::1]", "[0:0:0:0:0:0:0:1]", "[fe80::1]", "[fe80::1%25eth0]", "[fc00::1]", "[fd00:ec2::254]"),
    *("[fd20:ce::254]", "[fec0::1]", "[ff02::1]", "[ff0e::1]", "[100::1]", "[2001:db8::1]", "[3fff::1]"),
    *("[5f00::1]", "[2001:10::1]", "[2001:20::1]", "[::ffff:0:7f00:1]", "[1::1]", "[4000::1]", "[e000::1]"),
    *("198.18.0.1", "192.0.2.1", "198.51.100.1", "203.0.113.1", "192.88.99.1", "240.0.0.1", "239.255.255.250"),
    *("1.2.3.4.5", "256.256.256.256", "0x", "1e3", "127.0.0.1:80", "93.184.216.34:8443", "[::1]:443", "xn--"),
    *("xn--a", "xn--www-", "xn--0", "xn--ls8h--", "ab--cd.example", "a..b", "-a.example", "h:0", "h:99999", ""),
]


def urls() -> Iterator[tuple[str, str]]:
    for (place, address), (name, spelled) in ((one, two) for one in INNER.items() for two in SPELLINGS.items()):
        yield f"{place}: {name}", f"https://{spelled(IPv4Address(address))}/latest/meta-data/"
    yield from ((host, f"https://{host}/x.png") for host in OTHERS)
    yield from CORPUS.items()
    yield from ((f"{name}, https", payload.replace("http://", "https://", 1)) for name, payload in CORPUS.items())


URLS = dict(urls())


def libc(host: str) -> Sequence[str]:
    """The addresses that the C library reads in a host; where it reads none, a name that leads home."""
    try:
        return [str(found[4][0]) for found in socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)]
    except (OSError, UnicodeError):
        return ["127.0.0.1"]


class Watched(Desk):
    """A desk whose first answer leads on to a URL, and whose resolver is as obliging as can be."""

    def __init__(self, location: str = "") -> None:
        super().__init__(redirect(location))

    async def resolve(self, host: str) -> Sequence[str]:
        return [PUBLIC] if host == "cdn.example" else libc(host)


async def reached(url: str, location: str = "") -> list[httpx.Request]:
    """The requests that left on the way to no file."""
    desk = Watched(location)
    assert isinstance(await desk.downloads(httpx.MockTransport(desk.note)).once(url), FetchFailed), url
    return desk.asked


def test_there_are_enough_spellings() -> None:
    assert len(set(URLS.values())) >= 600
    assert len([name for name in CORPUS if int(name.removeprefix("ssrf-")[:3]) < 110]) >= 18


def test_no_spelling_of_an_inner_address_is_connected_to() -> None:
    async def all_of_them() -> dict[str, list[httpx.Request]]:
        return {name: await reached(url) for name, url in URLS.items()}

    assert {name: asked for name, asked in asyncio.run(all_of_them()).items() if asked} == {}


def test_no_redirect_leads_to_an_inner_address() -> None:
    """A target without scheme or host is a path of the same, public, host."""

    async def all_of_them() -> set[tuple[str, str]]:
        found = set()
        for url in filter(str.isascii, URLS.values()):
            found |= {(asked.url.host, asked.headers["host"]) for asked in await reached(URL, url)}
        return found

    assert asyncio.run(all_of_them()) == {(PUBLIC, "cdn.example")}


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_name_that_leads_home_at_its_next_answer_is_never_followed_there(length: int) -> None:
    """A hundred tries: each hop resolves once, and is connected to what was judged, or to nothing."""
    for number in range(100):
        answers = chain([PUBLIC] * length, iter(lambda: "127.0.0.1", None))

        class Rebinding(Watched):
            async def resolve(self, host: str, answers: Iterator[str] = answers) -> Sequence[str]:
                self.resolved.append(host)
                return [next(answers)]

        desk = Rebinding(f"https://cdn.example/{number}.png")
        assert isinstance(desk.get(), FetchFailed)
        assert [request.url.host for request in desk.asked] == [PUBLIC] * length
        assert len(desk.resolved) == length + 1


@pytest.mark.parametrize("addresses", [("127.0.0.1", PUBLIC), (PUBLIC, "127.0.0.1"), (PUBLIC, "::1", PUBLIC)])
def test_one_inner_address_among_many_spoils_the_name(addresses: tuple[str, ...]) -> None:
    class Mixed(Watched):
        async def resolve(self, host: str) -> Sequence[str]:
            return addresses if host == "cdn.example" else ()

    desk = Mixed()
    assert (isinstance(desk.get(once=True), FetchFailed), desk.asked) == (True, [])


def test_a_ring_of_redirects_ends_after_three() -> None:
    desk = Watched("https://cdn.example/again.png")
    found = desk.get(once=True)
    assert isinstance(found, FetchFailed)
    assert (found.reason, len(desk.asked)) == ("more than 3 redirects", 4)


@pytest.mark.parametrize("location", ["https://cdn.example/" + "a" * 65536, "https://cdn.example/a%0d%0aX-Key:%20k"])
def test_a_monstrous_location_adds_no_header(location: str) -> None:
    desk = Watched(location)
    assert isinstance(desk.get(once=True), FetchFailed)
    assert all(set(request.headers) <= {"host", "user-agent", "accept", "accept-encoding"} for request in desk.asked)
