"""Agreeing on sound: with whom we called, and when the other side offers something else in a call (RFC 3264 §8)."""

from dataclasses import replace
from secrets import token_bytes

import structlog

from sipgw.sip.leg import Leg
from sipgw.sip.offer_answer import LocalMedia, Negotiated, NotAcceptable, accept_answer, answer, make_offer
from sipgw.sip.sdes import SECRET, Policy

log = structlog.get_logger()


def renegotiate(leg: Leg, local: LocalMedia, sdp: bytes | None) -> tuple[LocalMedia, Negotiated | None]:
    """Answer an offer on `leg`, where None asks for ours; what cannot be used is refused, and all stays as it was.

    Returns our side as it is described from now on, and what was agreed on, if that is known already.
    """
    try:
        description, negotiated = _describe(local, sdp)
        if description != leg.local:  # RFC 3264 §8: a changed description has the next version
            local = replace(local, version=local.version + 1)
            description, negotiated = _describe(local, sdp)
    except NotAcceptable as error:
        log.warning("offer refused", reason=str(error))
        leg.reject_offer(488)
        return local, None
    leg.accept_offer(description)
    return local, negotiated


def agree(leg: Leg, local: LocalMedia) -> tuple[LocalMedia, Negotiated | None]:
    """What is agreed on with whom we called; who came in to take their place (RFC 3891) is answered here.

    Returns as `renegotiate`; raises `NotAcceptable`.
    """
    if leg.calling:
        return local, accept_answer(leg.local, leg.remote, local)
    local = local.of_leg(leg.id, token_bytes(SECRET))
    try:
        description, negotiated = _describe(local, leg.offer)
    except NotAcceptable:
        leg.reject(488)
        raise
    leg.answer(description)
    return local, negotiated


def usable(offer: bytes, policy: Policy) -> bool:
    """Whether an offer could be answered."""
    try:
        answer(offer, LocalMedia("127.0.0.1", 9, srtp=policy, secret=bytes(SECRET)))
    except NotAcceptable:
        return False
    return True


def _describe(local: LocalMedia, sdp: bytes | None) -> tuple[bytes, Negotiated | None]:
    negotiated = None if sdp is None else answer(sdp, local)
    return (make_offer(local) if negotiated is None else negotiated.sdp), negotiated
