"""Where a call may be sent: to a person, by us; to whomever a PBX names, by the PBX. And the calls made for that."""

import contextlib
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from secrets import token_bytes

import structlog

from media.channel import Channel, MediaDown, PortsExhausted
from media.engine import MediaEngine
from sipgw.sip.dialog import Peer
from sipgw.sip.endpoint import CallFailed, Endpoint
from sipgw.sip.leg import Ended, Leg, Referred, ReferRequested
from sipgw.sip.offer_answer import LocalMedia, NotAcceptable, accept_answer, make_offer
from sipgw.sip.sdes import SECRET
from sipgw.sip.uri import Uri
from sipgw.trunks import TrunkOptions

log = structlog.get_logger()

Fields = tuple[tuple[str, str], ...]
Dial = Callable[[Uri, Leg, bytes, Fields], Awaitable[tuple[Leg, bytes | None]]]
"""Calls a URI on the trunk of a leg, with an offer and further headers; returns the new leg and the answer. Raises
`CallFailed`."""


@dataclass(frozen=True)
class Person:
    """Who takes the calls that the agent hands over."""

    uri: Uri
    attended: bool = False
    """Whether they are called first, and connected when they have answered (RFC 5589 §7)."""
    await_bye: float = 0.0
    """Seconds to wait for the other side's BYE after the transfer; then we hang up."""


def dialling(endpoint: Endpoint, trunk: TrunkOptions, phones: Callable[[Uri], Peer | None] = lambda uri: None) -> Dial:
    """Calls go out where the trunk is: a URI that somebody named never makes us send to a host that we do not know.

    `phones` tells where the phone of an account is that has this Contact.
    """

    async def dial(target: Uri, leg: Leg, offer: bytes, fields: Fields) -> tuple[Leg, bytes | None]:
        if (phone := phones(target)) is not None:
            return await endpoint.invite(target, leg.identity, offer, peer=phone, fields=fields)
        there = trunk.registrar_uri or Uri("sip", host=leg.source.host, port=leg.source.port)
        if not target.host:  # tel: (RFC 3966) names no server
            number = re.sub("[^0-9+*#]", "", target.user.partition(";")[0])
            target = Uri("sip", number, there.host, there.port)
        ours = {there.host, leg.source.host, leg.target.host}
        person = trunk.transfer_uri
        if person is not None:
            ours.add(person.host)
        proxy = trunk.proxy_uri or (None if target.host in ours else there)
        new, answer = await endpoint.invite(
            target, leg.identity, offer, credentials=trunk.credentials, proxy=proxy, fields=fields
        )
        new.authenticate(trunk.credentials)
        if trunk.accept_refer:
            new.let_refer()
        return new, answer

    return dial


class Transfers:
    """The transfers of one call."""

    def __init__(self, engine: MediaEngine, dial: Dial | None, person: Person | None, local: LocalMedia) -> None:
        self.outcome: Referred | None = None
        """What came of the last transfer to the person."""
        self.person = person
        self.away = False
        """Whether we are calling somebody to whom the other side sent us."""
        self._engine = engine
        self._dial = dial
        self._local = local

    async def connect(self, leg: Leg) -> bool:
        """Connect the other side of `leg` with the person; returns whether that succeeded."""
        person = self.person
        if person is None:
            return False
        try:
            self.outcome = await (self._consult(leg, person) if person.attended else leg.refer(person.uri))
        except CallFailed as error:
            self.outcome = Referred(False, error.ended.status, f"{error.ended.how} {error.ended.text}".strip())
        except (PortsExhausted, MediaDown) as error:
            self.outcome = Referred(False, 503, str(error))
        except NotAcceptable as error:
            self.outcome = Referred(False, 488, str(error))
        done = self.outcome
        log.info("transfer", to=str(person.uri), done=done.accepted, status=done.status, reason=done.reason)
        return done.accepted

    async def _consult(self, leg: Leg, person: Person) -> Referred:
        """Call the person; when they have answered, the caller takes the place of that call."""
        channel = await self._engine.open(lambda event: None)
        with closing(channel):
            local = replace(self._local, port=channel.port).of_leg(f"{leg.id} consult", token_bytes(SECRET))
            offer = make_offer(local)
            asked, sdp = await self.dial(person.uri, leg, offer)
            try:
                accept_answer(offer, sdp or b"", local)
                return await leg.refer(asked.target, asked)
            finally:
                asked.hangup()

    async def dial(self, target: Uri, leg: Leg, offer: bytes, fields: Fields = ()) -> tuple[Leg, bytes | None]:
        """See `Dial`."""
        if self._dial is None:
            raise CallFailed(Ended("gateway", "403", "no calls are made here", 403))
        return await self._dial(target, leg, offer, fields)

    async def go(self, asked: ReferRequested, leg: Leg, offer: bytes) -> tuple[Leg, bytes | None]:
        """Call whom the other side of `leg` sends us to (RFC 3515 §2.4.4, RFC 3892). Raises `CallFailed`."""
        fields: Fields = (("Referred-By", asked.referred_by),) if asked.referred_by else ()
        if asked.replaces is not None:
            fields = (*fields, ("Replaces", str(asked.replaces)), ("Require", "replaces"))
        self.away = True
        try:
            return await self.dial(asked.target, leg, offer, fields)
        finally:
            self.away = False


@contextlib.contextmanager
def closing(channel: Channel) -> Iterator[None]:
    """Give the ports of `channel` back in the end."""
    try:
        yield
    finally:
        channel.close()
