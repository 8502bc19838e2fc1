"""How the tests of speech to speech talk: an open session, read all the time."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from agent.errors import ProviderError
from agent.providers.gemini_live import GeminiOptions, GeminiSession
from agent.providers.openai_live import OpenAILiveOptions, OpenAILiveSession
from agent.providers.openai_realtime import OpenAIRealtimeOptions, OpenAIRealtimeSession
from agent.providers.socket_realtime import SocketRealtime
from agent.providers.voice_agent_session import VoiceAgentOptions, VoiceAgentSession
from agent.providers.xai_realtime import XaiOptions, XaiSession
from agent.realtime import Brief, ReplyAudio, ReplyWords
from tests.agent.providers import listening
from tests.fakes.assemblyai import Said
from tests.fakes.gemini_live import FakeGemini
from tests.fakes.openai_live import FakeLive
from tests.fakes.openai_realtime import FakeOpenAIRealtime
from tests.fakes.realtime_server import Say
from tests.fakes.voice_agent import FakeVoiceAgent
from tests.fakes.xai_realtime import FakeXai

KEY = "realtime model-key"
TOOLS = [{"type": "function", "function": {"name": "lookup", "description": "x", "parameters": {"type": "object"}}}]
BRIEF = Brief("Be brief.", tools=TOOLS)
ORDER = Said("Where is my order?", 500, 2000)
ANSWER = Say("It is on its way.")


@dataclass(frozen=True)
class Kind:
    name: str
    fake: Callable[..., Any]
    session: Callable[..., Any]
    options: Callable[..., Any]
    fatal: str
    """An error code that ends a session for good."""

    def realtime(self, options: Any, brief: Brief) -> SocketRealtime:
        return SocketRealtime(self.session(options, brief))


OPENAI_REALTIME = Kind(
    "realtime", FakeOpenAIRealtime, OpenAIRealtimeSession, OpenAIRealtimeOptions, "insufficient_quota"
)
AGENT = Kind("voice agent", FakeVoiceAgent, VoiceAgentSession, VoiceAgentOptions, "unauthorized")
XAI = Kind("xai", FakeXai, XaiSession, XaiOptions, "insufficient_quota")
GEMINI = Kind("gemini", FakeGemini, GeminiSession, GeminiOptions, "refused")
LIVE = Kind("live", FakeLive, OpenAILiveSession, OpenAILiveOptions, "insufficient_quota")
every = pytest.mark.parametrize("kind", [OPENAI_REALTIME, AGENT, XAI], ids=lambda kind: kind.name)


class Reader(listening.Reader):
    """Reads the events all the time."""

    async def until(self, kind: type) -> list:
        """All events up to the first of `kind`."""
        events = [await self.next()]
        while not isinstance(events[-1], kind):
            events.append(await self.next())
        return events


def talking(kind: Kind, fake, scenario, brief: Brief = BRIEF, **more):
    """Run `scenario(realtime, reader)` on an open session."""

    async def run():
        async with fake:
            realtime = kind.realtime(kind.options(**{"api_key": KEY, "url": fake.url, **more}), brief)
            await realtime.open()
            reader = Reader(realtime)
            async with asyncio.TaskGroup() as group:
                reading = group.create_task(reader.run())
                try:
                    return await scenario(realtime, reader)
                finally:
                    await realtime.close()
                    await realtime.close()
                    await reading

    return asyncio.run(run())


def refusal(kind: Kind, fake, **more) -> ProviderError:
    async def run():
        async with fake:
            realtime = kind.realtime(kind.options(**{"api_key": KEY, "url": fake.url, **more}), BRIEF)
            with pytest.raises(ProviderError) as caught:
                await realtime.open()
            await realtime.close()
            return caught.value

    error = asyncio.run(run())
    assert KEY not in f"{error} {error!r}"
    return error


def spoken(events: list) -> bytes:
    return b"".join(event.ulaw for event in events if isinstance(event, ReplyAudio))


def words(events: list) -> str:
    return "".join(event.text for event in events if isinstance(event, ReplyWords)).strip()
