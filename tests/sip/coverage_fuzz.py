"""Coverage-guided fuzzing of one parser: ``python -m tests.sip.coverage_fuzz message|uri|header|sdp [OPTION]``.

A finding is any exception that is not the parser's own; libFuzzer then prints its traceback and the bytes.
"""

import sys
from collections.abc import Callable

import atheris

with atheris.instrument_imports(include=["sipgw.sip"]):
    from sipgw.sip.fields import CSeq, FieldError, NameAddr, Via
    from sipgw.sip.offer_answer import LocalMedia, NotAcceptable, answer
    from sipgw.sip.parse import ParseError, parse_message
    from sipgw.sip.sdp import Sdp, SdpError
    from sipgw.sip.uri import Uri, UriError

US = LocalMedia("203.0.113.7", 20000, tls=False)


def message(data: bytes) -> None:
    """A datagram."""
    try:
        parse_message(data).to_bytes()
    except ParseError:
        return


def uri(data: bytes) -> None:
    """A URI, which also survives being printed."""
    try:
        parsed = Uri.parse(data.decode("utf-8", "surrogateescape"))
    except UriError:
        return
    assert Uri.parse(str(parsed)) == parsed


def header(data: bytes) -> None:
    """The fields that are understood."""
    text = data.decode("utf-8", "surrogateescape")
    for parse in (NameAddr.parse, Via.parse, CSeq.parse):
        try:
            parse(text)
        except (FieldError, UriError):
            continue


def sdp(data: bytes) -> None:
    """A session description, and our answer to it."""
    try:
        Sdp.parse(data)
        answer(data, US)
    except (SdpError, NotAcceptable):
        return


TARGETS: dict[str, Callable[[bytes], None]] = {"message": message, "uri": uri, "header": header, "sdp": sdp}

if __name__ == "__main__":
    atheris.Setup([sys.argv[0], *sys.argv[2:]], TARGETS[sys.argv[1]])
    atheris.Fuzz()
