"""The ends of models that a configuration uses, by the records of their providers."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase

from agent.providers.provider import Model, Provider
from sipgw.agents.provider_choice import ProviderChoice
from sipgw.config.config import AgentConfig
from sipgw.config.registry import provider

AHEAD = 90
"""Days before the end of a model on which the warning begins."""


def today() -> date:
    """The present date, in UTC; tests replace it."""
    return datetime.now(UTC).date()


def known(record: Provider, name: str, key: str = "model") -> Model | None:
    """The entry for the model `name` of a provider; None if there is none."""
    fitting = (one for one in record.models if one.key == key and any(fnmatchcase(name, each) for each in one.names))
    return next(fitting, None)


def endings(config: AgentConfig, choice: ProviderChoice, on: date) -> list[str]:
    """A sentence on each model in use that ends within `AHEAD` days of the day `on`, or has ended."""
    found = []
    for record in _used(config, choice):
        options = config.table(record.section)
        for key in dict.fromkeys(one.key for one in record.models):
            name = getattr(options, key)
            one = known(record, name, key)
            if one is None or one.ends is None or (one.ends - on).days > AHEAD or record.elsewhere(options):
                continue
            place = "" if "[" in one.instead else f" in [{record.section}]"
            told = _end(one, one.ends, record.title, on)
            found.append(f"[{record.section}] {key} = {name!r} {told}: write {one.instead}{place}")
    return found


def _end(one: Model, ends: date, owner: str, on: date) -> str:
    days = (ends - on).days
    when = f"ends on {ends} at {owner}, in {days} days" if days > 0 else f"has ended on {ends} at {owner}"
    return f"{when} ({one.note})" if one.note else when


def _used(config: AgentConfig, choice: ProviderChoice) -> Iterator[Provider]:
    """All providers in use, backups included."""
    wanted: list[tuple[str, str]] = [(part, name) for part in choice.parts for name in getattr(choice, part)]
    if not choice.realtime:
        wanted += [("tts", one.tts) for one in config.languages if one.tts]
    yield from (provider(*pair) for pair in dict.fromkeys(wanted))
