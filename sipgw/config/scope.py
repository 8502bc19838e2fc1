"""Where an option may stand, and when a change of it takes effect."""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType


class Scope(Enum):
    """The tables of `AgentConfig` have the scope `AGENT`, all others `GATEWAY`, unless an option declares another."""

    AGENT = "agent"
    """In ``sipgw.toml`` or in an agent's file; SIGHUP changes it from the next call on."""
    LIVE = "live"
    """In ``sipgw.toml`` alone; SIGHUP changes it from the next call on."""
    GATEWAY = "gateway"
    """In ``sipgw.toml`` alone; only a restart changes it."""


LIVE: Mapping[str, Scope] = MappingProxyType({"scope": Scope.LIVE})
GATEWAY: Mapping[str, Scope] = MappingProxyType({"scope": Scope.GATEWAY})
"""Metadata of a field with the scope `GATEWAY`."""
