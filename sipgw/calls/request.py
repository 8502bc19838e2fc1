"""The request for an outgoing call."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sipgw.config.gate import Purpose
from sipgw.config.tenants import TenantOptions
from sipgw.trunks.route_selector import NotDialled

NO_NUMBERS = "you have no number to call from: ask who runs the gateway for one ([[tenants]] numbers)"
RING_TIMEOUT = 45.0
"""Longest ringing in seconds; voice mail answers earlier almost everywhere."""


@dataclass(frozen=True)
class OriginateRequest:
    """The number to call, and the options of the call."""

    number: str
    agent: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Values for the ``{{name}}`` in the agent's texts."""
    trunk: str = ""
    """The only trunk to be tried; empty: all, in the order of the configuration."""
    caller_id: str = ""
    """The caller ID, if it is one of the trunk's numbers."""
    purpose: Purpose = "call"
    """Purpose of the call; the gate has rules for each."""
    consent: bool = False
    """Whether the person has asked to be called, as far as is known; the gate uses it."""
    ring_timeout: float = RING_TIMEOUT
    campaign: str = ""
    """The campaign that the call is a part of, for the gate."""
    call: str = ""
    """The identity of the call; empty: a new one."""
    tenant: str = ""
    """Tenant for whom the call is made; empty: the installation itself."""


def for_tenant(request: OriginateRequest, tenant: TenantOptions) -> OriginateRequest:
    """The call as `tenant` may make it: with one of its agents and one of its numbers. Raises `NotDialled`."""
    numbers = tenant.numbers
    if request.agent not in tenant.agents:
        raise NotDialled.own(f"there is no agent {request.agent!r}")
    if not numbers:
        raise NotDialled.own(NO_NUMBERS)
    if request.caller_id and request.caller_id not in numbers:
        raise NotDialled.own("this is none of your numbers ([[tenants]] numbers)")
    if request.trunk:
        raise NotDialled.own("the trunk is chosen by the installation")
    return replace(request, caller_id=request.caller_id or numbers[0], tenant=tenant.name)
