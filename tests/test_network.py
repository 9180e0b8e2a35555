import asyncio
from collections.abc import Sequence
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner import network
from flowrunner.network import Judged, Refusal

PUBLIC = "93.184.216.34"


async def nowhere(host: str) -> Sequence[str]:
    raise AssertionError(f"{host} must not be resolved")


def judged(url: str, *addresses: str, allowed: Sequence[str] = ()) -> Judged | Refusal:
    async def resolve(host: str) -> Sequence[str]:
        return addresses

    return asyncio.run(network.judge(url, allowed_origins=allowed, resolve=resolve if addresses else nowhere))


def refusal(url: str, *addresses: str) -> str:
    found = judged(url, *addresses)
    assert isinstance(found, Refusal), found
    return found.reason


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.31.0.1",
        "192.0.0.192",
        "192.168.1.1",
        "198.18.0.1",
        "203.0.113.9",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:a9fe:a9fe",
        "64:ff9b::7f00:1",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "2606:4700::1111%1",
        "fec0::1",
        "ff02::1",
        "",
        "localhost",
        "127.1",
    ],
)
def test_an_address_that_is_not_of_the_public_internet_is_never_reached(address: str) -> None:
    assert not network.public(address)
    assert "not public" in refusal("https://images.example/a.png", PUBLIC, address)


