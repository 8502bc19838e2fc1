"""Options of a trunk: where it is, how calls go in and out, how it writes numbers."""

import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, Literal

from annotated_types import Gt, Interval

from agent.rules.rule_error import RuleError
from sipgw.config.networks import check_networks
from sipgw.config.numbers import NumberError, NumberFormat, check_country, e164, known, shaped
from sipgw.config.options import about
from sipgw.sip.digest import Credentials
from sipgw.sip.identity import Verdict
from sipgw.sip.probe import SHORTEST
from sipgw.sip.sdes import Policy
from sipgw.sip.uri import Uri

_NUMBER = re.compile(r"(?:tel:)?(\+?[0-9][0-9 ().-]*)")

NO_PASSWORD = "an address of a trunk holds no password; write it as password"  # noqa: S105  a sentence
_ADDRESSES = {
    "registrar": "registrar_uri", "outbound_proxy": "proxy_uri", "domain": "domain_uri", "transfer_to": "transfer_uri",
}  # fmt: skip
"""The options that hold an address, and the property that reads each."""
OWN_TRUNKS = ("local", "accounts", "browser")
"""Names of the trunks of calls without a carrier: from our networks, of accounts without a trunk, from browsers."""


def _uri(text: str) -> Uri | None:
    if not text:
        return None
    scheme = text.partition(":")[0].lower()
    return Uri.parse(text if scheme in ("sip", "sips", "tel") else f"sip:{text}")


