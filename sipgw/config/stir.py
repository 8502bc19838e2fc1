"""Options of STIR/SHAKEN: the authorities that are trusted to vouch for callers, and the signature of our own calls."""

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
    """PEM file with the certificates of the trusted authorities; in the US this is the list of the STI-PA. With it the
    Identity headers of incoming calls are verified. Empty: they are not verified."""
    limit: float = field(default=2.0, metadata=FIXED)
    """Seconds that a verification may take while the call goes on; after them the number counts as not verified."""
    freshness: int = field(default=60, metadata=FIXED)
    """Seconds by which the time in a signature may differ from ours (RFC 8224 §6.2 says 60)."""
    key: str = ""
    """PEM file with the private key (EC P-256) that signs our outgoing calls; empty: they are not signed."""
    x5u: str = ""
    """Address ``https://…`` at which others find the certificate chain of `key`."""
    attest: Attestation = "A"
    """Our attestation. ``A``: we may use the caller ID; ``B``: we know who calls, but not whether they may use it;
    ``C``: neither."""

    def __post_init__(self) -> None:
        if bool(self.key) is not bool(self.x5u):
            raise RuleError("key and x5u go together: others verify by the certificate at x5u", "key", "x5u")
        if self.x5u and (reason := unusable(self.x5u)):
            raise RuleError(reason, "x5u")


LONGEST_URL = 2048
PORTS = (443, 8443)
"""Ports of certificate repositories (ATIS-1000074 §5.3.1). On other ports a URL of the caller could reach other
services."""


def unusable(url: str) -> str:
    """Why no certificate is fetched from `url`; empty if the gateway may fetch it."""
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
