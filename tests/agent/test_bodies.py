"""No server can make a client read more of an answer than it allows: not by length, nor by pieces, nor packed."""

import asyncio
import gzip
import json
import zlib
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import replace

import httpx
import httpx2
import pytest

from agent.authorities import tls
from agent.bodies import CODINGS, TooLargeError, lift, within
from agent.errors import ProviderError
from agent.providers.elevenlabs import ElevenLabsOptions
from agent.providers.elevenlabs_http import ElevenLabsHttpTts
from agent.providers.faults import too_large
from agent.providers.http_tts import HttpTts
from agent.providers.openai_client import ModelClient, OpenAIOptions
from agent.providers.openai_speak import OpenAISpeech, OpenAITtsOptions
from sipgw.agents.knowledge import encoders
from sipgw.agents.knowledge.encoders import ServiceEncoder
from tests.agent.providers.replying import CHAT, Interface, every
from tests.fakes.http import Exchange, HttpServer

PIECE = bytes(1 << 16)
PACKED = gzip.compress(bytes(8 << 20), 1)
Answer = Callable[[Exchange], Awaitable[None]]


class Server(HttpServer):
    """It answers as it likes."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self._answer = answer

    async def respond(self, exchange: Exchange) -> None:
        await self._answer(exchange)


def endless(status: int) -> Answer:
    """Of a size that nobody is told before."""

    async def answer(exchange: Exchange) -> None:
        await exchange.start(status, "application/json")
        while True:
            await exchange.send(PIECE)

    return answer


def told(status: int) -> Answer:
    """Of a size that is told, and never comes."""

    async def answer(exchange: Exchange) -> None:
        exchange._writer.write(f"HTTP/1.1 {status} x\r\ncontent-length: 999999999999\r\n\r\n".encode())
        await exchange.hang()

    return answer


def packed(status: int) -> Answer:
    """Small, but of that it would become 8 MiB."""

    async def answer(exchange: Exchange) -> None:
        await exchange.start(status, "application/json", {"content-encoding": "gzip"})
        await exchange.send(PACKED)
        await exchange.finish()

    return answer


def plain(size: int) -> Answer:
    async def answer(exchange: Exchange) -> None:
        await exchange.start(200, "text/plain")
        await exchange.send(bytes(size))
        await exchange.finish()

    return answer


async def reply_of(answer: Answer) -> str:
    """Words of a model that gets such answers."""
    options = CHAT.options(api_key="sk", max_tokens_name="max_completion_tokens")
    async with Server(answer) as server:
        model = CHAT.model(replace(options, url=server.url))
        try:
            return "".join(
                [getattr(one, "delta", "") async for one in model.reply([{"role": "user", "content": "Hi."}], [])]
            )
        finally:
            await model.close()


async def read(answer: Answer, most: int, package: type = httpx2.AsyncClient) -> tuple[bytes, dict[str, str]]:
    kind = (httpx if package is httpx.AsyncClient else httpx2).AsyncByteStream
    async with Server(answer) as server, package(verify=tls(), event_hooks=within(most, kind)) as client:
        response = await client.get(server.url)
        return response.content, server.exchanges[0].headers


@pytest.mark.parametrize("package", [httpx.AsyncClient, httpx2.AsyncClient])
def test_an_answer_is_read_up_to_its_bound(package: type) -> None:
    body, headers = asyncio.run(read(plain(1000), 1000, package))
    assert (body, headers["accept-encoding"]) == (bytes(1000), "identity")
    for answer in (plain(1001), endless(200), told(500)):
        with pytest.raises(TooLargeError, match="more than 1000 bytes"):
            asyncio.run(read(answer, 1000, package))
    with pytest.raises(TooLargeError, match="packed"):
        asyncio.run(read(packed(200), 1 << 20, package))


@pytest.mark.parametrize("package", [httpx.AsyncClient, httpx2.AsyncClient])
@pytest.mark.parametrize(("coding", "refused"), [("none", ""), ("utf-8", ""), ("aws-chunked, GZIP", "packed")])
def test_only_what_would_be_unpacked_is_refused(package: type, coding: str, refused: str) -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.start(200, "text/plain", {"content-encoding": coding})
        await exchange.send(b"plain")
        await exchange.finish()

    with pytest.raises(TooLargeError, match=refused) if refused else nullcontext():
        assert asyncio.run(read(answer, 1000, package))[0] == b"plain"
    unpacked = {*httpx._decoders.SUPPORTED_DECODERS, *httpx2._decoders.SUPPORTED_DECODERS}
    assert unpacked - CODINGS == {"identity"}


def test_who_reads_piece_by_piece_may_lift_the_bound() -> None:
    async def scenario() -> int:
        async with (
            Server(plain(5000)) as server,
            httpx2.AsyncClient(verify=tls(), event_hooks=within(1000)) as client,
            client.stream("GET", server.url) as response,
        ):
            lift(response)
            return sum([len(piece) async for piece in response.aiter_bytes()])

    assert asyncio.run(scenario()) == 5000


def test_a_packed_stream_is_refused_even_if_its_bound_is_lifted() -> None:
    """130 kB of it could become lines whose reading stops all calls for half a minute."""

    async def scenario() -> None:
        async with (
            Server(packed(200)) as server,
            httpx2.AsyncClient(verify=tls(), event_hooks=within()) as client,
            client.stream("GET", server.url) as response,
        ):
            lift(response)
            with pytest.raises(TooLargeError, match="packed"):
                await response.aread()

    asyncio.run(scenario())


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_a_packed_refusal_that_cannot_become_large_is_understood(pack: Callable[[bytes], bytes]) -> None:
    """Some proxies pack whatever they are asked for; what the server wants instead was not learnt from it."""
    wanted = "'max_completion_tokens' is not supported with this model. Use 'max_tokens' instead."
    refusal = {"error": {"message": wanted, "param": "max_completion_tokens", "code": "unsupported_parameter"}}

    async def answer(exchange: Exchange) -> None:
        if "max_completion_tokens" in json.loads(exchange.body):
            coding = "gzip" if pack is gzip.compress else "deflate"
            await exchange.start(400, "application/json", {"content-encoding": coding})
            await exchange.send(pack(json.dumps(refusal).encode()))
        else:
            await exchange.start(200, "text/event-stream")
            last = json.dumps({"choices": [{"delta": {"content": "Yes."}, "finish_reason": "stop"}]})
            await exchange.send(f"data: {last}\n\ndata: [DONE]\n\n".encode())
        await exchange.finish()

    assert asyncio.run(reply_of(answer)) == "Yes."


def test_a_packed_answer_without_a_body_is_none_that_could_become_large() -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.start(200, "text/plain", {"content-encoding": "gzip"})
        await exchange.finish()

    assert asyncio.run(read(answer, 1000))[0] == b""


def test_a_refusal_that_was_not_read_still_tells_how_long_to_wait() -> None:
    error = TooLargeError("the answer has more than 10 bytes", 429, {"retry-after": "7"})
    assert too_large("it", error).retry_after == 7.0


HOSTILE = [endless, told, packed]
hostile = pytest.mark.parametrize("answer", HOSTILE)
"""Each is a server that wants to fill our memory."""


async def refused(server: Server, asked: Callable[[], Awaitable[object]]) -> ProviderError:
    """The error of what is `asked`; a server that has not ended its answer has been left."""
    with pytest.raises(ProviderError) as caught:
        await asked()
    if "packed" not in caught.value.problem:
        await server.until_cancelled()
    return caught.value


@hostile
@every
def test_the_refusal_of_a_model_is_bounded_and_keeps_its_status(
    kind: Interface, answer: Callable[[int], Answer]
) -> None:
    async def scenario() -> ProviderError:
        async with Server(answer(503)) as server:
            model = kind.model(kind.options(api_key="sk", url=f"{server.url}/v1"))

            async def reply() -> None:
                async for _ in model.reply([{"role": "user", "content": "Hi."}], []):
                    pass

            try:
                return await refused(server, reply)
            finally:
                await model.close()

    error = asyncio.run(scenario())
    assert error.problem.startswith("answered HTTP 503: the answer "), error
    assert "packed" in error.problem or "1048576 bytes" in error.problem
    assert error.temporary


@hostile
def test_a_whole_reply_of_a_model_is_bounded(answer: Callable[[int], Answer]) -> None:
    async def scenario() -> ProviderError:
        async with Server(answer(200)) as server:
            encoder = ServiceEncoder(f"{server.url}/v1", "sk", "any", 0)
            try:
                return await refused(server, lambda: encoder.passages(["Hi."], lambda _: None))
            finally:
                await encoder.close()

    error = asyncio.run(scenario())
    assert "packed" in error.problem or f"{encoders.MOST_BYTES} bytes" in error.problem


@hostile
def test_an_answer_that_opens_a_connection_is_bounded(answer: Callable[[int], Answer]) -> None:
    async def scenario() -> float:
        async with Server(answer(200)) as server:
            client = ModelClient(OpenAIOptions(api_key="sk", url=server.url))
            client.warm()
            assert client._warming
            await client._warming.done()
            try:
                return client._used
            finally:
                await client.close()

    assert asyncio.run(scenario()) == float("-inf"), "no connection stands"


@hostile
@pytest.mark.parametrize("name", ["openai", "elevenlabs"])
def test_the_refusal_of_a_voice_is_bounded_and_keeps_its_status(name: str, answer: Callable[[int], Answer]) -> None:
    async def scenario() -> ProviderError:
        async with Server(answer(503)) as server:
            voice: HttpTts | ElevenLabsHttpTts = ElevenLabsHttpTts(ElevenLabsOptions(api_key="sk", url=server.url))
            if name == "openai":
                voice = HttpTts(OpenAISpeech(OpenAITtsOptions(api_key="sk", url=server.url)))
            await voice.open()

            async def speak() -> None:
                async for _ in voice.speak("Hello."):
                    pass

            try:
                return await refused(server, speak)
            finally:
                await voice.close()

    error = asyncio.run(scenario())
    assert "answered HTTP 503: the answer " in error.problem
    assert error.temporary


def test_a_reply_may_be_larger_than_a_refusal() -> None:
    chunk = json.dumps({"choices": [{"delta": {"content": "", "padding": "x" * 500_000}}]}).encode()
    last = json.dumps({"choices": [{"delta": {"content": "Yes."}, "finish_reason": "stop"}]}).encode()

    async def answer(exchange: Exchange) -> None:
        await exchange.start(200, "text/event-stream")
        for data in (chunk, chunk, chunk, last, b"[DONE]"):
            await exchange.send(b"data: " + data + b"\n\n")
        await exchange.finish()

    assert asyncio.run(reply_of(answer)) == "Yes."
