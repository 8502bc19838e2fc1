"""PASSporT (RFC 8225) in the Identity header (RFC 8224), with the claims of SHAKEN (RFC 8588). Sans-IO.

All input comes from unknown senders: sizes are limited, and nothing is trusted before its signature was verified.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sipgw.sip.fields import FieldError, values
from sipgw.sip.message import Request

MOST = 5
"""Identity headers of one request that are read."""
LONGEST = 8192
"""Characters of the longest Identity header that is read; those of Telnyx and Verizon have about 700."""
LARGEST = 4096
"""Bytes of the header or the claims of a PASSporT."""
MOST_DESTINATIONS = 20
_BASE64 = re.compile(r"[A-Za-z0-9_-]*")
_NUMBER = re.compile(r"\+?[0-9*#][0-9*#().\- ]{0,40}")
SIGNATURE = 64
"""Bytes of an ES256 signature: R and S (RFC 7518 §3.4)."""


class PassportError(ValueError):
    """The value is no PASSporT that can be verified; the message says why."""


@dataclass(frozen=True)
class Passport:
    """A PASSporT as its signer wrote it."""

    x5u: str
    """The URL of the signer's certificate."""
    ppt: str
    """``shaken``, or empty for a PASSporT without extension."""
    orig: str
    """Digits of the caller's number; empty if the caller is named by a URI."""
    dest: tuple[str, ...]
    """Digits of the called numbers."""
    iat: int
    """When it was signed, seconds since 1970."""
    signed: bytes
    """The bytes that `signature` signs."""
    signature: bytes
    attest: str = ""
    origid: str = ""


@dataclass(frozen=True)
class Reconstruction:
    """Parts that a compact PASSporT leaves out (RFC 8224 §6.2.3): the numbers of From and To, and the time of Date."""

    orig: str
    dest: str
    iat: int | None


def identities(request: Request) -> list[str]:
    """The values of the Identity headers of `request`, the first `MOST`."""
    found: list[str] = []
    for line in islice(request.headers.lines("identity"), MOST):
        try:
            found += list(islice(values(line[: LONGEST + 1], ","), MOST))
        except FieldError:
            found.append(line)
    return found[:MOST]


def read(value: str, left_out: Reconstruction) -> Passport:
    """Read one value of an Identity header. Raises `PassportError`."""
    if len(value) > LONGEST:
        raise PassportError(f"an Identity header of more than {LONGEST} characters")
    try:
        digest, *pieces = values(value, ";")
    except FieldError as error:
        raise PassportError(f"a broken Identity header: {error}") from None
    params = {
        name.strip().lower(): _unquoted(text) for name, _, text in (piece.partition("=") for piece in pieces[:20])
    }
    if params.get("alg", "ES256") != "ES256":
        raise PassportError(f"the algorithm {params['alg'][:20]!r}, which is not ES256")
    parts = digest.split(".")
    if len(parts) != 3:
        raise PassportError("no PASSporT of three parts")
    if parts[:2] == ["", ""]:
        parts[:2] = _rebuilt(params, left_out)
    found = _passport(*parts)
    if params.get("ppt", found.ppt) != found.ppt:
        raise PassportError("another ppt in the header than in the PASSporT")
    if params.get("info", found.x5u) != found.x5u:
        raise PassportError("another info in the header than the x5u of the PASSporT")
    return found


def encoded(header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
    """The bytes that are signed, as text: both parts with sorted keys and without spaces (RFC 8225 §9)."""
    return ".".join(
        base64.urlsafe_b64encode(json.dumps(part, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode())
        .rstrip(b"=")
        .decode()
        for part in (header, claims)
    )


def base64url(data: bytes) -> str:
    """`data` in Base64 for URLs, without padding (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def digits(number: str) -> str:
    """`number` as PASSporTs have it (RFC 8224 §8.3): without ``+`` and separators; empty if it is no number."""
    return re.sub(r"[^0-9*#]", "", number) if _NUMBER.fullmatch(number) else ""


def _rebuilt(params: Mapping[str, str], left_out: Reconstruction) -> list[str]:
    if params.get("ppt"):
        raise PassportError(f"the compact form of a {params['ppt'][:20]} PASSporT, which leaves its claims out")
    if not left_out.orig or not left_out.dest or left_out.iat is None or not params.get("info"):
        raise PassportError("the compact form without the numbers, Date or info that belong to it")
    header = {"alg": "ES256", "typ": "passport", "x5u": params["info"]}
    claims = {"dest": {"tn": [left_out.dest]}, "iat": left_out.iat, "orig": {"tn": left_out.orig}}
    return encoded(header, claims).split(".")


def _passport(header: str, claims: str, signature: str) -> Passport:
    head, body, signed = _object(header), _object(claims), _bytes(signature)
    if head.get("alg") != "ES256":
        raise PassportError(f"the algorithm {str(head.get('alg'))[:20]!r}, which is not ES256")
    if str(head.get("typ")).lower() != "passport":
        raise PassportError("a token of another type than passport")
    if "crit" in head:  # RFC 7515 §4.1.11: who does not understand it must refuse it
        raise PassportError("a PASSporT with extensions that must be understood")
    if len(signed) != SIGNATURE:
        raise PassportError("a signature of another length than ES256 has")
    x5u, ppt, iat = head.get("x5u"), head.get("ppt", ""), body.get("iat")
    if not isinstance(x5u, str) or not isinstance(ppt, str):
        raise PassportError("a PASSporT without x5u")
    if isinstance(iat, bool) or not isinstance(iat, int) or not 0 <= iat < 1 << 40:
        raise PassportError("a PASSporT without a time (iat)")
    orig, dest, attest, origid = (body.get(name) for name in ("orig", "dest", "attest", "origid"))
    if ppt == "shaken" and (attest not in ("A", "B", "C") or not isinstance(origid, str)):
        raise PassportError("a SHAKEN PASSporT without attest or origid")
    called = dest.get("tn") if isinstance(dest, dict) else None
    calling = orig.get("tn") if isinstance(orig, dict) else None
    return Passport(
        x5u=x5u,
        ppt=ppt,
        orig=digits(calling) if isinstance(calling, str) else "",
        dest=tuple(digits(one) for one in (called if isinstance(called, list) else [called])[:MOST_DESTINATIONS]
                   if isinstance(one, str)),
        iat=iat,
        signed=f"{header}.{claims}".encode(),
        signature=signed,
        attest=attest if ppt == "shaken" and isinstance(attest, str) else "",
        origid=origid[:64] if ppt == "shaken" and isinstance(origid, str) else "",
    )  # fmt: skip


def _object(text: str) -> dict[str, Any]:
    raw = _bytes(text)
    try:
        found = json.loads(raw.decode(), object_pairs_hook=_once) if len(raw) <= LARGEST else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise PassportError("a PASSporT whose parts are no JSON objects")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """`pairs` as a dict. Raises ValueError if a name comes twice: two readers could take different values."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name that comes twice")
    return found


def _bytes(text: str) -> bytes:
    text = text.rstrip("=")
    try:
        if not _BASE64.fullmatch(text):
            raise binascii.Error
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        raise PassportError("a PASSporT that is not Base64") from None


def _unquoted(text: str) -> str:
    text = text.strip()
    for first, last in ("<>", '""'):
        if len(text) > 1 and text[0] == first and text[-1] == last:
            return text[1:-1]
    return text
