"""Negotiates media: in outgoing and incoming calls, and in re-INVITEs of the other side (RFC 3264 §8)."""

from dataclasses import replace
from secrets import token_bytes, token_hex

import structlog

from sipgw.sip.dialog import Peer
from sipgw.sip.events import CallEvent, Offered
from sipgw.sip.leg import Leg
from sipgw.sip.negotiated import Negotiated
from sipgw.sip.offer_answer import (
    LocalMedia,
    NotAcceptable,
    accept_answer,
    answer,
    make_offer,
    media_host,
    offers,
)
from sipgw.sip.reliable import MAX_BRANCHES
from sipgw.sip.sdes import SECRET, Policy
from sipgw.sip.sdp import UNKNOWN

log = structlog.get_logger()


class OurSide:
    """Our side of a call that we make.

    Each attempted destination gets a new description, because no destination may learn the SRTP keys of another.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._local: LocalMedia | None = None
        self._changed: dict[tuple[bytes, bytes], Negotiated] = {}
        """Results of offers before the answer, by our description and theirs: each branch of a fork may make some."""

    def offers(self, srtp: Policy, there: Peer) -> tuple[bytes, ...]:
        """The offers to the peer `there`, in order. Our own address is filled in when the route to it is known."""
        local = LocalMedia(UNKNOWN, self._port, tls=there.secure, srtp=srtp)
        self._local = local.of_leg(token_hex(8), token_bytes(SECRET), tls=there.secure)
        return offers(self._local)

    def early(self, leg: Leg, event: CallEvent) -> None:
        """Answer an offer that the called side makes before its answer (RFC 3311), e.g. to go on from an announcement
        to the person. See `sipgw.sip.endpoint.Early`."""
        if isinstance(event, Offered) and event.sdp is not None:
            negotiated = renegotiate(leg, self.local.as_sent(leg.local), event.sdp)
            if negotiated is not None:
                self._changed[negotiated.sdp, event.sdp] = negotiated
            if len(self._changed) > MAX_BRANCHES:
                del self._changed[next(iter(self._changed))]

    def answered(self, leg: Leg) -> Negotiated:
        """The result of the negotiation on `leg`, a call of ours. Raises `NotAcceptable`."""
        changed = self._changed.get((leg.local, leg.remote))
        return changed or accept_answer(leg.local, leg.remote, self.local.as_sent(leg.local))

    @property
    def local(self) -> LocalMedia:
        """Our description in the last offer."""
        assert self._local is not None  # noqa: S101  there is no answer without an offer
        return self._local


def ours(address: str, port: int, srtp: Policy, leg: Leg) -> LocalMedia:
    """Our side of an incoming call."""
    tls = leg.source.secure
    return LocalMedia(address, port, tls=tls, srtp=srtp).of_leg(leg.id, token_bytes(SECRET), tls=tls)


def describe(leg: Leg, local: LocalMedia, sdp: bytes | None) -> tuple[bytes, Negotiated | None]:
    """Our answer to the offer `sdp`, or our offer if it is None, in the present session of `leg`; and the negotiated
    result, if it is known already. Raises `NotAcceptable`."""
    local = replace(local, session=leg.local)
    negotiated = None if sdp is None else answer(sdp, local)
    return (make_offer(local) if negotiated is None else negotiated.sdp), negotiated


def renegotiate(leg: Leg, local: LocalMedia, sdp: bytes | None) -> Negotiated | None:
    """Answer an offer on `leg`; None asks for ours. An unusable offer is refused, and nothing changes.

    Returns the negotiated result if it is known already; None if the answer comes too late for the offer.
    """
    try:
        description, negotiated = describe(leg, local, sdp)
    except NotAcceptable as error:
        log.warning("offer refused", reason=str(error))
        leg.reject_offer(488)
        return None
    return negotiated if leg.accept_offer(description) else None


def moved(local: LocalMedia, host: str) -> LocalMedia:
    """Our side, once our address is `host`; unchanged where sound is exchanged over the other IP version."""
    same = (":" in local.address) == (":" in host)
    return replace(local, address=host) if same else local


def taking_over(leg: Leg, local: LocalMedia) -> LocalMedia:
    """Our side of `leg`, which came in to take the place of the call of `local` (RFC 3891): a session, keys and an
    address of its own, for it may come from another network."""
    host = leg.host if local.address == UNKNOWN else moved(local, leg.host).address
    own = local.of_leg(leg.id, token_bytes(SECRET), tls=leg.source.secure)
    return replace(own, address=host, ice=local.ice and host == local.address)


def agree(leg: Leg, side: OurSide) -> tuple[LocalMedia, Negotiated | None]:
    """Negotiate with the side that we called; a leg that replaces it (RFC 3891) is answered here. Returns our side, and
    the negotiated result if it is known already. Raises `NotAcceptable`.
    """
    if leg.calling:
        return side.local.as_sent(leg.local), side.answered(leg)
    local = taking_over(leg, side.local)
    try:
        description, negotiated = describe(leg, local, leg.offer)
    except NotAcceptable:
        leg.reject(488)
        raise
    leg.answer(description)
    return local, negotiated


def agree_late(leg: Leg, local: LocalMedia, sdp: bytes, *, begun: bool) -> Negotiated:
    """The result of the answer `sdp` to our last offer on `leg` in an established call. We had offered for a session
    refresh, or because the other side had asked for an offer.

    `begun` is whether there was a negotiated result before: only then may the answer disable the stream. Raises
    `NotAcceptable`.
    """
    return accept_answer(leg.local, sdp, replace(local, session=leg.local if begun else b""))


def usable(offer: bytes, policy: Policy) -> bool:
    """Whether an offer can be answered, from an address of the same IP version."""
    address = "::1" if ":" in media_host(offer) else "127.0.0.1"
    try:
        answer(offer, LocalMedia(address, 9, tls=False, srtp=policy, secret=bytes(SECRET)))
    except NotAcceptable:
        return False
    return True
