"""The parts of the gateway that pages use."""

from collections.abc import Mapping
from typing import Protocol

from sipgw.calls import browser_phone
from sipgw.calls.originator import OutboundGate
from sipgw.calls.registry import CallHandle
from sipgw.calls.request import OriginateRequest
from sipgw.calls.session import CallSession
from sipgw.cluster.calls import GatewayCalls
from sipgw.events import Event, Watchers
from sipgw.policy.cost.cost import Expenses
from sipgw.policy.inbound.admission import Admission
from sipgw.policy.inbound.limits import Declined
from sipgw.records.evidence import CallEvidence
from sipgw.records.store.store import Store
from sipgw.trunks.watch import TrunkStatus


class GatewayView(browser_phone.PhoneGateway, Protocol):
    """Interface of the gateway for pages; `sipgw.gateway.gateway.Gateway` and test gateways implement it."""

    watchers: Watchers[Event]
    admission: Admission

    evidence: CallEvidence

    @property
    def calls(self) -> Mapping[str, CallSession]:
        """The calls that are going on, by their identity."""

    @property
    def store(self) -> Store:
        """The database."""

    @property
    def expenses(self) -> Expenses:
        """The bills of all that is paid for, and the sum of the day."""

    def budget(self) -> Declined | None:
        """Why nothing more may be paid for today, or None."""

    @property
    def gate(self) -> OutboundGate:
        """Judges every call out."""

    @property
    def sip_port(self) -> int:
        """The port at which phones reach us."""

    def status(self) -> list[TrunkStatus]:
        """The state of each trunk."""

    async def everywhere(self) -> list[GatewayCalls]:
        """The calls of all gateways of the cluster, this one included. Raises `cluster.shared.Unreachable`."""

    def stop(self, call: str, cause: str) -> None:
        """End a call, also while it rings."""

    def originate(self, request: OriginateRequest) -> CallHandle:
        """Make a call. Raises `VariableError`, `NotDialled`."""
