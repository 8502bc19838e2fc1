"""Redaction by the provider itself, if it supports it and `[privacy] at_provider` is set."""

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
