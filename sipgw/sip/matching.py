"""Keys that match a message to its transaction and its dialog."""

import hashlib

from sipgw.sip.dialog import DialogId
from sipgw.sip.message import Request

COOKIE = "z9hG4bK"
"""The begin of every RFC 3261 branch; an RFC 2543 branch does not identify a transaction."""
Key = tuple[str, ...]


def server_key(request: Request) -> Key:
    """The key of the server transaction of `request` (RFC 3261 §17.2.3); an ACK has that of its INVITE.

    The branch alone should be enough. But some phones make it from the clock: the INFO requests of two keys that are
    pressed within a second have the same branch. Call-ID and CSeq differ then, and a retransmission repeats both.
    """
    via = request.via
    method = "INVITE" if request.method == "ACK" else request.method
    which = (request.call_id, str(request.cseq.number))
    if via.branch.startswith(COOKIE) and len(via.branch) > len(COOKIE):
        return (via.branch, via.host.lower(), str(via.port), *which, method)
    return (*which, request.from_.tag, str(via), method)


def invite_key(cancel: Request) -> Key:
    """The key of the transaction that `cancel` cancels: only the method differs (§9.2)."""
    return (*server_key(cancel)[:-1], "INVITE")


def merging_key(request: Request) -> Key:
    """The key that a request keeps when it reaches us over two paths (§8.2.2.2)."""
    return (request.from_.tag, request.call_id, str(request.cseq))


def dialog_of(request: Request) -> DialogId:
    """The dialog that `request` says it belongs to (§12.2.2)."""
    return DialogId(request.call_id, request.to.tag, request.from_.tag)


def stateless_tag(request: Request) -> str:
    """A tag that is the same for each retransmission of the request, without any state (§8.2.7)."""
    text = f"{request.headers.get('via')} {request.headers.get('call-id')} {request.headers.get('cseq')}"
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()
