"""The checks of a request outside a dialog (RFC 3261 §8.2)."""

from dataclasses import dataclass

from sipgw.sip.body import SDP, UNDERSTOOD, encoded, understands
from sipgw.sip.fields import FieldError, parse_params, split
from sipgw.sip.message import Request

METHODS = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "INFO", "UPDATE", "PRACK", "NOTIFY", "REFER")
EXTENSIONS = ("100rel", "timer", "replaces", "norefersub")
"""Option tags that a peer may require."""
ALLOW = (("Allow", ", ".join(METHODS)),)
CAPABILITIES = (*ALLOW, ("Supported", ", ".join(EXTENSIONS)))
"""Header fields of INVITE and its responses."""
EVENT = "refer"
"""The only event that we subscribe to, by REFER (RFC 3515)."""


@dataclass(frozen=True)
class Refusal:
    """The response that refuses a request; status 0: the request is dropped."""

    status: int
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()


DROP = Refusal(0)
"""Drops a request without a response."""


def unusable(request: Request) -> Refusal | None:
    """The refusal of `request` by the checks of RFC 3261 §8.2, in their order; None if it passes all of them."""
    if request.method not in METHODS:
        known = request.method in ("SUBSCRIBE", "PUBLISH", "MESSAGE")
        return Refusal(405 if known else 501, headers=ALLOW)
    if request.method == "REFER":
        return Refusal(403)  # only the other side of a call may refer us
    if request.uri.scheme not in ("sip", "sips", "tel"):
        return Refusal(416)
    if (refusal := unsupported(request)) is not None:
        return refusal
    if request.method == "NOTIFY" and (refusal := unwanted(request)) is not None:
        return refusal
    if request.max_forwards == 0 and request.method != "OPTIONS":
        return Refusal(483)
    if (refusal := unreadable(request)) is not None:
        return refusal
    accepted = request.headers.tokens("accept")
    if request.method == "INVITE" and accepted:
        types = {value.partition(";")[0].strip() for value in accepted}
        if not types & {"application/sdp", "application/*", "*/*"}:
            return Refusal(406)
    return None


def unwanted(notify: Request) -> Refusal | None:
    """489 if `notify` is of another event than `EVENT` (RFC 6665 §4.1.3), 400 if its event cannot be read."""
    try:
        package, *pieces = split(notify.headers.get("event") or EVENT, ";")
        parse_params(pieces)
    except FieldError:
        return Refusal(400)
    return None if package.lower() == EVENT else Refusal(489, headers=(("Allow-Events", EVENT),))


def unreadable(request: Request) -> Refusal | None:
    """415 if we do not understand a part of the body of `request` that is required (§8.2.3)."""
    if understands(request):
        return None
    encodings = (("Accept-Encoding", "identity"),) if encoded(request.headers) else ()
    kinds = ", ".join(UNDERSTOOD.get(request.method, (SDP,)))
    return Refusal(415, headers=(("Accept", kinds), *encodings))


def secure(request: Request) -> bool:
    """Whether the answer to `request` must have a ``sips`` Contact (§12.1.1)."""
    via = request.record_routes[:1] or request.contacts[:1]
    return "sips" in (request.uri.scheme, *(one.uri.scheme for one in via))


def unsupported(request: Request) -> Refusal | None:
    """420 if `request` requires an extension that we do not have (§8.2.2.3)."""
    unknown = [tag for tag in request.require if tag not in EXTENSIONS]
    return Refusal(420, headers=(("Unsupported", ", ".join(unknown)),)) if unknown else None
