"""Emergency numbers in front of the SIP stack: judges each URI that an INVITE or REFER is about to be sent with.

The rules of the gate judge numbers before a call is routed. This check sees what is left after routing, number formats,
redirections and transfers. So it judges also a call that no rule of the gate has judged.
"""

from collections.abc import Callable, Sequence

import structlog

from sipgw.config.emergency import emergency_number
from sipgw.config.gate import GateOptions
from sipgw.config.trunks import TrunkOptions
from sipgw.policy.gate.rules import NEVER_CALLED
from sipgw.sip.registrar import Registrar
from sipgw.sip.uri import Uri, is_address
from sipgw.trunks.trunks import Trunks

log = structlog.get_logger()


class EmergencyGuard:
    """Refuses targets that reach an emergency number in the country of their trunk, except phones registered here."""

    def __init__(self, trunks: Trunks, gates: Callable[[], Sequence[GateOptions]], registrar: Registrar) -> None:
        """`gates` gives the options of all gates, as they are now."""
        self._trunks = trunks
        self._gates = gates
        self._registrar = registrar

    def refusal(self, target: Uri, now: float) -> str:
        """Why `target` is not called; empty if it may be called. A phone that is registered at the time `now` may have
        any name."""
        written = target.user or (target.host if target.host.isdigit() else "")
        sent = written if target.scheme in ("sip", "sips", "tel") else str(target)
        trunks = self._trunks_of(target)
        # A call through the gate was judged by the extensions of its own agent before.
        as_dialled = bool(trunks) and all(one.number_format == "as_dialled" for one in trunks)
        extensions = {one for gate in self._gates() for one in gate.extensions} if as_dialled else ()
        found = emergency_number(sent, self._countries(trunks), extensions)
        if not found or self._registrar.seen_at(target, now) is not None:
            return ""
        log.warning("emergency number not called", number=found, host=target.host)
        return f"it reaches the emergency number {found}: {NEVER_CALLED}"

    def _trunks_of(self, target: Uri) -> list[TrunkOptions]:
        """The trunks that `target` belongs to."""
        known = [one for one in self._trunks.all if target.host.lower() in _hosts(one)]
        if not known and is_address(target.host) and (by_address := self._trunks.match(target.host)) is not None:
            known = [by_address]
        return known

    def _countries(self, known: Sequence[TrunkOptions]) -> set[str]:
        """The countries of these trunks; of all trunks if there are none."""
        found = {one.country for one in known or self._trunks.all} - {""}
        return found or {country for gate in self._gates() for country in gate.countries}


def _hosts(trunk: TrunkOptions) -> set[str]:
    uris = (trunk.domain_uri, trunk.registrar_uri, trunk.proxy_uri)
    return {uri.host.lower() for uri in uris if uri is not None}
