"""Requests to hosts that strangers name carry nothing of each other."""

import asyncio

import httpx2

from agent.pinned import pinned


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
