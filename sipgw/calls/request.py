"""The request for an outgoing call."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sipgw.config.gate import Purpose

RING_TIMEOUT = 45.0
"""Longest ringing in seconds; voice mail answers earlier almost everywhere."""


@dataclass(frozen=True)
class OriginateRequest:
    """The number to call, and the options of the call."""

    number: str
    agent: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    """For the agent's ``{{name}}``."""
    trunk: str = ""
    """The only trunk to be tried; empty: all, in the order of the configuration."""
    caller_id: str = ""
    """The caller ID, if it is one of the trunk's numbers."""
    purpose: Purpose = "call"
    """For the gate."""
    consent: bool = False
    """Whether the person is known to have asked to be called, for the gate."""
    ring_timeout: float = RING_TIMEOUT
    campaign: str = ""
    """The campaign that the call is a part of, for the gate."""
    call: str = ""
    """The identity of the call; empty: a new one."""
