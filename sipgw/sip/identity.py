"""The identity of a caller, the dialled number, and how far to trust them, read from an INVITE."""

import re
from dataclasses import asdict, dataclass, field, replace
from hashlib import blake2b
from secrets import token_bytes
from typing import Any, Literal
from urllib.parse import unquote

from sipgw.sip.fields import Addresses, NameAddr, param
from sipgw.sip.message import Request, full_name
from sipgw.sip.uri import Uri

NUMBER = re.compile(r"\+?[0-9][0-9().-]{0,30}|\*[0-9*#]{1,10}")
"""A telephone number with its visual separators (RFC 3966 §5.1.1), or a short code."""
WITHHOLDING = {"id", "user", "header"}
"""Values of Privacy with which a caller asks not to be shown (RFC 3323 §4.2, RFC 3325 §9.3)."""
ATTESTED = re.compile(r"(TN-Validation-(?:Passed|Failed)|No-TN-Validation)(?:-([ABC]))?", re.IGNORECASE)
"""`verstat` (3GPP TS 24.229 §7.2A.20), with the level of RFC 8588 that some carriers append."""
ASSERTING = ("P-Asserted-Identity", "Remote-Party-ID")
"""Headers by which the other side asserts an identity."""
HEADERS_KEPT = 40
"""Headers that sipgw does not use and keeps for the record, each cut at `VALUE_KEPT`."""
VALUE_KEPT = 200
"""Characters that are kept of a value of the other side."""
SAME = 7
"""Last digits that decide whether two spellings are the same number: +49 171 …, 0171 …"""
_KEY = token_bytes(32)
"""The key that `_mark` hashes with; each process makes a new one."""
CALL_IDS = {
    "x-twilio-callsid", "x-twilio-accountsid", "x-telnyx-session-id", "x-telnyx-leg-id", "x-telnyx-call-control-id",
    "x-plivo-calluuid", "x-calluuid", "x-call-id", "x-asterisk-uniqueid", "x-fs-unique-id", "x-correlation-id",
}  # fmt: skip
"""Headers by which carriers and PBXs name the call in their own records."""
UNDERSTOOD = {
    "via", "from", "to", "call-id", "cseq", "contact", "max-forwards", "content-type", "content-length", "route",
    "record-route", "allow", "allow-events", "supported", "require", "proxy-require", "user-agent", "accept", "expires",
    "accept-encoding", "accept-language", "content-disposition", "session-expires", "min-se", "authorization",
    "proxy-authorization", "p-asserted-identity", "remote-party-id", "privacy", "diversion", "history-info", "replaces",
    "p-called-party-id", "p-attestation-indicator", "timestamp", "date", "mime-version", "identity",
}  # fmt: skip
"""Headers that are read here or elsewhere; credentials are among them and are not kept."""


Verdict = Literal["verified", "passed", "failed", "unverified", "unsigned"]
"""Verdict on a caller's number, for rules. Our own check of its signature has `passed`, has `failed` or could not be
made (`unverified`), or there was no signature (`unsigned`). Beside one of these, `verified` means that we or the
carrier (`verstat`) have verified the number.
"""


@dataclass(frozen=True)
class Stir:
    """Result of our own check of the signed caller number (RFC 8224)."""

    result: Literal["pending", "passed", "failed", "unverified"]
    """``failed``: the signature is not for this call, or not by a trusted signer. ``unverified``: the check gave no
    result. ``pending``: the check goes on; until it ends the number is not verified, whatever the carrier says."""
    reason: str = ""
    attestation: str = ""
    """``A``, ``B`` or ``C`` of a PASSporT that has passed."""
    origid: str = ""
    """The signer's own identifier of the place where the call entered its network (RFC 8588 §5)."""
    signer: str = ""
    """The signer's service provider code, or else its name."""


