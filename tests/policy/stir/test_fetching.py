"""A certificate is fetched by HTTPS from the address that was checked, and nothing that its server does hurts."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
import trustme

from agent import pinned
from sipgw.config.stir import unusable
from sipgw.policy.stir import certificates
from sipgw.policy.stir.certificates import LARGEST, Certificates, Unfetched, load_roots
from tests.stir_world import URL, StirWorld
from tests.waiting import HANG

OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"


@contextlib.asynccontextmanager
async def server(answer: bytes | None, *names: str) -> AsyncIterator[tuple[int, list[bytes], trustme.CA]]:
    """Answers every request with the same bytes, with None never; yields port, requests and the authority."""
    authority, heard = trustme.CA(), list[bytes]()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            heard.append(await reader.readuntil(b"\r\n\r\n"))
            if answer is None:
                await reader.read()
            writer.write(answer or b"")
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context) as listening:
        yield listening.sockets[0].getsockname()[1], heard, authority


def fetch(
    world: StirWorld,
    monkeypatch: pytest.MonkeyPatch,
    answer: bytes | None,
    *names: str,
    limit: float = HANG,
) -> tuple[str, list[bytes]]:
    """Why there is no certificate, empty if there is one; and the requests."""

    async def scene() -> tuple[str, list[bytes]]:
        async with server(answer, *(names or ("certs.example.net",))) as (port, heard, authority):
            looked_up = []

            async def addresses_of(_: object, host: str, *__: object) -> list[str]:
                looked_up.append(host)
                return ["127.0.0.1"]

            monkeypatch.setattr(pinned, "addresses_of", addresses_of)
            monkeypatch.setattr(certificates, "unusable", lambda url: "")
            context = ssl.create_default_context()
            authority.configure_trust(context)
            monkeypatch.setattr(certificates, "tls", lambda: context)
            async with Certificates(load_roots(str(world.roots)), limit) as known:
                try:
                    await known.chain(f"https://certs.example.net:{port}/shaken.pem")
                except Unfetched as error:
                    return str(error), heard
                assert looked_up == ["certs.example.net"]
                return "", heard

    return asyncio.run(scene())


@pytest.fixture
def world(tmp_path: Path) -> StirWorld:
    return StirWorld(tmp_path)


def test_the_certificate_is_fetched_under_its_own_name(world: StirWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    failed, (request,) = fetch(world, monkeypatch, OK + world.served[URL])
    assert failed == ""
    assert request.startswith(b"GET /shaken.pem HTTP/1.1\r\n")
    assert b"\r\nHost: certs.example.net:" in request or b"\r\nhost: certs.example.net:" in request


@pytest.mark.parametrize(
    ("answer", "says"),
    [(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n", "answers 302"),
     (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "answers 404"),
     (OK + b"x" * (LARGEST + 1), "more than 32768 bytes"), (OK, "no certificate in PEM"),
     (b"nonsense\r\n\r\n", "cannot be fetched"), (b"", "cannot be fetched")],
)  # fmt: skip
def test_other_answers_give_none(world: StirWorld, monkeypatch: pytest.MonkeyPatch, answer: bytes, says: str) -> None:
    failed, requests = fetch(world, monkeypatch, answer)
    assert says in failed
    assert len(requests) == 1, "no redirection is followed"


def test_a_silent_server_has_little_time(world: StirWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no certificate within 0.3 s" in fetch(world, monkeypatch, None, limit=0.3)[0]


def test_the_server_must_prove_its_name(world: StirWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    failed, requests = fetch(world, monkeypatch, OK + world.served[URL], "evil.example")
    assert "cannot be fetched" in failed
    assert requests == []


def test_one_certificate_is_fetched_once_for_many_calls_and_not_too_many_at_a_time(world: StirWorld) -> None:
    async def scene() -> None:
        opens, asked = asyncio.Event(), 0

        async def fetch(url: str) -> bytes:
            nonlocal asked
            asked += 1
            await opens.wait()
            return world.served[URL]

        async with Certificates(load_roots(str(world.roots)), HANG, fetch) as known:

            async def tried(url: str) -> bool:
                try:
                    return bool(await known.chain(url))
                except Unfetched:
                    return False

            async with asyncio.TaskGroup() as group:
                same = [group.create_task(tried(URL)) for _ in range(20)]
                others = [group.create_task(tried(f"{URL}?{number}")) for number in range(20)]
                while asked < certificates.MOST_FETCHES:
                    await asyncio.sleep(0)
                opens.set()
            assert all(one.result() for one in same)
            assert sum(one.result() for one in others) == certificates.MOST_FETCHES - 1
            await known.chain(URL)
            assert asked == certificates.MOST_FETCHES

    asyncio.run(scene())


def test_the_cache_is_bounded(world: StirWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "REMEMBERED", 2)

    async def scene() -> None:
        async with Certificates(load_roots(str(world.roots)), HANG, world.fetch) as known:
            for number in range(5):
                with pytest.raises(Unfetched):
                    await known.chain(f"{URL}?{number}")
            assert len(known._kept) == 2

    asyncio.run(scene())


def test_a_chain_outlives_a_failure_to_fetch_it_again(world: StirWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "FRESH", 0.0)

    async def scene() -> None:
        async with Certificates(load_roots(str(world.roots)), HANG, world.fetch) as known:
            chain = await known.chain(URL)
            kept, world.served = world.served, {}
            assert await known.chain(URL) == chain
            assert await known.chain(URL) == chain
            assert world.fetched == [URL] * 2, "it is not asked again for a minute"
            monkeypatch.setattr(certificates, "MOST_FETCHES", 0)
            known._kept[URL] = known._kept[URL]._replace(until=0.0)
            assert await known.chain(URL) == chain, "nor is it lost while there is no room for its fetch"
            monkeypatch.undo()
            world.served = kept
            assert await known.chain(URL) != ()
            assert world.fetched == [URL] * 3

    asyncio.run(scene())


def test_a_chain_in_use_gives_way_neither_to_failures_nor_to_newer_ones(
    world: StirWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever calls writes the URLs."""
    monkeypatch.setattr(certificates, "REMEMBERED", 3)

    async def scene() -> None:
        async with Certificates(load_roots(str(world.roots)), HANG, world.fetch) as known:
            for number in range(5):
                await known.chain(URL)
                with pytest.raises(Unfetched):
                    await known.chain(f"{URL}?{number}")
                with pytest.raises(Unfetched):
                    await known.chain(f"{URL}?again{number}")
            for number in range(5):
                url = f"{URL}?good{number}"
                world.served[url] = world.served[URL]
                await known.chain(url)
                await known.chain(URL)
            assert len(known._kept) == 3
            assert world.fetched.count(URL) == 1

    asyncio.run(scene())


