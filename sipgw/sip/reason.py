"""The reason of the other side for ending a call: Reason (RFC 3326), and headers of carriers."""

from sipgw.sip.fields import FieldError, param, parse_params, split
from sipgw.sip.identity import cleaned
from sipgw.sip.message import Message

CARRIER_CODES = ("x-zt-hangup-code", "x-telnyx-hangup-cause", "x-asterisk-hangupcause")
"""Headers in which carriers and PBXs give further causes."""


def reason_text(message: Message) -> str:
    """All reasons in `message` as one text, e.g. ``Q.850 16 Normal call clearing``; empty if there is none."""
    clauses = [_clause(value) for line in message.headers.lines("reason")[:5] for value in _values(line)[:5]]
    clauses += [f"{name} {value[:40]}" for name in CARRIER_CODES if (value := message.headers.get(name)) is not None]
    return cleaned(", ".join(clause for clause in clauses if clause))


ANSWERED_ELSEWHERE = 26
"""The Q.850 cause (non-selected user clearing) of a call that rang at several phones, and that another has answered."""


def cause_of(message: Message) -> int | None:
    """The Q.850 cause in the Reason header of `message` (RFC 3326 §2); None if there is none.

    With ``SIP;cause=200`` a proxy cancels the other branches of a fork (RFC 3326 §3.1). Without a Q.850 cause this
    gives `ANSWERED_ELSEWHERE`.
    """
    found = None
    for line in message.headers.lines("reason")[:5]:
        for value in _values(line)[:5]:
            protocol, _, cause = _clause(value).partition(" ")
            number = cause.partition(" ")[0]
            if protocol.upper() == "Q.850" and number.isascii() and number.isdigit() and len(number) <= 3:
                return int(number)
            if protocol.upper() == "SIP" and number == "200":
                found = ANSWERED_ELSEWHERE
    return found


def _values(line: str) -> list[str]:
    try:
        return split(line, ",")
    except FieldError:
        return []


def _clause(value: str) -> str:
    try:
        protocol, *pieces = split(value, ";")
        params = parse_params(pieces)
    except FieldError:
        return ""
    parts = (protocol, (param(params, "cause") or "").strip('"'), (param(params, "text") or "").strip('"'))
    return " ".join(part for part in parts if part)
