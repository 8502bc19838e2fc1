"""Connections to an OpenAI-compatible model: used again, opened in advance, given up when not at their end."""

import subprocess
import sys

import pytest

from agent.errors import ProviderError
from agent.llm import Text, Usage
from agent.meter import MeteredLlm
from agent.records import Used
from tests.agent.providers.replying import ASK, CHAT, KEY, RESPONSES, every
from tests.fakes.openai import Reply
from tests.waiting import HANG


async def reply(model) -> list:
    return [piece async for piece in model.reply(ASK, [])]


@every
def test_one_connection_does_for_a_reply_after_the_other(kind):
    async def scenario(model, fake):
        for _ in range(3):
            await reply(model)
        return fake.connections, len(fake.requests)

    assert kind.thinking(scenario, Reply(["It is on its way."])) == (1, 3)


@pytest.mark.parametrize("kind", [CHAT, RESPONSES], ids=["chat", "responses"])
def test_a_server_that_hangs_up_after_each_answer_is_asked_over_a_new_connection(kind):
    """llama.cpp does, and announces the contrary: a tool that is done at once asks before the end is noticed."""

    async def scenario(model, fake):
        return [await reply(model) for _ in range(3)], fake.connections, len(fake.requests)

    replies, connections, requests = kind.thinking(scenario, Reply(["Hi."], quirks=frozenset({"hangs_up"})))
    assert replies == [[Text("Hi."), Usage(11, 7)]] * 3
    assert (connections, requests) == (3, 3)


@every
def test_a_server_that_does_not_end_its_answer_costs_no_more_than_its_connection(kind):
    async def scenario(model, fake):
        return await reply(model), await reply(model), fake.connections

    replies = (Reply(["Hi."], stall_after=kind.whole), Reply(["Hi."]))
    first, second, connections = kind.thinking(scenario, *replies)
    assert first == second == [Text("Hi."), Usage(11, 7)]
    assert connections == 2, "one that is not at its end cannot be used again"


@every
def test_the_connection_that_was_opened_while_it_rang_carries_the_first_reply(kind):
    async def scenario(model, fake):
        model.warm()
        await model._client._warming.done()
        model.warm()
        await reply(model)
        model.warm()
        return fake.connections, [exchange.method for exchange in fake.exchanges], fake.exchanges[0].headers

    connections, methods, headers = kind.thinking(scenario, Reply(["Hi."]))
    assert (connections, methods) == (1, ["GET", "POST"])
    assert KEY not in str(headers)


@every
def test_a_server_that_is_not_there_is_nothing_to_the_one_who_warms(kind):
    async def scenario(model, fake):
        await fake.__aexit__()
        model.warm()
        await model._client._warming.done()
        with pytest.raises(ProviderError, match="connection failed"):
            await reply(model)
        await fake.__aenter__()

    kind.thinking(scenario)


async def cut(exchange) -> None:
    exchange.reset()


@every
@pytest.mark.faults("C1")
def test_only_a_request_that_finds_no_server_is_not_counted(kind):
    """One whose connection breaks before any answer may have been worked on."""
    told: list[Used] = []

    async def scenario(model, fake):
        metered, fake.respond = MeteredLlm(model, told.append), cut
        with pytest.raises(ProviderError, match="connection failed") as lost:
            await reply(metered)
        assert not lost.value.refused
        assert [one.unit for one in told] == ["tokens_in", "tokens_out"]
        await fake.__aexit__()
        with pytest.raises(ProviderError, match="connection failed") as away:
            await reply(metered)
        assert away.value.refused
        await fake.__aenter__()

    kind.thinking(scenario)
    assert len(told) == 2


@every
@pytest.mark.faults("C1")
def test_a_request_that_is_sent_again_counts_twice(kind):
    told: list[Used] = []

    async def scenario(model, fake):
        await reply(model)
        answered = fake.respond

        async def respond(exchange):
            fake.respond = answered
            await cut(exchange)

        fake.respond = respond
        assert Text("Hi.") in await reply(MeteredLlm(model, told.append))

    kind.thinking(scenario, Reply(["Hi."]))
    assert [one.unit for one in told] == ["tokens_in", "tokens_out"] * 2


FIRST_REPLY = """
import asyncio, sys
from tests.agent.providers.replying import {kind}, ASK
from tests.fakes.openai import Reply

async def scenario(model, fake):
    before = set(sys.modules)
    words = [piece async for piece in model.reply(ASK, [])]
    print(len(words), [name for name in set(sys.modules) - before if name.startswith("openai")])

{kind}.thinking(scenario, Reply(["Hi."]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["CHAT", "RESPONSES"])
def test_the_sdk_is_loaded_before_the_first_call_and_not_in_it(kind):
    program = [sys.executable, "-c", FIRST_REPLY.format(kind=kind)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=HANG, check=True)
    assert done.stdout == "2 []\n"
