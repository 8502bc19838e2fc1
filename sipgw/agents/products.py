"""Paid products: provider and model of each part of a conversation, as the price table names them."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from agent.providers.provider import Unit
from sipgw.config.config import AgentConfig, GatewayConfig
from sipgw.config.cost import Part
from sipgw.config.registry import provider
from sipgw.policy.cost.prices import FREE, PriceTable, bound, free

Product = tuple[Part, str, tuple[Unit, ...]]
"""A part, the name under which it is paid for, and the units that are charged."""
UNITS: dict[Part, tuple[Unit, ...]] = {
    "stt": ("seconds",),
    "llm": ("tokens_in", "tokens_out"),
    "tts": ("characters",),
    "realtime": ("seconds",),
}
"""The units in which each part is charged."""


def product(config: AgentConfig, part: str, name: str) -> str:
    """The product behind a provider of the configuration, as ``"openai/gpt-4.1-mini"``; ``local`` is free."""
    record = provider(part, name)
    return record.product(config.table(record.section))


def charged(config: AgentConfig, part: Part, name: str) -> Iterator[Product]:
    """Products that are paid for when a provider of the configuration is used."""
    record = provider(part, name)
    options = config.table(record.section)
    yield part, record.product(options), (*UNITS[part], *record.units)
    yield from ((part, further, units) for further, units in record.further(options).items())


def prices_of(config: GatewayConfig) -> PriceTable:
    """The prices that hold for a gateway."""
    return PriceTable((*config.prices, *free(trunk.name for trunk in config.trunks)))


def unpriced(config: GatewayConfig, agents: Mapping[str, tuple[AgentConfig, Iterable[Product]]]) -> list[str]:
    """Products without a price although money caps are set, one sentence for each; empty without caps.

    `agents` are their configurations and the products that they use.
    """
    table, now, found = prices_of(config), datetime.now(UTC), dict[str, None]()
    capped = {name: one for name, one in agents.items() if config.limits.money_per_day or one[0].cost.per_call}
    for part, name, units in (one for _, used in capped.values() for one in used):
        for unit in units:
            if name != FREE and not table.knows(part, name, unit, now):
                found[_told(part, name, unit)] = None
    for trunk in config.trunks if capped else ():
        for direction in ("in", "out") if trunk.domain_uri is not None else ("in",):
            if not table.knows("trunk", trunk.name, "seconds", now, direction):
                found[_told("trunk", trunk.name, "seconds", f", calls {direction},")] = None
    return list(found)


def _told(part: Part, name: str, unit: Unit, of: str = "") -> str:
    most = bound(part, unit)
    return (
        f"no price of {part} {name}{of} for {unit}: caps count {most.price:g} for {most.per:g} of them; "
        "give it one in [[prices]]"
    )
