"""Derives facts about the path from responses: NAT, SIP-ALG, clocks. Sans-IO.

A response repeats Via, From, To, Call-ID and CSeq of its request (RFC 3261 §8.2.6.2): any difference was made on the
path, and only the received and rport parameters of the topmost Via may be added (RFC 3581).
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from sipgw.sip.dialog import is_private
from sipgw.sip.fields import FieldError, Via
from sipgw.sip.message import Request, Response
from sipgw.sip.uri import is_address
from sipgw.tools.doctor.doctor_endpoint import SipExchange
from sipgw.tools.doctor.finding import Finding, bad, good

SKEW = 60.0
"""Seconds by which clocks may differ: a smaller difference makes no digest nonce or certificate invalid."""


def read(exchange: SipExchange, about: str, *, fixed: str, listens: bool, clock: datetime) -> Iterator[Finding]:
    """All findings from one exchange; `fixed` is the configured public address, `listens` whether calls come to a fixed
    address of ours (mode ``peer``), `clock` our time."""
    response = exchange.response or next(iter(exchange.strays), None)
    if response is None:
        return
    try:
        sent, echoed = exchange.sent.via, response.via
    except (FieldError, IndexError):
        yield bad("alg.via", about, "the answer has no Via that can be read")
        return
    changed = _changed_way(sent, echoed)
    if changed:
        yield bad("alg.via", about, changed)
    fields = _changed_fields(exchange.sent, response)
    if fields:
        yield bad("alg.fields", about, fields)
    if not changed and not fields:
        yield good("alg.none", about, f"Via {sent.host}:{sent.port}, From, To, Call-ID and CSeq came back as sent")
    yield from _address(exchange, sent, echoed, about, fixed, listens)
    yield from _clock(response, about, clock)


def _changed_way(sent: Via, echoed: Via) -> str:
    pairs = (
        ("host", sent.host, echoed.host),
        ("port", str(sent.port or 5060), str(echoed.port or 5060)),
        ("branch", sent.branch, echoed.branch),
        ("transport", sent.transport.upper(), echoed.transport.upper()),
    )
    return ", ".join(f"Via {name} sent {ours!r}, echoed {theirs!r}" for name, ours, theirs in pairs if ours != theirs)


def _changed_fields(sent: Request, response: Response) -> str:
    pairs = [("Call-ID", sent.call_id, response.call_id)]
    try:
        pairs.append(("From", str(sent.from_.uri) + sent.from_.tag, str(response.from_.uri) + response.from_.tag))
        pairs.append(("To", str(sent.to.uri), str(response.to.uri)))
    except FieldError:
        return "From or To of the answer cannot be read"
    return ", ".join(f"{name} sent {ours!r}, echoed {theirs!r}" for name, ours, theirs in pairs if ours != theirs)


def _address(exchange: SipExchange, sent: Via, echoed: Via, about: str, fixed: str, listens: bool) -> Iterator[Finding]:
    seen, port = echoed.received or echoed.host, echoed.rport or echoed.port or 5060
    if not is_address(seen):
        return
    if is_private(exchange.peer.host) and not is_private(fixed):
        fixed = ""  # the public address is named only to the Internet
    if fixed and not is_private(exchange.peer.host) and is_private(fixed):
        yield bad("address.private-set", about, f"public_address is {fixed}")
    elif fixed and seen != fixed:
        yield bad("address.wrong", about, f"public_address is {fixed}; the trunk sees the gateway at {seen}", seen=seen)
    elif seen != sent.host:
        evidence = f"the gateway is {sent.host}:{sent.port}; the trunk sees the gateway at {seen}:{port}"
        if listens:
            yield bad("address.private", about, evidence, own=sent.host)
        else:
            yield bad("nat.spotted", about, evidence)
    else:
        yield good("address.ok", about, f"the trunk sees the gateway at {seen}:{port}")
    if port != (sent.port or 5060) and exchange.peer.transport == "udp" and listens:
        yield bad("nat.port", about, f"sent from port {sent.port}, seen from {port}", port=sent.port)


def _clock(response: Response, about: str, clock: datetime) -> Iterator[Finding]:
    try:
        theirs = parsedate_to_datetime(response.headers.get("date") or "")
    except (ValueError, OverflowError):
        return
    theirs = theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)
    apart = (clock - theirs).total_seconds()
    if abs(apart) > SKEW:
        word = "ahead of" if apart > 0 else "behind"
        yield bad("clock.skew", about, f"this machine is {abs(apart):.0f} s {word} the trunk (Date: {theirs:%c} UTC)")
    else:
        yield good("clock.ok", about, f"{abs(apart):.0f} s apart from the trunk's Date")
