"""The address of an agent's own server, and the call that is announced to it."""

import ipaddress
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.relay import messages

LOCAL = (".local", ".internal", ".localhost", ".lan", ".home.arpa")


@dataclass(frozen=True)
class RelayCall:
    """The server, and the call that is announced to it."""

    url: str = field(repr=False)
    call: Mapping[str, str] = field(default_factory=dict)
    """The fields of the message ``setup`` that tell whose call it is."""
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The ``customParameters`` of the message ``setup``."""
    key: str = field(default="", repr=False)
    """Signs the request for the websocket; empty: it is not signed."""

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the request for the websocket."""
        return {"X-Twilio-Signature": messages.signature(self.url, self.key)} if self.key else {}


def check_url(url: str) -> None:
    """Raises `ValueError` if `url` is no address of a websocket, or is neither encrypted nor local."""
    try:
        parts = urllib.parse.urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        parts, host = urllib.parse.urlsplit(""), ""
    if parts.scheme not in ("ws", "wss") or not host or parts.fragment:
        raise ValueError("it must be like wss://example.com/relay")
    if parts.scheme == "ws" and not is_local(host):
        raise ValueError("ws:// is allowed for a local host only; use wss://")


def is_local(host: str) -> bool:
    """Whether `host` is this machine or one of its own network, by its name or address."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(LOCAL)
    return address.is_loopback or address.is_private or address.is_link_local
