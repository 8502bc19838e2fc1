"""Redaction by the provider itself, if it supports it and `[privacy] at_provider` is set."""

from collections.abc import Iterator, Sequence

from sipgw.config.config import AgentConfig
from sipgw.config.registry import provider


def left_in(config: AgentConfig, stt: Sequence[str], realtime: Sequence[str]) -> Iterator[str]:
    """Kinds of data that the chosen providers do not remove although `at_provider` is set; each in a sentence."""
    part = "realtime" if realtime else "stt"
    for record in (provider(part, name) for name in realtime or stt) if config.privacy.at_provider else ():
        options = config.table(record.section)
        left = [kind for kind in config.privacy.redact if kind not in record.redacts(options)]
        if left and not record.embedded and not getattr(options, "redact", ()):
            yield f"[privacy] at_provider: {record.name} does not take out {', '.join(left)}"


def at_providers(config: AgentConfig, stt: Sequence[str], realtime: Sequence[str]) -> AgentConfig:
    """`config` with the redaction options of the chosen providers; options in their own sections take precedence."""
    if not config.privacy.at_provider:
        return config
    changed = {}
    for record in (*(provider("stt", name) for name in stt), *(provider("realtime", name) for name in realtime)):
        options = config.table(record.section)
        words = record.redacts(options)
        if words and not getattr(options, "redact", ()):
            names = dict.fromkeys(words[kind] for kind in config.privacy.redact if kind in words)
            changed[record.section] = record.having(options, redact=tuple(names))
    return config.having(**changed)
