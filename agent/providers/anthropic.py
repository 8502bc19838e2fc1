"""Anthropic's Claude models, by the package of the vendor.

The dates on which models end are those of the package (2.12.0, ``anthropic/resources/messages/messages.py``).
"""

from datetime import date

from agent.providers.anthropic_messages import SDK, AnthropicLlm, AnthropicOptions
from agent.providers.provider import Model, Price, Provider, imported

_MILLION = 1_000_000
_PAGE = "platform.claude.com/docs/en/models/haiku-5-5/overview, a copy of October 2026; prompts up to 100,000 tokens"
_ENDS = "anthropic/resources/messages/messages.py"
_NEW = 'model = "claude-haiku-5-5"'

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
        Model(("claude-sonnet-4-5", "claude-sonnet-4-5-20250929"), date(2026, 11, 30), _NEW, source=_ENDS),
        Model(("claude-mythos-preview",), date(2026, 6, 30), _NEW, source=_ENDS),
        Model(
            ("claude-opus-4-0", "claude-opus-4-20250514", "claude-sonnet-4-0", "claude-sonnet-4-20250514"),
            date(2026, 6, 15), _NEW, source=_ENDS,
        ),
        Model(
            (
                *("claude-3-7-sonnet-latest", "claude-3-7-sonnet-20250219"),
                *("claude-3-5-haiku-latest", "claude-3-5-haiku-20241022"),
            ),
            date(2026, 2, 19), _NEW, source=_ENDS,
        ),
    ),
    load=lambda _: imported(*SDK),
)  # fmt: skip
