"""The negotiated media of a replayed call: its session descriptions, as the present code reads them. Sans-IO."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from sipgw.records.bundles.recorder import Frame
from sipgw.records.captures.timeline import MESSAGE
from sipgw.sip.negotiated import Negotiated
from sipgw.sip.offer_answer import LocalMedia, accept_answer, answer

LATER = 0.02
"""Seconds by which a message may be recorded later than its effect."""
_CALL = re.compile(r"(?im)^(?:call-id|i)[ \t]*:[ \t]*(\S+)")
_CRYPTO = re.compile(r"a=crypto:[^\r\n]*\r?\n")


class _Described(NamedTuple):
    """A message with a session description."""

    at: float
    out: bool
    call: str
    request: bool
    """Whether the message is a request (INVITE or UPDATE), whose description another one answers."""
    sdp: bytes


class Descriptions:
    """The session descriptions of all legs of a call."""

    def __init__(self, messages: Sequence[dict[str, Any]]) -> None:
        self._all = [one for one in map(_described, messages) if one is not None]

    def agreed(self, frame: Frame) -> Negotiated:
        """The result of the present code for the negotiation in `frame`. If the messages of this leg were not recorded,
        the recorded result. Raises `NotAcceptable`.
        """
        form, (host, port), until = frame["format"], frame["remote"], frame["t"] + LATER
        said = (one for one in reversed(self._all) if one.at <= until and not one.out)
        theirs = next((one for one in said if _names(one.sdp, host, port)), None)
        local = LocalMedia("::1" if ":" in host else "127.0.0.1", 1, tls=False)
        if theirs is not None and theirs.request:
            return answer(theirs.sdp, local)
        if theirs is not None:
            ours = (one for one in reversed(self._all) if one.out and one.call == theirs.call and one.at <= theirs.at)
            if (offer := next(ours, None)) is not None:
                return accept_answer(offer.sdp, theirs.sdp, local)
        return Negotiated(
            b"", form["encoding"], form["payload_type"], form["dtmf_payload_type"], host, port, frame["direction"]
        )


def _described(message: dict[str, Any]) -> _Described | None:
    text = str(message["text"])
    head, _, body = text.partition("\r\n\r\n")
    call = _CALL.search(head)
    if call is None or "m=audio" not in body or len(text.encode()) >= MESSAGE:
        return None
    # Sound is kept without its encryption, and no bundle has its keys.
    plain = _CRYPTO.sub("", body).replace("RTP/SAVP", "RTP/AVP")
    request = head.startswith(("INVITE ", "UPDATE "))
    return _Described(message["t"], bool(message["out"]), call[1], request, plain.encode())


def _names(sdp: bytes, host: str, port: int) -> bool:
    return f"m=audio {port} ".encode() in sdp and f" {host}".encode() in sdp
