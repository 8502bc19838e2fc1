"""A base URL may have a query, as Azure's do: the path goes in front of it, and all requests have it."""

import asyncio
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from agent.providers.assemblyai_speak import AssemblyAITtsOptions, AssemblyAITtsSession
from agent.providers.cartesia_ink import CartesiaOptions, InkSession
from agent.providers.cartesia_sonic import CartesiaTtsOptions, SonicSession
from agent.providers.elevenlabs import ElevenLabsOptions
from agent.providers.elevenlabs_http import ElevenLabsHttpTts
from agent.providers.elevenlabs_ws import ElevenLabsSession
from agent.providers.extra import below
from agent.providers.gemini_live import GeminiOptions, GeminiSession
from agent.providers.openai_listen import OpenAISttOptions, OpenAISttSession
from agent.providers.openai_realtime import OpenAIRealtimeOptions, OpenAIRealtimeSession
from agent.providers.openai_speak import OpenAISpeech, OpenAITtsOptions
from agent.realtime import Brief
from sipgw.agents.knowledge.encoders import ServiceEncoder
from tests.agent.providers.replying import ASK, Interface, every
from tests.fakes.elevenlabs_http import FakeElevenLabsHttp
from tests.fakes.http import Exchange, HttpServer
from tests.fakes.openai import Reply


@pytest.mark.parametrize(
    ("url", "made"),
    [
        ("https://host/v1", "https://host/v1/chat?a=1"), ("https://host/v1/", "https://host/v1/chat?a=1"),
        ("https://host/v1?b=%26", "https://host/v1/chat?b=%26&a=1"), ("https://host?a=2", "https://host/chat?a=1"),
        ("https://host/v1?b", "https://host/v1/chat?b=&a=1"),
    ],
)  # fmt: skip
def test_a_path_goes_in_front_of_the_query(url: str, made: str) -> None:
    assert below(url, "/chat", [("a", "1")]) == made


def test_a_url_without_a_query_stays_as_it_is() -> None:
    assert below("wss://host/v1/", "") == "wss://host/v1/"
    assert below("wss://host/v1/", "/chat") == "wss://host/v1/chat"


@every
def test_all_requests_of_a_model_have_the_query_of_its_url(kind: Interface) -> None:
    async def scenario(model: Any, fake: Any) -> list[dict[str, str]]:
        model = kind.model(kind.options(api_key=fake.key, url=f"{fake.base_url}?api-version=2026-10-01&x=a%20b"))
        try:
            model.warm()
            await model._client._warming.done()
            assert [piece async for piece in model.reply(ASK, [])]
        finally:
            await model.close()
        assert fake.exchanges[1].path == fake.path
        return [exchange.query for exchange in fake.exchanges]

    assert kind.thinking(scenario, Reply(["Hi."])) == [{"api-version": "2026-10-01", "x": "a b"}] * 2


def test_embeddings_are_asked_for_with_the_query_of_the_url() -> None:
    class Server(HttpServer):
        async def respond(self, exchange: Exchange) -> None:
            await exchange.answer(200, {"data": [{"index": 0, "embedding": [1.0, 0.0]}]})

    async def scenario() -> Exchange:
        async with Server() as server:
            encoder = ServiceEncoder(f"{server.url}/v1?api-version=1", "sk", "any", 0)
            try:
                await encoder.passages(["Hi."], lambda _: None)
            finally:
                await encoder.close()
            return server.exchanges[0]

    exchange = asyncio.run(scenario())
    assert (exchange.path, exchange.query) == ("/v1/embeddings", {"api-version": "1"})


def test_sentences_by_elevenlabs_sdk_are_asked_for_with_the_query_of_the_url() -> None:
    async def scenario() -> dict[str, str]:
        async with FakeElevenLabsHttp(key="sk") as fake:
            voice = ElevenLabsHttpTts(ElevenLabsOptions(api_key="sk", url=f"{fake.url}?region=eu"))
            await voice.open()
            try:
                assert [one async for one in voice.speak("Hello.")]
            finally:
                await voice.close()
            return fake.exchanges[-1].query

    assert asyncio.run(scenario())["region"] == "eu"


BRIEF = Brief("Be kind.")
SESSIONS = [
    (OpenAISttSession, OpenAISttOptions, ""),
    (lambda options: OpenAIRealtimeSession(options, BRIEF), OpenAIRealtimeOptions, ""),
    (OpenAISpeech, OpenAITtsOptions, "/audio/speech"),
    (AssemblyAITtsSession, AssemblyAITtsOptions, "/v1/ws"),
    (InkSession, CartesiaOptions, "/stt/turns/websocket"),
    (SonicSession, CartesiaTtsOptions, "/tts/websocket"),
    (ElevenLabsSession, ElevenLabsOptions, "/multi-stream-input"),
    (lambda options: GeminiSession(options, BRIEF), GeminiOptions, ""),
]


@pytest.mark.parametrize(("session", "options", "ends"), SESSIONS)
def test_sessions_keep_the_query_of_their_url(session: Any, options: Any, ends: str) -> None:
    usual = options(api_key="sk")
    given = options(api_key="sk", url=f"{usual.url}?api-version=1")
    more = ("Hi.",) if session is OpenAISpeech else ()
    plain, made = (urlsplit(session(one).request(*more)[0]) for one in (usual, given))
    assert (made.scheme, made.netloc, made.path) == (plain.scheme, plain.netloc, plain.path)
    assert parse_qs(made.query) == parse_qs(plain.query) | {"api-version": ["1"]}
    assert made.path.endswith(ends)
