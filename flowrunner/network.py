"""Which addresses may be reached for a URL that somebody else wrote.

Only https, only port 443, only public addresses. A name is resolved once, every address that it has is judged, and the
connection is made to a judged address: what the name says a moment later does not matter. The one exception are the
origins that the operator has configured (a gateway, a simulator on loopback).
"""

import re
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, TypeAlias

from flowrunner.slotted import dataclass

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

LONGEST_URL = 8192
"""Code points."""

Resolver: TypeAlias = Callable[[str], Awaitable[Sequence[str]]]
"""The addresses of a host name. OSError where it has none."""

# Python's is_global and is_private change with its versions and pass NAT64, 6to4, fec0::/10 and multicast: own tables.
# IANA's special-purpose registries, without the few entries that are reachable from everywhere.
_NOT_PUBLIC = (
    "0.0.0.0/8",  # this network
    "10.0.0.0/8",
    "100.64.0.0/10",  # carriers' NAT; one cloud keeps its metadata here
    "127.0.0.0/8",
    "168.63.129.16/32",  # a cloud's platform service, on an address that looks public
    "169.254.0.0/16",  # link-local: metadata of most clouds
    "172.16.0.0/12",
    "192.0.0.0/24",  # protocol assignments; metadata of another cloud
    "192.0.2.0/24",
    "192.88.99.0/24",  # 6to4 relays
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",  # multicast
    "240.0.0.0/4",  # reserved, and broadcast
    "2001::/23",  # protocol assignments, Teredo among them
    "2001:db8::/32",
    "2002::/16",  # 6to4: an IPv4 address in other clothes
    "3fff::/20",
)
_PUBLIC_6 = "2000::/3"
_IPV4_INSIDE = ("::ffff:0:0/96", "64:ff9b::/96")
"""IPv4 mapped into IPv6, and the well-known prefix of NAT64."""

_PORTS = {"http": 80, "https": 443}
_HIDDEN = re.compile("[\x00-\x20\x7f-\xa0\\\\\u2028\u2029\ud800-\udfff]")
_URL = re.compile(r"(https?)://([^/?#]*)([^#]*)(?:#.*)?", re.IGNORECASE)
_AUTHORITY = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]@]+)(?::([0-9]{1,5}))?")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A URL that may be fetched, by connecting to one of `addresses` and no other. `host` is what stands in the Host
    header and in the certificate. No addresses: an origin that the operator has configured, reached by its name."""

    url: str
    host: str
    addresses: tuple[str, ...] = ()

    def at(self, address: str) -> str:
        """The URL with a judged address in the place of its name."""
        literal = f"[{address}]" if ":" in address else address
        return f"https://{literal}{self.url.removeprefix(f'https://{self.host}')}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a URL is not fetched; `temporary` when its name could not be resolved just now."""

    reason: str
    temporary: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    scheme: str
    host: str
    port: int
    target: str
    literal: bool
    """The host is an address."""

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"

    @property
    def url(self) -> str:
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}{self.target}"


async def resolve(host: str) -> Sequence[str]:
    """The system's answer, in the order in which it wants them tried."""
    import asyncio
    import socket

    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def judge(url: str, *, allowed_origins: Collection[str] = (), resolve: Resolver = resolve) -> Judged | Refusal:
    """Whether a URL may be fetched, and at which addresses. `allowed_origins` are the operator's own."""
    parts = _split(url)
    if isinstance(parts, Refusal):
        return parts
    if parts.origin in map(origin, allowed_origins):
        return Judged(url=parts.url, host=parts.host)
    if parts.scheme != "https":
        return Refusal("it is not https")
    if parts.port != 443:
        return Refusal(f"its port is {parts.port}, not 443")
    addresses = await _addresses(parts, resolve)
    if isinstance(addresses, Refusal):
        return addresses
    return Judged(url=parts.url, host=parts.host, addresses=addresses)


@lru_cache(maxsize=256)
def origin(url: str) -> str:
    """Scheme, host and port of a URL, `https://api.example:443`. ValueError where it has none."""
    match _split(url):
        case _Parts() as parts:
            return parts.origin
        case Refusal(reason):
            raise ValueError(f"{url!r} is not a usable URL: {reason}")


