"""Connections to an OpenAI-compatible model: used again, opened in advance, given up when not at their end."""

import asyncio

import pytest

from agent.errors import ProviderError
from agent.model import Text, Usage
from agent.providers.openai_chat import OpenAIModel
from agent.providers.openai_client import OpenAIOptions
from agent.providers.openai_responses import ResponsesModel
from tests.fakes.openai import FakeOpenAI, Reply
from tests.fakes.responses import FakeResponses

KEY = "sk-test-key"
ASK = [{"role": "user", "content": "Where is my order?"}]
both = pytest.mark.parametrize(("kind", "server"), [(OpenAIModel, FakeOpenAI), (ResponsesModel, FakeResponses)])


def thinking(kind, server, scenario, *replies: Reply):
    async def run():
        async with server(replies, key=KEY) as fake:
            model = kind(OpenAIOptions(api_key=KEY, base_url=fake.base_url))
            try:
                async with asyncio.timeout(10):
                    return await scenario(model, fake)
            finally:
                await model.close()

    return asyncio.run(run())


async def reply(model) -> list:
    return [piece async for piece in model.reply(ASK, [])]


@both
def test_one_connection_does_for_a_reply_after_the_other(kind, server):
    async def scenario(model, fake):
        for _ in range(3):
            await reply(model)
        return fake.connections, len(fake.requests)

    assert thinking(kind, server, scenario, Reply(["It is on its way."])) == (1, 3)


@pytest.mark.parametrize(
    ("kind", "server", "events"), [(OpenAIModel, FakeOpenAI, 5), (ResponsesModel, FakeResponses, 8)]
)
def test_a_server_that_does_not_end_its_answer_costs_no_more_than_its_connection(kind, server, events):
    async def scenario(model, fake):
        return await reply(model), await reply(model), fake.connections

    replies = (Reply(["Hi."], stall_after=events), Reply(["Hi."]))
    first, second, connections = thinking(kind, server, scenario, *replies)
    assert first == second == [Text("Hi."), Usage(11, 7)]
    assert connections == 2, "one that is not at its end cannot be used again"


@both
def test_the_connection_that_was_opened_while_it_rang_carries_the_first_reply(kind, server):
    async def scenario(model, fake):
        model.warm()
        await model._client._warming
        model.warm()
        await reply(model)
        model.warm()
        return fake.connections, [exchange.method for exchange in fake.exchanges], fake.exchanges[0].headers

    connections, methods, headers = thinking(kind, server, scenario, Reply(["Hi."]))
    assert (connections, methods) == (1, ["GET", "POST"])
    assert KEY not in str(headers)


@both
def test_a_server_that_is_not_there_is_nothing_to_the_one_who_warms(kind, server):
    async def scenario(model, fake):
        await fake.__aexit__()
        model.warm()
        await model._client._warming
        with pytest.raises(ProviderError, match="connection failed"):
            await reply(model)
        await fake.__aenter__()

    thinking(kind, server, scenario)