@pytest.mark.parametrize(
    "address", [PUBLIC, "1.1.1.1", "172.32.0.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_a_public_address_may_be_reached(address: str) -> None:
    assert network.public(address)
    found = judged("https://images.example/a.png", address)
    assert found == Judged(url="https://images.example/a.png", host="images.example", addresses=(address,))


@pytest.mark.parametrize(
    "url",
    [
        "https://[::ffff:169.254.169.254]/",
        "https://[::ffff:a9fe:a9fe]/",
        "https://[fec0::1]/",
        "https://[fe80::1%25eth0]/",
        "https://[::1]/",
        "https://[::1",
        "https://[127.0.0.1]/",
        "https://100.100.100.200/latest/meta-data/",
        "https://0x7f000001/",
        "https://0x7f.0.0.1/",
        "https://0x/",
        "https://017700000001/",
        "https://0177.0.0.1/",
        "https://2130706433/",
        "https://127.1/",
        "https://127.0.0.1./",
        "https://127.0.0.1..",
        "https://0/",
        "https://1.2.3.4.5/",
        "https://256.1.1.1/",
        "https://127\u30020\u30020\u30021/",
        "https://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460/",
        "https://\uff11\uff12\uff17.0.0.1/",
        "https://example.com@127.0.0.1/",
        "https://user:secret@example.com/",
        "https://@example.com/",
        "https://127.0.0.1\\@example.com/",
        "https://example.com\\@127.0.0.1/",
        "https:\\\\127.0.0.1/",
        "https://127.0.0.1%09/",
        "https://127.0.0.1\t/",
        "https://exa\nmple.com/",
        "https://example.com/a\r\nHost: x",
        "https://example.com/ ",
        " https://example.com/",
        "https://example.com/\u2028",
        "https://example.com/\ud800",
        "https://ex\u00adample.com/",
        "https://b\u00fccher.example/",
        "https://xn--/",
        "https://xn--abc-.example/",
        "https://cdn.xn--99999999.example/",
        "https://-a.example/",
        "https://a..example/",
        "https://.example/",
        f"https://{'a' * 64}.example/",
        f"https://{'a.' * 127}example/",
        "https://h:99999/",
        "https://h:0/",
        "https://h:8443/",
        "https://h:22/",
        "https://h:/",
        "https://h:4a/",
        "https:///etc/passwd",
        "https:example.com",
        "https:/example.com",
        "http://metadata.google.internal/computeMetadata/v1/",
        "http://example.com/",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:25/",
        "data:image/png;base64,AQID",
        "javascript:alert(1)",
        "//evil.example/x.png",
        "/x.png",
        "",
        "https://example.com/" + "a" * 9000,
    ],
)
def test_a_hostile_spelling_is_refused_before_any_name_is_resolved(url: str) -> None:
    assert refusal(url)


def test_a_public_name_with_a_private_address_is_refused() -> None:
    assert refusal("https://localtest.example/", "127.0.0.1") == (
        "localtest.example leads to 127.0.0.1, which is not public"
    )


@given(st.integers(0x7F000000, 0x7FFFFFFF), st.sampled_from(["{}", "0x{:x}", "0{:o}", "{}.", "0x{:X}"]))
def test_no_number_is_a_host(number: int, spelling: str) -> None:
    assert refusal(f"https://{spelling.format(number)}/")


@given(st.integers(0, 2**32 - 1))
def test_an_ipv4_address_inside_ipv6_is_judged_as_itself(number: int) -> None:
    address = IPv4Address(number)
    assert network.public(f"::ffff:{address}") == network.public(str(address)) == network.public(f"64:ff9b::{address}")
    assert not network.public(f"::{address}")


@given(st.text(max_size=40))
def test_no_text_makes_the_judge_stumble(text: str) -> None:
    assert isinstance(judged(text, "127.0.0.1"), Refusal)
    assert isinstance(judged(f"https://{text}", "127.0.0.1"), Refusal | Judged)


@pytest.mark.parametrize(
    ("written", "url", "host"),
    [
        ("HTTPS://CDN.Example:443/a%20b?x=1&y=/../#part", "https://cdn.example/a%20b?x=1&y=/../", "cdn.example"),
        ("https://cdn.example", "https://cdn.example/", "cdn.example"),
        ("https://cdn.example.?q", "https://cdn.example/?q", "cdn.example"),
        ("https://xn--bcher-kva.example/ü.png", "https://xn--bcher-kva.example/ü.png", "xn--bcher-kva.example"),
        ("https://a_b.s3.example/x", "https://a_b.s3.example/x", "a_b.s3.example"),
        ("https://xn--strae-oqa.example/", "https://xn--strae-oqa.example/", "xn--strae-oqa.example"),
        ("https://r3---sn.example/", "https://r3---sn.example/", "r3---sn.example"),
    ],
)
def test_a_judged_url_keeps_its_path_and_query(written: str, url: str, host: str) -> None:
    assert judged(written, PUBLIC) == Judged(url=url, host=host, addresses=(PUBLIC,))


def test_an_address_as_host_needs_no_resolver() -> None:
    assert judged(f"https://{PUBLIC}/a") == Judged(url=f"https://{PUBLIC}/a", host=PUBLIC, addresses=(PUBLIC,))
    assert judged("https://[2606:4700:0::1111]/") == Judged(
        url="https://[2606:4700::1111]/", host="[2606:4700::1111]", addresses=("2606:4700::1111",)
    )


def test_the_operators_own_origin_is_reached_by_its_name() -> None:
    own = ["http://127.0.0.1:8080", "https://gateway.intern/prefix"]
    assert judged("http://127.0.0.1:8080/a.png", allowed=own) == Judged(
        url="http://127.0.0.1:8080/a.png", host="127.0.0.1"
    )
    assert isinstance(judged("https://gateway.intern/x", allowed=own), Judged)
    assert isinstance(judged("http://127.0.0.1:8081/a.png", allowed=own), Refusal)
    assert isinstance(judged("https://127.0.0.1:8080/a.png", allowed=own), Refusal)


def test_a_name_without_an_address_may_have_one_later() -> None:
    async def broken(host: str) -> Sequence[str]:
        raise OSError

    async def empty(host: str) -> Sequence[str]:
        return []

    for resolver in (broken, empty):
        found = asyncio.run(network.judge("https://cdn.example/", resolve=resolver))
        assert isinstance(found, Refusal)
        assert found.temporary


def test_an_origin_is_scheme_host_and_port() -> None:
    assert network.origin("HTTPS://Api.Example/v1") == "https://api.example:443"
    assert network.origin("http://[::1]:80") == "http://[::1]:80"
    with pytest.raises(ValueError, match="user"):
        network.origin("https://key@api.example")


def test_the_systems_resolver_knows_this_machine() -> None:
    assert "127.0.0.1" in asyncio.run(network.resolve("127.0.0.1"))
