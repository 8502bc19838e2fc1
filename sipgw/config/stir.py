"""Options of STIR/SHAKEN: who is believed to vouch for callers, and how our own calls are signed."""

from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from agent.providers.extra import FIXED
from agent.rules.rule_error import RuleError

Attestation = Literal["A", "B", "C"]


@dataclass(frozen=True)
class StirOptions:
    """Signed caller numbers (RFC 8224, RFC 8588)."""

    roots: str = ""
    """PEM file with the certificates of the authorities that are believed, in the US the list of the STI-PA; with it
    the Identity headers of calls that come in are verified. Empty: they are not."""
    limit: float = field(default=2.0, metadata=FIXED)
    """Seconds that a verification may take beside the call; then the number counts as not verified."""
    freshness: int = field(default=60, metadata=FIXED)
    """Seconds by which the time in a signature may differ from ours (RFC 8224 §6.2 says 60)."""
    key: str = ""
    """PEM file with the private key (EC P-256) that signs our calls out; empty: they are not signed."""
    x5u: str = ""
    """``https://…`` where others find the certificate chain of `key`."""
    attest: Attestation = "A"
    """Our attestation: ``A``, the caller ID is ours to use; ``B``, we know who calls; ``C``, neither."""

    def __post_init__(self) -> None:
        if bool(self.key) is not bool(self.x5u):
            raise RuleError("key and x5u go together: others verify by the certificate at x5u", "key", "x5u")
        if self.x5u and (reason := unusable(self.x5u)):
            raise RuleError(reason, "x5u")


LONGEST_URL = 2048
PORTS = (443, 8443)
"""Ports of repositories of certificates (ATIS-1000074 §5.3.1); others may be services that are not meant for us."""


def unusable(url: str) -> str:
    """Why no certificate is fetched from `url`; empty if it may be."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 443
    except ValueError:
        return "it is no URL"
    if parts.scheme != "https" or not host:
        return "it must begin with https:// and a host"
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        return "it is too long, or has characters that URLs do not have"
    if parts.username is not None or parts.fragment:
        return "it has a user or a fragment"
    return "" if port in PORTS else f"its port must be {PORTS[0]} or {PORTS[1]}"