@dataclass(frozen=True)
class Identity:
    """The two ends of a call that came in. An empty string stands for an unknown value."""

    number: str = ""
    """The number or account of the caller; empty if it is withheld."""
    name: str = ""
    """The display name, as the caller's side wrote it."""
    source: str = ""
    """The header that had `number`."""
    withheld: bool = False
    """Whether the caller asked for privacy; then no identity is kept."""
    dialled: str = ""
    """The dialled number, if the other side gave it."""
    diverted: tuple[str, ...] = ()
    """Numbers that diverted the call, the latest first (RFC 5806, RFC 7044)."""
    reached: str = ""
    """The number that answered a call out, if it is not `dialled`: a redirect led there (RFC 3261 §8.1.3.4)."""
    verstat: str = ""
    """The result of the carrier's check of the number, e.g. ``TN-Validation-Passed``."""
    attestation: str = ""
    """``A`` (full), ``B`` (partial) or ``C`` (gateway), RFC 8588; as the carrier gave it."""
    stir: Stir | None = None
    """Our own verdict on the signed number; None if the call was not signed, or is not verified here."""
    call_ids: tuple[tuple[str, str], ...] = ()
    """The carrier's identifiers of the call, by header."""
    headers: tuple[tuple[str, str], ...] = ()
    """Headers that sipgw does not use, as they came."""
    mark: bytes = field(default=b"", repr=False, compare=False)
    """A keyed hash of the caller's number, to recognise a withheld caller and nothing else; it is never written
    anywhere. Empty if the other side told no number of at least `SAME` digits."""

    @classmethod
    def of(cls, invite: Request, *, trusted: bool = True) -> "Identity":
        """Read `invite`. Asserted identities are taken only from a `trusted` side (RFC 3325 §5)."""
        source, who = _caller(invite, trusted=trusted)
        withheld = _withheld(invite, who)
        verstat, attestation = _verified(invite) if trusted else ("", "")
        calls, others = _unknown(invite)
        return cls(
            number="" if withheld else number_of(who.uri),
            name="" if withheld else cleaned(who.display),
            source="" if withheld else source,
            withheld=withheld,
            dialled=_dialled(invite, trusted=trusted),
            diverted=_diverted(invite),
            verstat=verstat,
            attestation=attestation,
            call_ids=calls,
            headers=() if withheld else others,  # some have the number too
            mark=_mark(who),
        )

    def spoken_by(self, request: Request) -> "Identity":
        """This identity with the caller that a `request` of a trusted side in the call asserts.

        From is ignored, because it stays the same in a dialog (RFC 3261 §12.2.1.1). A withheld caller stays withheld
        even if the request does not repeat Privacy, until a request names another caller (by `mark`).
        """
        source, _ = _caller(request, trusted=True)
        now = Identity.of(request)
        another = self.mark and now.mark and self.mark != now.mark
        if source == "From" or (self.withheld and not now.withheld and not another):
            return self
        return replace(
            self, number=now.number, name=now.name, source=now.source, withheld=now.withheld,
            verstat=now.verstat, attestation=now.attestation, stir=None, mark=now.mark,
        )  # fmt: skip

    @property
    def verified(self) -> bool:
        """Whether we, or else the carrier, have verified the number. The carrier does not count while our own check
        goes on, or if it has failed."""
        if self.stir is not None and (self.stir.result in ("failed", "pending") or self.stir.attestation == "A"):
            return self.stir.result == "passed"
        return self.verstat.lower() == "tn-validation-passed" or (not self.verstat and self.attestation == "A")

    @property
    def verdicts(self) -> frozenset[Verdict]:
        """All verdicts that hold for the caller's number."""
        own: Verdict = "unsigned" if self.stir is None else "unverified"
        if self.stir is not None and self.stir.result != "pending":
            own = self.stir.result
        return frozenset((own, "verified")) if self.verified else frozenset((own,))

    def as_dict(self) -> dict[str, Any]:
        """The fields for the call record, without the unknown ones."""
        told = {key: value for key, value in asdict(self).items() if value and key != "mark"}
        for name in ("call_ids", "headers"):
            if name in told:
                told[name] = [list(pair) for pair in told[name]]
        if self.stir is not None:
            told["stir"] = {key: value for key, value in told["stir"].items() if value}
        if "diverted" in told:
            told["diverted"] = list(told["diverted"])
        return told


def asserts(request: Request) -> bool:
    """Whether `request` asserts an identity by `ASSERTING`. From does not count: it stays the same in a dialog."""
    return any(request.headers.get(header) is not None for header in ASSERTING)


def asserted_number(invite: Request, *, trusted: bool) -> str:
    """The number of the caller as it stands in `invite`, also if it is withheld from people."""
    return number_of(_caller(invite, trusted=trusted)[1].uri)


def reached(invite: Request, *, trusted: bool) -> str:
    """The number of P-Called-Party-ID, from a `trusted` side, else of the Request-URI; empty if neither has one."""
    told = [number_of(one.uri) for one in _addresses(invite, "P-Called-Party-ID")] if trusted else []
    return next((text for text in (*told, number_of(invite.uri)) if is_number(text)), "")


def cleaned(text: str) -> str:
    """`text` for storing and showing: cut, printable, without bytes that are not UTF-8."""
    text = text[:VALUE_KEPT].encode("utf-8", "replace").decode()
    return "".join(char if char.isprintable() else " " for char in text).strip()


def number_of(uri: Uri) -> str:
    """The telephone number in a SIP or tel URI without separators, or else its user part."""
    text = uri.user if uri.scheme else uri.user.partition(":")[2].rpartition("@")[0]  # no URI: take its middle
    user = unquote(text, errors="replace").partition(";")[0]
    if NUMBER.fullmatch(user):
        return re.sub("[().-]", "", user)
    return cleaned(user)