@pytest.mark.parametrize(
    "url",
    ["http://certs.example.net/a.pem", "ftp://x/y", "https:///x", "https://u:p@x/y", "https://x/y#z", "https://x:22/y",
     "https://x:99999/y", "https://x/\u00e9", "https://x/" + "a" * 3000, "file:///etc/passwd", "https://[::1", ""],
)  # fmt: skip
def test_which_urls_are_never_fetched(url: str) -> None:
    assert unusable(url)


@pytest.mark.parametrize("url", ["https://certs.example.net/a.pem", "https://certs.example.net:8443/a?b=c"])
def test_which_urls_are(url: str) -> None:
    assert unusable(url) == ""


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "169.254.169.254", "[::1]", "10.0.0.1", "192.168.1.1", "100.64.0.1", "0.0.0.0", "[::ffff:127.0.0.1]",
     "[fe80::1]", "[fd00::1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "224.0.0.1", "[64:ff9b:1::7f00:1]",
     "[::ffff:0:7f00:1]", "[::7f00:1]", "[fec0::1]", "192.0.0.8", "[::ffff:192.0.0.8]", "[2001:0:7f00:1::1]",
     "255.255.255.255", "2130706433", "0x7f.1"],
)  # fmt: skip
def test_no_private_address_is_asked(world: StirWorld, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(httpx2.AsyncClient, "send", lambda *_, **__: pytest.fail("it was asked"))

    async def scene() -> None:
        async with Certificates(load_roots(str(world.roots)), HANG) as known:
            with pytest.raises(Unfetched, match=r"private network|gaierror"):
                await known.chain(f"https://{address}/shaken.pem")

    asyncio.run(scene())


def test_a_name_that_leads_inside_is_not_asked(world: StirWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: inside)

    async def scene() -> None:
        async with Certificates(load_roots(str(world.roots)), HANG) as known:
            with pytest.raises(Unfetched, match=r"certs\.example\.net is in a private network"):
                await known.chain(URL)

    asyncio.run(scene())