@dataclass(frozen=True)
class TrunkOptions:
    """One carrier, PBX or network of softphones."""

    name: str
    """Stands in logs and records."""
    mode: Literal["register", "peer"]
    """`register`: the gateway registers there (Telnyx, a PBX). `peer`: the other side sends INVITEs to our fixed
    address (Twilio, Plivo, a PBX trunk, softphones)."""
    registrar: str = ""
    """`register` only: host or SIP URI, e.g. ``sip.telnyx.com`` or ``sip:10.0.0.5:5080``."""
    user: str = ""
    """Our user name there; with `register` also the user part of our address."""
    auth_user: str = ""
    """User name for digest authentication where it is not `user` (3CX calls it authentication ID)."""
    password: str = field(default="", repr=False)
    """Password for digest authentication, by reference: ``"${TELNYX_PASSWORD}"``."""
    outbound_proxy: str = ""
    """Host or SIP URI to which REGISTER, OPTIONS and calls are sent, if not to the registrar or domain itself."""
    domain: str = ""
    """Host or SIP URI that calls out are addressed to, e.g. ``acme.pstn.twilio.com``; empty: the registrar."""
    country: str = ""
    """The country from which numbers without ``+`` are dialled: two letters like ``"US"``."""
    number_format: NumberFormat = "+e164"
    """How the carrier wants numbers: ``"+e164"`` (+14155550100), ``"e164"`` (14155550100), ``"national"``
    (4155550100), ``"as_dialled"`` (for PBXs: extensions pass untouched)."""
    caller_id: str = ""
    """The number that calls out show: one that is yours at this carrier, or an extension with ``as_dialled``."""
    caller_ids: tuple[str, ...] = ()
    """Further numbers that a call may show instead."""
    caller_name: str = ""
    """The name shown beside it."""
    calls_per_second: Annotated[float, Gt(0)] = 1
    """New calls out; more wait up to 5 s for their turn (Twilio allows 1 at first, Plivo 2, Telnyx 20)."""
    options_every: float = 0
    """Seconds between OPTIONS requests that check whether the trunk answers, at least 15; 0: never."""
    test_number: str = ""
    """A number that answers with an echo, which `sipgw doctor` calls to hear both directions; empty: none."""
    networks: tuple[str, ...] = ()
    """Networks from which its calls come. The addresses of a registered trunk's registrar are added automatically."""
    proof: Literal["network", "digest"] = "network"
    """The proof that its calls need. `network`: that they come from `networks` (carriers). `digest`: also an account
    with this trunk's name (PBXs and phones); without `networks`, from the account's own."""
    expires: float = 3600
    """Seconds asked for a registration."""
    max_calls: int = 100
    """Calls at the same time; one more is answered 503, on which carriers try their next destination."""
    srtp: Policy = "optional"
    """Encrypted sound, with keys in the session description (SDES; use TLS, or everybody on the way can read them).
    `required`: calls without it are answered 488. `optional`: whatever the other side does, plain or encrypted; our
    own calls offer it over TLS only. `off`: never; a call that wants it is answered 488."""
    inband_keys: bool = False
    """Whether keys are listened for in the sound itself, in calls for which no telephone events (RFC 4733) were agreed.
    For old PBXs and analogue gateways."""
    trust_identity: bool = True
    """Whether the caller's number is taken from P-Asserted-Identity and Remote-Party-ID. Set it to false for
    softphones, whose users can write anything there."""
    verdicts: tuple[Verdict, ...] = ()
    """Verdicts on the caller's number, one of which must hold; otherwise the call is refused as one of
    `[limits] blocked`. ``["verified"]`` lets in only numbers that our check or the carrier has verified; see
    `[[routes]]`. Empty: all."""
    redirect_to: tuple[str, ...] = ()
    """Hosts that this trunk may send our calls on to (302), beside its own domain, its registrar and what is in
    `networks`. A number that it names passes the gate first; whatever else it names is not followed."""
    transfer_to: str = ""
    """The person that callers are transferred to: a number, which `refer_to` or the trunk's domain and format
    complete, a SIP or tel URI, or ``sip:USER`` of one of the accounts; empty: no transfers."""
    refer_to: str = ""
    """How this carrier wants numbers in a transfer, e.g. Telnyx ``"sip:{e164}@sip.telnyx.com"``, Twilio
    ``"sip:{e164}@NAME.pstn.twilio.com"``, Plivo ``"sip:{e164}@TRUNK.zt.plivo.com"``; ``{e164}`` has its +, ``{digits}``
    has not. Empty: at the domain or registrar, or a tel URI."""
    attended_transfer: bool = False
    """Whether the person is called first, and connected with the caller after answering. PBXs only: carriers connect
    blindly."""
    await_bye: Annotated[float, Interval(ge=0, le=30)] = 0
    """How long to wait for the other side's BYE after a transfer, at most 30 s; then the gateway hangs up. Plivo hangs
    up by itself, Twilio waits for us."""
    accept_refer: bool = False
    """Whether this side may send the agent to somebody else in a call (REFER). It costs calls: for your own PBX."""

    def __post_init__(self) -> None:
        check_networks(self.networks, "networks")
        for name in ("user", "auth_user"):
            if ":" in getattr(self, name):
                raise RuleError("must have no colon; write the password as password", name)
        if self.mode == "register" and not (self.registrar and self.user):
            raise RuleError(f"trunk {self.name!r} registers, so it needs 'registrar' and 'user'", "mode")
        if self.mode == "peer" and not self.networks and self.proof == "network":
            raise RuleError(
                f"trunk {self.name!r} is a peer, so it needs 'networks': the addresses its calls come from", "mode"
            )
        for name, attribute in _ADDRESSES.items():
            with about(name):
                uri = getattr(self, attribute)
            if uri is not None and uri.password:  # commands and logs show these addresses
                raise RuleError(NO_PASSWORD, name)
        if self.options_every and self.options_every < SHORTEST:
            raise RuleError(f"must be at least {SHORTEST:.0f} s: carriers ban who asks more often", "options_every")
        if set(self.caller_name) & set('"\\\r\n'):
            raise RuleError("must be without quotes, backslashes and line breaks", "caller_name")
        with about("country"):
            check_country(self.country)
        for name, numbers in (("caller_id", (self.caller_id,)), ("caller_ids", self.caller_ids)):
            with about(name):
                [self._as_e164(number) for number in numbers if number]

    @cached_property
    def registrar_uri(self) -> Uri | None:
        """Where to register, or None for a peer."""
        return _uri(self.registrar)

    @cached_property
    def proxy_uri(self) -> Uri | None:
        """Where everything is sent, or None for the registrar or domain itself."""
        return _uri(self.outbound_proxy)

    @cached_property
    def domain_uri(self) -> Uri | None:
        """Where calls out go, or None if there are none."""
        return _uri(self.domain) or self.registrar_uri

    @cached_property
    def transfer_uri(self) -> Uri | None:
        """Where callers are transferred to, or None. Raises `RuleError` for a number that cannot be completed."""
        number = _NUMBER.fullmatch(self.transfer_to)
        if number is not None:
            return self._person(number[1])
        if self.number_format == "as_dialled" and self.transfer_to and not set(self.transfer_to) & set("@:."):
            return self.number_uri(self.transfer_to)
        return _uri(self.transfer_to)

    def _person(self, number: str) -> Uri:
        digits = re.sub("[^0-9]", "", number)
        with_plus = f"+{digits}" if number.startswith("+") else ""
        if not self.refer_to:
            if self.domain_uri is None:
                return Uri("tel", with_plus or digits)
            try:
                return self.number_uri(number)
            except NumberError:  # an extension
                return replace(self.domain_uri, user=with_plus or digits)
        if "{e164}" in self.refer_to and not with_plus:
            raise RuleError(f"{self.transfer_to!r} needs + and its country code for refer_to", "transfer_to")
        text = self.refer_to
        for name, value in (("e164", with_plus), ("digits", digits), ("number", with_plus or digits)):
            text = text.replace(f"{{{name}}}", value)
        if "{" in text:
            raise RuleError(f"{self.refer_to!r} has a placeholder that is none of {{e164}}, {{digits}}", "refer_to")
        with about("refer_to"):
            uri = Uri.parse(text)
        if uri.scheme not in ("sip", "sips", "tel"):
            raise RuleError(f"{uri} is not a SIP address", "refer_to")
        if uri.password:
            raise RuleError(NO_PASSWORD, "refer_to")
        return uri

    def number_uri(self, number: str) -> Uri:
        """The Request-URI or Refer-To of a telephone number on this trunk. Raises `NumberError`."""
        if self.domain_uri is None:
            raise NumberError(f"trunk {self.name!r} needs a 'domain' to reach {number}")
        return replace(self.domain_uri, user=shaped(number, self.number_format, self.country))

    def from_carrier(self, number: str) -> str:
        """A `number` that the carrier has sent, in E.164; an extension or another text stays unchanged."""
        return known(number, self.number_format, self.country)

    def may_show(self, number: str) -> bool:
        """Whether a call out may show `number`; carriers refuse numbers that are not ours."""
        try:
            wanted = self._as_e164(number)
        except NumberError:
            return False
        return any(self._as_e164(own) == wanted for own in (self.caller_id, *self.caller_ids) if own)

    def shows(self, wished: str = "") -> str:
        """The number that a call shows which wishes to show `wished`; empty if the trunk has none."""
        shown = wished if wished and self.may_show(wished) else self.caller_id
        return self._as_e164(shown) if shown else ""

    def _as_e164(self, number: str) -> str:
        if self.number_format == "as_dialled":
            return shaped(number, "as_dialled")
        return e164(number, self.country)

    @property
    def credentials(self) -> Credentials | None:
        """For answering digest challenges."""
        return Credentials(self.auth_user or self.user, self.password) if self.user else None
