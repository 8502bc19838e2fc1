"""Voices by HTTP have a connection, and all that they import, before the first sentence."""

import asyncio
import subprocess
import sys

import pytest

from agent.providers import socket_tts
from agent.providers.assemblyai import AssemblyAITts
from agent.providers.assemblyai_speak import AssemblyAITtsOptions
from agent.providers.websocket import connect
from tests.agent.providers.voicing import HTTP, KEY, OPENAI, POLLY, said, speaking
from tests.fakes.assemblyai_tts import FakeAssemblyAITts
from tests.fakes.elevenlabs import sound_of
from tests.waiting import HANG

by_http = pytest.mark.parametrize("kind", [OPENAI, POLLY, HTTP], ids=lambda kind: kind.name)

FIRST_SENTENCE = """
import sys
from agent.providers import polly
from tests.agent.providers import voicing

async def scenario(voice, fake):
    await voice._warming.done()
    before = set(sys.modules)
    await voicing.said(voice, "Hello there.")
    print(sorted(set(sys.modules) - before))

polly.signing()
voicing.speaking(voicing.{kind}, scenario)
"""


@by_http
def test_the_first_sentence_finds_the_connection_that_was_opened_while_it_rang(kind) -> None:
    async def scenario(voice, fake):
        await voice._warming.done()
        return await said(voice, "Hello there."), fake.connections, fake.exchanges[0]

    sound, connections, first = speaking(kind, scenario)
    assert sound == kind.sound("Hello there.")
    assert connections == 1
    assert first.method == "GET"
    assert KEY not in str(first.headers)


@by_http
def test_a_server_that_is_not_there_is_told_by_the_sentence_alone(kind) -> None:
    async def scenario(voice, fake):
        await voice._warming.done()
        with pytest.raises(Exception, match="connection failed"):
            await said(voice, "Hello there.")

    speaking(kind, scenario, **{kind.address: "http://127.0.0.1:9"})  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["OPENAI", "POLLY", "HTTP"])
def test_nothing_is_imported_in_the_first_sentence(kind: str) -> None:
    program = [sys.executable, "-c", FIRST_SENTENCE.format(kind=kind)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=HANG, check=True)
    assert done.stdout == "[]\n"


class LateAssemblyAI(FakeAssemblyAITts):
    """Its first session begins only when it is released."""

    async def obey(self, session, start) -> None:
        if len(self.sessions) == 1:
            await self._released.wait()
        await super().obey(session, start)


def test_a_connection_given_up_before_it_began_is_closed_and_the_next_sentence_has_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connected = asyncio.Event()

    async def watched(*given):
        socket = await connect(*given)
        connected.set()
        return socket

    monkeypatch.setattr(socket_tts, "connect", watched)

    async def run():
        async with LateAssemblyAI(key=KEY) as fake, asyncio.timeout(HANG):
            voice = AssemblyAITts(AssemblyAITtsOptions(api_key=KEY, url=fake.url))
            async with asyncio.TaskGroup() as group:
                opening = group.create_task(voice.open())
                await connected.wait()
                opening.cancel()
            assert opening.cancelled()
            await fake.sessions[0].connection.wait_closed()
            fake.release()
            sound = await said(voice, "Hello there.")
            await voice.close()
            return sound, [len(one.messages) > 0 for one in fake.sessions]

    sound, used = asyncio.run(run())
    assert sound == sound_of("Hello there.")
    assert used == [False, True]
