"""The states of offer and answer in one call, as a table (RFC 3264 §4, RFC 6337)."""

from enum import Enum


class OfferState(Enum):
    """Which offer is open."""

    INITIAL = "the offer of the INVITE is not answered"
    STABLE = "no offer is open"
    REMOTE = "their offer, or their request for ours, waits for us"
    LOCAL = "our re-INVITE waits for their answer"
    LOCAL_IN_2XX = "our offer in a 2xx waits for the answer in the ACK"
    CLOSED = "the call is over"


class OfferEvent(Enum):
    """Event of an offer."""

    EXCHANGED = "the offer of the INVITE is answered, early or by its 2xx"
    OFFER_IN_2XX = "our 2xx to a request without an offer makes one"
    RESTARTED = "our INVITE is sent again with another offer"
    OFFERED = "they offer, or ask for an offer, by re-INVITE, UPDATE or PRACK"
    ANSWER = "we answer"
    REFUSE = "we refuse"
    ACK = "the ACK comes"
    OFFER = "we send a re-INVITE"
    FINAL = "its final response comes, or none"
    CLOSE = "the call ends"


Table = dict[tuple[OfferState, OfferEvent], tuple[OfferState, tuple[Enum, ...]]]
S, E = OfferState, OfferEvent

OFFERS: Table = {
    (S.INITIAL, E.EXCHANGED): (S.STABLE, ()),
    (S.INITIAL, E.OFFER_IN_2XX): (S.LOCAL_IN_2XX, ()),
    (S.INITIAL, E.RESTARTED): (S.INITIAL, ()),
    (S.INITIAL, E.CLOSE): (S.CLOSED, ()),
    (S.STABLE, E.EXCHANGED): (S.STABLE, ()),  # by another branch of a fork
    (S.STABLE, E.RESTARTED): (S.INITIAL, ()),
    (S.STABLE, E.OFFERED): (S.REMOTE, ()),
    (S.STABLE, E.OFFER): (S.LOCAL, ()),
    (S.STABLE, E.CLOSE): (S.CLOSED, ()),
    (S.REMOTE, E.EXCHANGED): (S.REMOTE, ()),  # RFC 3311 §5.1: an UPDATE may come before the INVITE's 2xx
    (S.REMOTE, E.ANSWER): (S.STABLE, ()),
    (S.REMOTE, E.OFFER_IN_2XX): (S.LOCAL_IN_2XX, ()),
    (S.REMOTE, E.REFUSE): (S.STABLE, ()),
    (S.LOCAL, E.FINAL): (S.STABLE, ()),
    (S.LOCAL, E.CLOSE): (S.CLOSED, ()),
    (S.LOCAL_IN_2XX, E.ACK): (S.STABLE, ()),
    (S.LOCAL_IN_2XX, E.CLOSE): (S.CLOSED, ()),
}
