"""Requests to a model server: what goes out, what is refused, and what is never followed or kept."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from agent.errors import ProviderError
from agent.providers.model_server import MAX_REFUSAL, ModelRefusal, ModelServer
from tests.fakes.http import Exchange, HttpServer
from tests.waiting import HANG

KEY = "sk-test-key"


class Server(HttpServer):
    """Answers each request by `answer`."""

    def __init__(self, answer: Callable[[Exchange], Awaitable[None]]) -> None:
        super().__init__()
        self._answer = answer

    async def respond(self, exchange: Exchange) -> None:
        await self._answer(exchange)


async def well(exchange: Exchange) -> None:
    await exchange.answer(200, {"heard": json.loads(exchange.body)}, {"set-cookie": "who=caller"})


def asked(*times: str, answer: Callable[[Exchange], Awaitable[None]] = well, url: str = "") -> tuple[Server, list[Any]]:
    """What one client gets that asks for each path of `times`, and the server."""

    async def run() -> tuple[Server, list[Any]]:
        found: list[Any] = []
        async with Server(answer) as server, asyncio.timeout(HANG):
            there = ModelServer("openai", url or f"{server.url}/v1/", {"Authorization": f"Bearer {KEY}"}, 2.0)
            for path in times:
                try:
                    async with there.ask(path, {"words": "Łódź"}, HANG) as response:
                        found.append(b"".join([data async for data in there.pieces(response)]))
                except (ModelRefusal, ProviderError) as error:
                    found.append(error)
            await there.close()
        return server, found

    return asyncio.run(run())


def test_a_request_is_json_with_the_key_below_the_address() -> None:
    server, (body,) = asked("chat/completions")
    (exchange,) = server.exchanges
    assert (exchange.method, exchange.path) == ("POST", "/v1/chat/completions")
    assert exchange.headers["authorization"] == f"Bearer {KEY}"
    assert exchange.headers["content-type"] == "application/json"
    assert exchange.headers["accept-encoding"] == "identity", "what is streamed is not compressed"
    assert json.loads(body) == {"heard": {"words": "Łódź"}}


def test_no_cookie_goes_from_one_call_to_the_next() -> None:
    server, _ = asked("a", "b")
    assert not any("cookie" in exchange.headers for exchange in server.exchanges)


def test_a_redirection_is_a_refusal_and_takes_no_key_elsewhere() -> None:
    async def elsewhere(exchange: Exchange) -> None:
        await exchange.answer(307, {}, {"location": "/another"})

    server, (refusal,) = asked("a", answer=elsewhere)
    assert refusal.status == 307
    assert [exchange.path for exchange in server.exchanges] == ["/v1/a"]


@pytest.mark.parametrize("words", ["no JSON", "[" * 100_000, "x" * (2 * MAX_REFUSAL)])
def test_a_refusal_that_is_no_json_or_too_long_has_no_words(words: str) -> None:
    async def refuse(exchange: Exchange) -> None:
        await exchange.start(500, "text/plain", {"retry-after": "3"})
        await exchange.send(words.encode())
        await exchange.finish()

    _, (refusal,) = asked("a", answer=refuse)
    assert (refusal.status, refusal.body, refusal.headers["Retry-After"]) == (500, None, "3")


def test_an_answer_that_breaks_off_is_a_failed_connection() -> None:
    async def half(exchange: Exchange) -> None:
        await exchange.start(200, "text/event-stream")
        await exchange.send(b"data: {}")
        exchange.reset()

    _, (error,) = asked("a", answer=half)
    assert isinstance(error, ProviderError) and error.problem == "connection failed"


def test_the_proxy_of_the_environment_is_used_but_for_addresses_that_it_leaves_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def run() -> list[str]:
        async with Server(well) as proxy:
            monkeypatch.setenv("http_proxy", proxy.url)
            monkeypatch.setenv("no_proxy", "127.0.0.1")
            for url in ("http://model.example/v1", "http://127.0.0.1:9/v1"):
                there = ModelServer("openai", url, {}, 2.0)
                try:
                    async with there.ask("a", {}, HANG) as response:
                        assert [data async for data in there.pieces(response)]
                except ProviderError:
                    assert "127.0.0.1" in url
                await there.close()
            return [exchange.headers["host"] for exchange in proxy.exchanges]

    assert asyncio.run(run()) == ["model.example"]
