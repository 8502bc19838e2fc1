"""Scenarios for SIPp, written as the steps of a caller: what it sends, and what it insists on getting."""

from collections.abc import Iterable
from xml.sax.saxutils import quoteattr

SDP = """v=0
o=sipp 1 1 IN IP4 127.0.0.1
s=-
c=IN IP4 127.0.0.1
t=0 0
m=audio {port} RTP/AVP 0 101
a=rtpmap:101 telephone-event/8000
"""
OURS = '"SIPp" <sip:sipp@[local_ip]:[local_port]>;tag=[pid]SIPp[call_number]'


def _message(first: str, lines: Iterable[str], body: str = "") -> str:
    text = "\n".join((first, *lines, "Content-Length: [len]", "", body))
    return f"<![CDATA[\n{text}\n]]>"


def invite(*fields: str, port: int = 6000) -> str:
    """Call the gateway."""
    lines = (
        "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport",
        f"From: {OURS}",
        "To: <sip:agent@[remote_ip]:[remote_port]>",
        "Call-ID: [call_id]",
        "CSeq: 1 INVITE",
        "Contact: <sip:sipp@[local_ip]:[local_port];transport=[transport]>",
        "Max-Forwards: 70",
        *fields,
        "Content-Type: application/sdp",
    )
    first = "INVITE sip:agent@[remote_ip]:[remote_port] SIP/2.0"
    return f'<send retrans="500">{_message(first, lines, SDP.format(port=port))}</send>'


def answered() -> str:
    """The gateway picks up."""
    return (
        '<recv response="100" optional="true"/><recv response="180" optional="true"/>'
        '<recv response="200" rrs="true"><action>'
        '<ereg regexp=".*" search_in="hdr" header="To:" assign_to="them"/></action></recv>' + request("ACK", 1)
    )


def refused(status: int) -> str:
    """The gateway refuses the call."""
    return f'<recv response="100" optional="true"/><recv response="{status}"/>' + request(
        "ACK", 1, "[last_To:]"
    ).replace('retrans="500"', "")


def request(method: str, number: int, *fields: str, body: str = "") -> str:
    """Send a request inside the call."""
    to = () if any(field.startswith("[last_To") for field in fields) else ("To: [$them]",)
    lines = (
        "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport",
        f"From: {OURS}",
        *to,
        "Call-ID: [call_id]",
        f"CSeq: {number} {method}",
        "Contact: <sip:sipp@[local_ip]:[local_port];transport=[transport]>",
        "Max-Forwards: 70",
        *fields,
    )
    resent = "" if method == "ACK" else ' retrans="500"'
    return f"<send{resent}>{_message(f'{method} [next_url] SIP/2.0', lines, body)}</send>"


def held(number: int, port: int = 6000) -> str:
    """Put the gateway on hold."""
    body = SDP.format(port=port).replace("o=sipp 1 1", "o=sipp 1 2") + "a=sendonly\n"
    offer = request("INVITE", number, "Content-Type: application/sdp", body=body)
    return offer + '<recv response="100" optional="true"/>' + wanted("200", body="a=recvonly") + request("ACK", number)


def notify(number: int, line: str, state: str = "active;expires=60") -> str:
    """Report on a REFER."""
    fields = ("Event: refer", f"Subscription-State: {state}", "Content-Type: message/sipfrag;version=2.0")
    return request("NOTIFY", number, *fields, body=line) + response(200)


def response(status: int) -> str:
    """Get a response."""
    return f'<recv response="{status}"/>'


def wanted(method: str, **headers: str) -> str:
    """Get a request, or a response, whose headers match regular expressions; ``body`` is that of the body."""
    checks = ""
    names = []  # type: ignore[var-annotated]
    for name, pattern in headers.items():
        where = 'search_in="body"' if name == "body" else f'search_in="hdr" header="{name.replace("_", "-")}:"'
        checks += f'<ereg regexp={quoteattr(pattern)} {where} check_it="true" assign_to="{name}{len(names)}"/>'
        names.append(f"{name}{len(names)}")
    used = f'<Reference variables="{",".join(names)}"/>' if names else ""
    kind = "response" if method.isdigit() else "request"
    if not checks:
        return f'<recv {kind}="{method}"/>'
    return f'<recv {kind}="{method}"><action>{checks}</action></recv>{used}'


def reply(status: int, reason: str, *fields: str) -> str:
    """Answer the last request."""
    copied = ("[last_Via:]", "[last_From:]", "[last_To:]", "[last_Call-ID:]", "[last_CSeq:]")
    return f"<send>{_message(f'SIP/2.0 {status} {reason}', (*copied, *fields))}</send>"


def scenario(*steps: str) -> str:
    """The file."""
    head = '<?xml version="1.0" encoding="ISO-8859-1" ?>\n<!DOCTYPE scenario SYSTEM "sipp.dtd">\n'
    names = '<Reference variables="them"/>' if "$them" in "".join(steps) or "them" in "".join(steps) else ""
    return f'{head}<scenario name="steps">{"".join(steps)}{names}</scenario>\n'
