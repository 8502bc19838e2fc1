"""Requests to hosts that strangers name carry nothing of each other."""

import asyncio
import socket

import httpx2
import pytest

from agent.pinned import ATTEMPT, anywhere, ask, not_of_cloud, pinned, public
from agent.pool import Pool

NAMES = Pool("names of a test", workers=1, waiting=1)


def test_a_server_gets_no_cookies_of_another_server_at_its_address() -> None:
    """Addresses are shared, and cookies belong to them here, as the address stands in the URL."""
    heard: list[httpx2.Headers] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        heard.append(request.headers)
        return httpx2.Response(200, headers={"Set-Cookie": f"c{len(heard)}={'x' * 3000}; Path=/"})

    async def scene() -> int:
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as client:
            for name in ("evil.example", "evil.example", "carrier.example"):
                await client.send(pinned(client, "GET", httpx2.URL(f"https://{name}/a.pem"), "192.0.2.1"))
            return len(client.cookies)

    assert asyncio.run(scene()) <= 1, "they do not pile up"
    assert [headers["host"] for headers in heard] == ["evil.example", "evil.example", "carrier.example"]
    assert not any("cookie" in headers for headers in heard)


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "fe80::1", "::ffff:169.254.169.254", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254",
     "100.100.100.200", "::ffff:100.100.100.200", "168.63.129.16", "192.0.0.192",
     "64:ff9b::169.254.169.254", "64:ff9b::10.0.0.1", "64:ff9b:1::a9fe:a9fe", "2002:a9fe:a9fe::1", "2002:a00:1::1",
     "::169.254.169.254", "::ffff:0:169.254.169.254"],
)  # fmt: skip
def test_no_spelling_leads_to_the_secrets_of_a_cloud(address: str) -> None:
    assert not not_of_cloud(address)
    assert not public(address)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "::1", "10.0.0.5", "::ffff:10.0.0.5", "192.168.1.7", "fd12:3456::7", "100.64.0.1", "8.8.8.8",
     "2001:4860:4860::8888", "64:ff9b::8.8.8.8", "2002:808:808::1"],
)  # fmt: skip
def test_the_own_network_and_the_internet_are_not_a_cloud(address: str) -> None:
    assert not_of_cloud(address)


@pytest.mark.parametrize("address", ["::8.8.8.8", "::ffff:0:8.8.8.8", "64:ff9b:1::8.8.8.8"])
def test_old_ways_to_write_an_address_are_no_address_of_the_internet(address: str) -> None:
    assert not public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"])
def test_ways_to_write_an_address_that_are_in_use_are_of_the_internet(address: str) -> None:
    assert public(address)


class Hosts:
    """Hosts at addresses, of which those of `dead` cannot be connected."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, addresses: list[str], dead: dict[str, Exception]) -> None:
        self.tried: list[tuple[str, float | None]] = []
        self._dead = dead
        found = [(0, 0, 0, "", (address, 443)) for address in addresses]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        host = request.url.host
        self.tried.append((host, request.extensions["timeout"]["connect"]))
        if host in self._dead:
            raise self._dead[host]
        return httpx2.Response(200)

    def asked(self, limit: float | None = 5) -> int:
        async def scene() -> int:
            async with httpx2.AsyncClient(transport=httpx2.MockTransport(self.answer), timeout=limit) as client:
                url = httpx2.URL("https://hooks.example/call")
                return (await ask(client, "POST", url, NAMES, anywhere, content=b"{}")).status_code

        return asyncio.run(scene())


def test_the_next_address_is_asked_where_one_cannot_be_connected(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host with both versions of IP, of which one leads nowhere."""
    there = ["2001:db8::1", "2001:db8::2", "192.0.2.1", "192.0.2.2"]
    hosts = Hosts(monkeypatch, there, {"2001:db8::1": httpx2.ConnectTimeout("timeout")})
    assert hosts.asked() == 200
    assert hosts.tried == [("2001:db8::1", ATTEMPT), ("192.0.2.1", ATTEMPT)], "the other version is next"


def test_the_last_address_has_the_whole_time_and_tells_why_it_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = httpx2.ConnectError("refused")
    hosts = Hosts(monkeypatch, ["192.0.2.1", "192.0.2.2"], {"192.0.2.1": refused, "192.0.2.2": refused})
    with pytest.raises(httpx2.ConnectError, match="refused"):
        hosts.asked()
    assert hosts.tried == [("192.0.2.1", ATTEMPT), ("192.0.2.2", 5)]


def test_no_address_has_longer_than_the_limit_of_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in (0.5, None):
        hosts = Hosts(monkeypatch, ["192.0.2.1", "192.0.2.2"], {"192.0.2.1": httpx2.ConnectTimeout("timeout")})
        assert hosts.asked(limit) == 200
        assert hosts.tried == [("192.0.2.1", limit or ATTEMPT), ("192.0.2.2", limit)]


def test_what_may_have_been_sent_is_not_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = Hosts(monkeypatch, ["192.0.2.1", "192.0.2.2"], {"192.0.2.1": httpx2.ReadError("reset")})
    with pytest.raises(httpx2.ReadError):
        hosts.asked()
    assert len(hosts.tried) == 1