def public(address: str) -> bool:
    """Whether an address is one of the public internet. IPv4 inside IPv6 (mapped, NAT64) is judged as IPv4."""
    from ipaddress import IPv4Address, IPv6Address, ip_address

    try:
        known = ip_address(address)
    except ValueError:
        return False
    if isinstance(known, IPv6Address):
        if any(known in network for network in _networks(*_IPV4_INSIDE)):
            return public(str(IPv4Address(int(known) & 0xFFFFFFFF)))
        if known.scope_id is not None or known not in _networks(_PUBLIC_6)[0]:
            return False
    return not any(known in network for network in _networks(*_NOT_PUBLIC))


@cache
def _networks(*texts: str) -> "tuple[IPv4Network | IPv6Network, ...]":
    from ipaddress import ip_network

    return tuple(map(ip_network, texts))


async def _addresses(parts: _Parts, resolve: Resolver) -> tuple[str, ...] | Refusal:
    try:
        found = [parts.host.strip("[]")] if parts.literal else await resolve(parts.host)
    except (OSError, UnicodeError):
        return Refusal(f"the name {parts.host} cannot be resolved", temporary=True)
    if not found:
        return Refusal(f"the name {parts.host} has no address", temporary=True)
    hidden = next((address for address in found if not public(address)), None)
    if hidden is not None:
        return Refusal(f"{parts.host} leads to {hidden}, which is not public")
    return tuple(found)


def _split(url: str) -> _Parts | Refusal:
    if len(url) > LONGEST_URL:
        return Refusal(f"it is longer than {LONGEST_URL} characters")
    if _HIDDEN.search(url):
        return Refusal("it holds a blank, a backslash or a control character")
    found = _URL.fullmatch(url)
    if not found:
        return Refusal("it is not an https URL")
    scheme, authority, target = found[1].lower(), found[2], found[3]
    if "@" in authority:
        return Refusal("it names a user before the host")
    place = _AUTHORITY.fullmatch(authority)
    if not place or int(place[2] or 1) not in range(1, 65536):
        return Refusal("its host or port is not one")
    host = _host(place[1].lower().removesuffix("."))
    if isinstance(host, Refusal):
        return host
    port = int(place[2] or _PORTS[scheme])
    path = target if target.startswith("/") else f"/{target}"
    return _Parts(scheme=scheme, host=host, port=port, target=path, literal=_is_literal(host))


@lru_cache(maxsize=256)
def _host(host: str) -> str | Refusal:
    from ipaddress import IPv6Address

    if _is_literal(host):
        return f"[{IPv6Address(host[1:-1])}]" if host.startswith("[") else host
    labels = host.split(".")
    # Other programs read 127.1, 0x7f000001 and 017700000001 as addresses: whatever ends in a number is one, or nothing.
    if host.startswith("[") or _NUMERIC.fullmatch(labels[-1]):
        return Refusal(f"{host} is not a plain spelling of an address")
    if not host.isascii():
        return Refusal("its host is not ASCII: write the xn-- form")
    if len(host) > 253 or not all(map(_LABEL.fullmatch, labels)) or not all(map(_encodes, labels)):
        return Refusal(f"{host} is not a host name")
    return host


def _encodes(label: str) -> bool:
    """An xn-- label must be what Punycode makes of something that is not ASCII (RFC 5891, 4.4), spelled so and no other
    way."""
    if not label.startswith("xn--"):
        return True
    try:
        meant = label[4:].encode().decode("punycode")
        return not meant.isascii() and meant.encode("punycode").decode() == label[4:]
    except UnicodeError:
        return False


def same(one: str, two: str) -> bool:
    """Whether two texts are one address."""
    from ipaddress import ip_address

    try:
        return ip_address(one) == ip_address(two)
    except ValueError:
        return False


def _is_literal(host: str) -> bool:
    from ipaddress import IPv4Address, IPv6Address

    try:
        bracketed = host.startswith("[")
        IPv6Address(host[1:-1]) if bracketed else IPv4Address(host)
    except ValueError:
        return False
    return True
