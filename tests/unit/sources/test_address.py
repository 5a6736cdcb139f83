"""Which addresses a post may name: public hosts on the web's own ports, and nothing that leads inside."""

from __future__ import annotations

import ipaddress

import pytest

from apps.sources.domain.address import read_url, refusal
from tradebot.contracts.errors import UnsafeAddress

INSIDE = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://0/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://0177.0.0.1/",
    "http://017700000001/",
    "http://127.0.0.1./",
    "http://①②⑦.⓪.⓪.①/",
    "http://127。0。0。1/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
    "http://[fe80::1]/",
    "http://[fe80::1%25eth0]/",
    "http://[fd00:ec2::254]/",
    "http://[ff02::1]/",
    "http://[2001:db8::1]/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://100.100.100.200/",
    "http://169.254.169.254/latest/meta-data/",
    "http://168.63.129.16/",
    "http://192.0.0.192/",
    "http://198.18.0.1/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://0.0.0.0/",
    "http://localhost/",
    "http://LOCALHOST./",
    "http://app.localhost/",
    "http://metadata.google.internal/",
    "http://printer.local/",
]
MALFORMED = [
    "",
    "//a.example/",
    "/etc/passwd",
    "file:///etc/passwd",
    "ftp://a.example/",
    "gopher://a.example/",
    "javascript:alert(1)",
    "data:image/png;base64,AAAA",
    "http:///path",
    "http://user@a.example/",
    "http://user:secret@a.example/",
    "http://a.example@127.0.0.1/",
    "http://a.example\\@127.0.0.1/",
    "http://a.example/ b",
    "http://a.example/\r\nHost: inside",
    "http://a.example:22/",
    "http://a.example:6379/",
    "http://a.example:99999/",
    "http://a.example:0/",
    "http://[::1/",
    "http://[zz]/",
    "http://-a.example/",
    "http://a..example/",
    "http://a.example%2f@b/",
    "http://a.example/" + "x" * 2000,
]


@pytest.mark.parametrize("url", INSIDE + MALFORMED)
def test_refused(url: str) -> None:
    with pytest.raises(UnsafeAddress):
        read_url(url)


@pytest.mark.parametrize(
    ("url", "endpoint", "target"),
    [
        ("http://a.example", "a.example:80", "/"),
        ("HTTPS://A.Example:443/p?q=1#f", "a.example:443", "/p?q=1"),
        ("https://bücher.example/ä?ü=ö", "xn--bcher-kva.example:443", "/%C3%A4?%C3%BC=%C3%B6"),
        ("http://8.8.8.8/x%20y", "8.8.8.8:80", "/x%20y"),
        ("https://[2606:4700::1111]/", "[2606:4700::1111]:443", "/"),
    ],
)
def test_taken_apart(url: str, endpoint: str, target: str) -> None:
    address = read_url(url)

    assert (address.endpoint, address.target) == (endpoint, target)


def test_an_allowed_endpoint_may_be_inside_on_any_port_but_no_other() -> None:
    assert read_url("http://127.0.0.1:9000/x", ["127.0.0.1:9000"]).port == 9000
    with pytest.raises(UnsafeAddress):
        read_url("http://127.0.0.1:9001/x", ["127.0.0.1:9000"])


@pytest.mark.parametrize("text", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "64:ff9b::808:808"])
def test_public_addresses_are_not_refused(text: str) -> None:
    assert refusal(ipaddress.ip_address(text)) is None
