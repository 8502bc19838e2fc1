"""Paid products: provider and model of each part of a conversation, as the price table names them."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from sipgw.config.config import AgentConfig, GatewayConfig
from sipgw.config.cost import Part, Unit
from sipgw.policy.cost.prices import PriceTable, bound, free

Product = tuple[Part, str]
UNITS: dict[Part, tuple[Unit, ...]] = {
    "stt": ("seconds",),
    "llm": ("tokens_in", "tokens_out"),
    "tts": ("characters",),
    "realtime": ("seconds",),
}
"""In what each part is charged."""
TOKENS: tuple[Unit, ...] = ("tokens_in", "tokens_out", "audio_tokens_in", "audio_tokens_out")
"""In what speech to speech of OpenAI is, too."""


def product(config: AgentConfig, part: str, name: str) -> str:
    """The product behind a provider of the configuration, as ``"openai/gpt-4.1-mini"``; ``local`` is free."""
    models = {
        ("realtime", "assemblyai"): config.assemblyai_agent.model,
        ("realtime", "openai"): config.openai_realtime.model,
        ("stt", "assemblyai"): config.assemblyai.model,
        ("stt", "deepgram"): config.deepgram.model,
        ("stt", "cartesia"): config.cartesia.model,
        ("llm", "openai"): config.openai.model,
        ("llm", "openai_backup"): config.openai_backup.model,
        ("tts", "assemblyai"): config.assemblyai_tts.model,
        ("tts", "cartesia"): config.cartesia_tts.model,
        ("tts", "deepgram"): config.deepgram_tts.model,
        ("tts", "elevenlabs"): config.elevenlabs.model,
        ("tts", "openai"): config.openai_tts.model,
        ("tts", "polly"): config.polly.model,
    }
    model = models.get((part, name), "")
    return f"{name.removesuffix('_backup')}/{model}" if model else name


def prices_of(config: GatewayConfig) -> PriceTable:
    """The prices that hold for a gateway."""
    return PriceTable((*config.prices, *free(trunk.name for trunk in config.trunks)))


def unpriced(config: GatewayConfig, agents: Mapping[str, tuple[AgentConfig, Iterable[Product]]]) -> list[str]:
    """Products without a price although money caps are set, one sentence for each; empty without caps.

    `agents` are their configurations and the products that they use.
    """
    table, now, found = prices_of(config), datetime.now(UTC), dict[str, None]()
    capped = {name: one for name, one in agents.items() if config.limits.money_per_day or one[0].cost.per_call}
    for part, name, unit in ((*one, unit) for _, used in capped.values() for one in used for unit in _units(*one)):
        if name != "local" and not table.knows(part, name, unit, now):
            found[_told(part, name, unit)] = None
    for trunk in config.trunks if capped else ():
        for direction in ("in", "out") if trunk.domain_uri is not None else ("in",):
            if not table.knows("trunk", trunk.name, "seconds", now, direction):
                found[_told("trunk", trunk.name, "seconds", f", calls {direction},")] = None
    return list(found)


def _units(part: Part, name: str) -> tuple[Unit, ...]:
    return (*UNITS[part], *TOKENS) if part == "realtime" and name.startswith("openai/") else UNITS[part]


def _told(part: Part, name: str, unit: Unit, of: str = "") -> str:
    most = bound(part, unit)
    return (
        f"no price of {part} {name}{of} for {unit}: caps count {most.price:g} for {most.per:g} of them; "
        "give it one in [[prices]]"
    )
