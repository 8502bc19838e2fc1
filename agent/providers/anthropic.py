"""Anthropic's Claude models, by the package of the vendor."""

from datetime import date

from agent.providers.anthropic_messages import SDK, AnthropicLlm, AnthropicOptions
from agent.providers.model_ends import ENDS
from agent.providers.provider import Model, Price, Provider, imported

_MILLION = 1_000_000
_PAGE = "platform.claude.com/docs/en/models/haiku-5-5/overview, a copy of October 2026; prompts up to 100,000 tokens"

LLM = Provider(
    "anthropic", "llm", AnthropicOptions, AnthropicLlm, title="Anthropic", variables={"ANTHROPIC_API_KEY": "api_key"},
    package="anthropic", install="sipgw[anthropic]", host="api.anthropic.com",
    prices=(
        Price("claude-haiku-5-5", "tokens_in", 0.10, _MILLION, date(2026, 10, 7),
              f"{_PAGE}; cached tokens cost a tenth, those that go to the cache a quarter more, which is not counted",
              estimate=False),
        Price("claude-haiku-5-5", "tokens_out", 0.50, _MILLION, date(2026, 10, 7), _PAGE, estimate=False),
    ),
    models=(
        Model(("claude-haiku-5-5",), note="it stays until 2027-10-07 at least", source=_PAGE),
        *ENDS["anthropic llm"],
    ),
    load=lambda _: imported(*SDK),
)  # fmt: skip
