"""Voices by HTTP have a connection, and all that they import, before the first sentence."""

import subprocess
import sys

import pytest

from tests.agent.providers.voicing import HTTP, KEY, OPENAI, POLLY, said, speaking
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

    speaking(kind, scenario, **{kind.address: "http://127.0.0.1:9"})


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["OPENAI", "POLLY", "HTTP"])
def test_nothing_is_imported_in_the_first_sentence(kind: str) -> None:
    program = [sys.executable, "-c", FIRST_SENTENCE.format(kind=kind)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=HANG, check=True)
    assert done.stdout == "[]\n"
