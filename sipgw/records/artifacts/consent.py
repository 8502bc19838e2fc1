"""Consent to recordings: who must be asked, and how the caller says yes."""

from collections.abc import Mapping
from typing import Any, Literal

import phonenumbers

from agent.tools import Tool, tool
from sipgw.config.records import RecordingOptions
from sipgw.config.stock import MAY_BE_RECORDED, RECORDED
from sipgw.records.artifacts.recordings import CallRecording, Consent
from sipgw.sip.identity import Identity

_GDPR = "AT BE BG CY CZ DE DK EE ES FI FR GB GR HR HU IE IS IT LI LT LU LV MT NL NO PL PT RO SE SI SK"
_OTHERS = "AE AU BR CA CH IL IN JP KR MX PH SG TR ZA"
ALL_PARTIES = frozenset(f"{_GDPR} {_OTHERS}".split())
"""Countries where all parties must know of a recording, or where this is the safe reading of the law. This is no legal
advice."""
US_STATES = frozenset(("California", "Connecticut", "Delaware", "Florida", "Illinois", "Maryland", "Massachusetts",
    "Michigan", "Montana", "Nevada", "New Hampshire", "Oregon", "Pennsylvania", "Washington State"))  # fmt: skip
"""States, named as in the geocoder of `phonenumbers`. A number shows where it was issued, not where its owner is."""


def wanted(options: RecordingOptions, other: Identity, *, outbound: bool = False) -> Consent:
    """The form of consent for this call; it holds for every kind of kept sound.

    ``country`` becomes ``announce`` or ``off`` by the other side's number.
    """
    if options.consent != "country":
        return options.consent
    number = other.dialled if outbound else other.number
    return "announce" if other.withheld or must_know(number) else "off"


def must_know(number: str) -> bool:
    """Whether the law of the place of `number` requires that all parties know; True if unknown."""
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return True
    region = phonenumbers.region_code_for_number(parsed)
    if region is None or region in ALL_PARTIES:
        return True
    if region != "US":
        return False
    from phonenumbers import geocoder  # 10 MB of places, for American numbers alone

    place = geocoder.description_for_valid_number(parsed, "en").rpartition(", ")[2]
    return place in US_STATES or place in _CODES or not place or place == "United States"


_CODES = frozenset(("CA", "CT", "DE", "FL", "IL", "MD", "MA", "MI", "MT", "NV", "NH", "OR", "PA", "WA"))


def notice_of(options: RecordingOptions, consent: Consent, notice: str, language: str) -> str:
    """The sentence before the greeting; `language` (ISO 639-1) is that of the agent."""
    sentence: Mapping[Literal["announce", "key"], str] = {
        "announce": options.announcement or RECORDED[language],
        "key": options.question or MAY_BE_RECORDED[language],
    }
    return f"{sentence[consent]} {notice}".strip() if consent in ("announce", "key") else notice


def recording_tools(call_recording: CallRecording) -> list[Tool]:
    """Tools with which the agent pauses the recording, captures and bundles for a while."""

    @tool(timeout=2.0)
    async def pause_recording() -> dict[str, Any]:
        """Stop recording, before the caller tells a card number or asks not to be recorded for a while."""
        call_recording.pause()
        return {"recording": "paused"}

    @tool(timeout=2.0)
    async def resume_recording() -> dict[str, Any]:
        """Record again, as soon as what must not be recorded has been said."""
        call_recording.resume()
        return {"recording": "on"}

    return [pause_recording, resume_recording]
