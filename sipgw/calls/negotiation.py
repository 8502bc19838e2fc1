"""Offers of the other side within a call: what is answered to a re-INVITE or UPDATE (RFC 3264 §8)."""

from dataclasses import replace

import structlog

from sipgw.sip.leg import Leg
from sipgw.sip.offer_answer import LocalMedia, Negotiated, NotAcceptable, answer, make_offer

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


def _describe(local: LocalMedia, sdp: bytes | None) -> tuple[bytes, Negotiated | None]:
    negotiated = None if sdp is None else answer(sdp, local)
    return (make_offer(local) if negotiated is None else negotiated.sdp), negotiated
