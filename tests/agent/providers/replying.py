"""How the tests of the models ask: by chat completions, Responses and Anthropic's Messages, each with its server."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from agent.errors import ProviderError
from agent.providers.anthropic_messages import AnthropicLlm, AnthropicOptions
from agent.providers.openai_chat import OpenAILlm
from agent.providers.openai_client import OpenAIOptions
from agent.providers.openai_responses import ResponsesLlm
from tests.fakes.anthropic import FakeAnthropic
from tests.fakes.openai import FakeOpenAI, Reply
from tests.fakes.responses import FakeResponses
from tests.waiting import HANG

KEY = "sk-test-key"
ASK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where is my order?"}]
TOOLS = [
    {"type": "function", "function": {"name": name, "description": "x", "parameters": {"type": "object"}}}
    for name in ("lookup", "call_back")
]
CALLS = (("call_a", "lookup", '{"order": "7346", "who": "Łódź 🐢"}'), ("call_b", "call_back", '{"when": "tomorrow"}'))


@dataclass(frozen=True)
class Interface:
    """One of them."""

    model: Callable[[Any], Any]
    server: Callable[..., Any]
    wordless: int
    """Events that the server sends before the first words."""
    begun: int
    """Events until the first words have come."""
    whole: int
    """Events of a reply of one word, but for the end of the answer itself."""
    spent: str
    """Why a reply ends at its limit of tokens."""
    options: Callable[..., Any] = OpenAIOptions

    def thinking(
        self, scenario: Callable[[Any, Any], Awaitable[Any]], *replies: Reply, key: str = KEY, **more: Any
    ) -> Any:
        """Run `scenario(model, fake)`."""

        async def run() -> Any:
            async with self.server(replies, key=key) as fake:
                model = self.model(self.options(**{"api_key": KEY, "url": fake.base_url, **more}))
                try:
                    async with asyncio.timeout(HANG):
                        return await scenario(model, fake)
                finally:
                    await model.close()

        return asyncio.run(run())

    def pieces(self, *replies: Reply, **more: Any) -> list[Any]:
        """The reply to `ASK`."""

        async def scenario(model: Any, _fake: Any) -> list[Any]:
            return [piece async for piece in model.reply(ASK, TOOLS)]

        found: list[Any] = self.thinking(scenario, *replies, **more)
        return found

    def failure(self, *replies: Reply, **more: Any) -> ProviderError:
        """Why there was none; the key is not in it."""
        with pytest.raises(ProviderError) as caught:
            self.pieces(*replies, **more)
        assert KEY not in f"{caught.value} {caught.value!r} {caught.value.__cause__}"
        return caught.value


CHAT = Interface(OpenAILlm, FakeOpenAI, 1, 2, 5, "length")
RESPONSES = Interface(ResponsesLlm, FakeResponses, 3, 5, 8, "max_output_tokens")
MESSAGES = Interface(AnthropicLlm, FakeAnthropic, 3, 4, 7, "max_tokens", AnthropicOptions)
every = pytest.mark.parametrize("kind", [CHAT, RESPONSES, MESSAGES], ids=["chat", "responses", "messages"])