def is_number(text: str) -> bool:
    """Whether `text` is a telephone number, without separators."""
    return len(text) <= 20 and re.fullmatch(r"\+?[0-9]{3,19}|\*[0-9*#]{1,10}", text) is not None


def _addresses(invite: Request, header: str) -> Addresses:
    """The readable addresses in a header: a malformed one is no reason to refuse a call."""
    return Addresses.of(invite.headers.lines(header))


def _caller(invite: Request, *, trusted: bool) -> tuple[str, NameAddr]:
    """The best identity (RFC 3325 §9.1; Remote-Party-ID is its forerunner), and its header."""
    for header in ASSERTING if trusted else ():
        found = list(_addresses(invite, header))
        if header == "Remote-Party-ID":
            found = [one for one in found if (param(one.params, "party") or "calling").lower() == "calling"]
        numbers = [one for one in found if is_number(number_of(one.uri))]
        if found:
            return header, (numbers or found)[0]
    return "From", invite.from_


def _withheld(invite: Request, who: NameAddr) -> bool:
    asked = {token for line in invite.headers.lines("privacy") for token in re.split("[;, ]+", line.lower())}
    hidden = (param(who.params, "privacy") or "").lower() in ("full", "uri")
    return bool(asked & WITHHOLDING) or hidden or _nobody(who)


def _nobody(who: NameAddr) -> bool:
    return who.uri.host.lower().endswith("anonymous.invalid") or number_of(who.uri).lower() in ("anonymous", "")


def _mark(who: NameAddr) -> bytes:
    """The mark of a caller; empty for an extension or a name, because the next call may tell the whole number."""
    digits = re.sub(r"\D", "", number_of(who.uri)) if is_number(number_of(who.uri)) else ""
    if len(digits) < SAME:
        return b""
    return blake2b(digits[-SAME:].encode(), key=_KEY, digest_size=16).digest()


def _dialled(invite: Request, *, trusted: bool) -> str:
    """P-Called-Party-ID (RFC 7315 §4.2), which only a `trusted` side may tell, else the first number in the
    Request-URI, Diversion and To.

    Twilio gives the dialled number in Diversion; its Request-URI may be anything.
    """
    called = [number_of(one.uri) for one in _addresses(invite, "P-Called-Party-ID")] if trusted else []
    diverted = [number_of(one.uri) for one in _addresses(invite, "Diversion")][:1]
    places = [*called, number_of(invite.uri), *diverted, number_of(invite.to.uri)]
    return next((text for text in places if is_number(text)), number_of(invite.uri))


def _diverted(invite: Request) -> tuple[str, ...]:
    """The numbers that diverted the call, the latest first, as in Diversion (RFC 5806 §4). History-Info has them in the
    reverse order, and its last entry is us."""
    stations = [number_of(one.uri) for one in _addresses(invite, "Diversion")]
    if not stations:
        stations = [number_of(one.uri) for one in _addresses(invite, "History-Info")][-2::-1]
    return tuple(station for station in dict.fromkeys(stations) if station)


def _verified(invite: Request) -> tuple[str, str]:
    """The carrier's verdict on the caller's number: a parameter of the number, the URI or the header."""
    verstat = attestation = ""
    told = [*_addresses(invite, "P-Asserted-Identity"), invite.from_]
    for who in told:
        user = "".join(f";{piece}" for piece in who.uri.user.split(";")[1:])
        inner = re.search(r";verstat=([\w-]{1,40})", user, re.IGNORECASE)
        found = (inner[1] if inner else "") or who.uri.param("verstat") or param(who.params, "verstat") or ""
        match = ATTESTED.fullmatch(found.strip('"'))
        if match is not None:
            verstat, attestation = match[1], (match[2] or "").upper()
            break
    twilio = ATTESTED.fullmatch((invite.headers.get("x-twilio-verstat") or "").strip())
    if not verstat and twilio is not None:
        verstat, attestation = twilio[1], (twilio[2] or "").upper()
    level = (invite.headers.get("p-attestation-indicator") or "").strip().upper()
    return verstat, level if level in ("A", "B", "C") else attestation


Fields = tuple[tuple[str, str], ...]


def _unknown(invite: Request) -> tuple[Fields, Fields]:
    """The carrier's identifiers of the call, and the headers that sipgw does not use."""
    calls: list[tuple[str, str]] = []
    others: list[tuple[str, str]] = []
    for name, value in invite.headers:
        key = full_name(name)
        if key in UNDERSTOOD or len(calls) + len(others) >= HEADERS_KEPT:
            continue
        (calls if key in CALL_IDS else others).append((cleaned(name), cleaned(value)))
    return tuple(calls), tuple(others)
