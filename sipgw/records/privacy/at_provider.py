"""Redaction by the provider itself, if it supports it and `[privacy] at_provider` is set."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from sipgw.config.config import AgentConfig
from sipgw.config.records import Kind

ASSEMBLYAI: dict[Kind, str] = {
    "cards": "credit_card_number",
    "ssn": "us_social_security_number",
    "iban": "banking_information",
    "phones": "phone_number",
    "emails": "email_address",
    "names": "person_name",
}
DEEPGRAM: dict[Kind, str] = {"cards": "pci", "ssn": "ssn"}
"""Nova."""
FLUX: dict[Kind, str] = {"cards": "numbers", "ssn": "numbers"}
"""Flux cannot distinguish kinds of numbers: it removes every number of several digits."""


def left_in(config: AgentConfig, stt: Iterable[str], realtime: Iterable[str]) -> Iterator[str]:
    """What the chosen providers do not take out although `at_provider` is set; each in a sentence."""
    known = {"assemblyai": ASSEMBLYAI, "deepgram": FLUX if config.deepgram.is_flux else DEEPGRAM}
    own = {"assemblyai": config.assemblyai.redact, "deepgram": config.deepgram.redact}
    for name in (realtime or (one for one in stt if one != "local")) if config.privacy.at_provider else ():
        table: Mapping[Kind, str] = {} if realtime else known.get(name, {})
        left = [kind for kind in config.privacy.redact if kind not in table]
        if left and (realtime or not own.get(name)):
            yield f"[privacy] at_provider: {name} does not take out {', '.join(left)}"


def at_providers(config: AgentConfig) -> AgentConfig:
    """`config` with the redaction options of its providers; options in their own sections take precedence."""
    if not config.privacy.at_provider:
        return config
    kinds, assemblyai, deepgram = config.privacy.redact, config.assemblyai, config.deepgram
    if not assemblyai.redact:
        names = tuple(ASSEMBLYAI[kind] for kind in kinds if kind in ASSEMBLYAI)
        assemblyai = replace(assemblyai, redact=names)
    if not deepgram.redact:
        known = FLUX if deepgram.is_flux else DEEPGRAM
        deepgram = replace(deepgram, redact=tuple(dict.fromkeys(known[kind] for kind in kinds if kind in known)))
    return replace(config, assemblyai=assemblyai, deepgram=deepgram)
