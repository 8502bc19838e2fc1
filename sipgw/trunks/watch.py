"""Registers trunks, and probes them by OPTIONS."""

import asyncio
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import structlog

from sipgw.cluster.leases import Leases
from sipgw.config.trunks import TrunkOptions
from sipgw.sip.boundaries import bounded
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.probe import Probe, ProbeOptions, Reach
from sipgw.sip.registration import Registration, RegistrationOptions, RegistrationState
from sipgw.sip.uri import Uri
from sipgw.trunks.call_alarms import BadCalls
from sipgw.trunks.instance_id import instance_id
from sipgw.trunks.trunks import Trunks

log = structlog.get_logger()

ELSEWHERE = "elsewhere"
"""The registration of a trunk that another gateway of the cluster registers."""


@dataclass(frozen=True)
class TrunkStatus:
    """The present state of a trunk."""

    name: str
    registration: str
    """``trying``, ``registered``, ``failed``, ``closed`` or ``elsewhere`` (another gateway of the cluster does it);
    empty where nothing is registered."""
    registration_reason: str
    health: str
    """``up``, ``down`` or ``unknown``: what OPTIONS found."""
    health_reason: str
    calls: int
    sound: tuple[BadCalls, ...] = ()
    """How many of the latest calls of the trunk had a fault, by fault; empty before the first call."""


class TrunkWatch:
    """Registers and probes the trunks. In a cluster it registers those of which it has the lease."""

    def __init__(
        self,
        trunks: Trunks,
        calls: Mapping[str, int],
        instance: Path,
        leases: Leases | None = None,
        sound: Callable[[str], tuple[BadCalls, ...]] = lambda trunk: (),
    ) -> None:
        """`calls` is the number of calls on each trunk, by its name; `instance` is the file of our instance id; `sound`
        is `CallAlarms.of`."""
        self.registrations: dict[str, Registration] = {}
        self._trunks = trunks
        self._calls = calls
        self._instance_file = instance
        self._leases = leases
        self._sound = sound
        self._probes: dict[str, Probe] = {}

    def start(self, endpoint: Endpoint, group: asyncio.TaskGroup) -> None:
        """Begin to register and probe the trunks; this goes on as long as `endpoint` is open."""
        for trunk in self._trunks.all:
            if trunk.registrar_uri is not None:
                there = trunk.proxy_uri or trunk.registrar_uri
                self._let_in(trunk, endpoint, group, there)
                self._lease(endpoint, group, trunk, trunk.registrar_uri)
            if trunk.options_every and trunk.domain_uri is not None:
                self._probe(endpoint, trunk, trunk.domain_uri)

    def stop(self, endpoint: Endpoint) -> None:
        """Remove all registrations, so that no more calls come here and other gateways can register."""
        if self._leases is not None:
            self._leases.give_up()
        endpoint.unregister()

    def status(self) -> list[TrunkStatus]:
        """The present state of each trunk."""
        found = []
        for trunk in self._trunks.all:
            registration, probe = self.registrations.get(trunk.name), self._probes.get(trunk.name)
            state, reason = (registration.state.value, registration.reason) if registration else ("", "")
            if registration is None and trunk.registrar_uri is not None:
                state, reason = ELSEWHERE, "another gateway registers it"
            reach = (probe.reach, probe.reason) if probe else (Reach.UNKNOWN, "")
            calls = self._calls.get(trunk.name, 0)
            sound = self._sound(trunk.name)
            found.append(TrunkStatus(trunk.name, state, reason, reach[0].value, reach[1], calls, sound))
        return found

    def reachable(self, trunk: str) -> bool:
        """Whether `trunk` can take outgoing calls, by the last known state."""
        registration, probe = self.registrations.get(trunk), self._probes.get(trunk)
        down = probe is not None and probe.reach is Reach.DOWN
        return not down and (registration is None or registration.state is not RegistrationState.FAILED)

    def _probe(self, endpoint: Endpoint, trunk: TrunkOptions, target: Uri) -> None:
        probe = endpoint.probe(ProbeOptions(target, trunk.proxy_uri, trunk.options_every))
        self._probes[trunk.name] = probe

        def changed() -> None:
            log.info("trunk health", trunk=trunk.name, state=probe.reach.value, reason=probe.reason)

        def returned(now: float) -> None:
            # A restarted PBX may have lost our registration, and would send no calls here until the next renewal.
            if (registration := self.registrations.get(trunk.name)) is not None:
                registration.forgotten(now)

        probe.changed, probe.returned = changed, returned

    @cached_property
    def instance(self) -> uuid.UUID:
        """The UUID of this gateway."""
        return instance_id(self._instance_file)

    def _lease(self, endpoint: Endpoint, group: asyncio.TaskGroup, trunk: TrunkOptions, registrar: Uri) -> None:
        if self._leases is None:
            self._register(endpoint, group, trunk, registrar)
            return

        def changed(ours: bool) -> None:
            if ours:
                self._register(endpoint, group, trunk, registrar)
            else:
                endpoint.unregister(self.registrations.pop(trunk.name))

        self._leases.want(trunk.name, changed)

    def _register(self, endpoint: Endpoint, group: asyncio.TaskGroup, trunk: TrunkOptions, registrar: Uri) -> None:
        # The same after a restart (RFC 5626 §4.1), but another for each carrier, so that carriers cannot compare them.
        instance = uuid.uuid5(self.instance, f"{trunk.name}.{endpoint.port}").urn
        options = RegistrationOptions(
            registrar, trunk.user, trunk.credentials, trunk.proxy_uri, int(trunk.expires), instance
        )
        registration = self.registrations[trunk.name] = endpoint.register(options)

        def changed() -> None:
            log.info("registration", trunk=trunk.name, state=registration.state.value, reason=registration.reason)
            if registration.state is RegistrationState.REGISTERED:  # the registrar's name may lead elsewhere by now
                self._let_in(trunk, endpoint, group, trunk.proxy_uri or registrar)

        registration.changed = changed

    def _let_in(self, trunk: TrunkOptions, endpoint: Endpoint, group: asyncio.TaskGroup, registrar: Uri) -> None:
        """Admit calls from the addresses of a registrar, once they are found."""

        async def found() -> None:
            hosts = [peer.host for peer in await endpoint.locate(registrar)]
            self._trunks.found(trunk, hosts, asyncio.get_running_loop().time())

        group.create_task(bounded(found(), None, "calls from the registrar not admitted"))
