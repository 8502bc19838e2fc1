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
"""The options that hold an address, and the property that parses each of them."""
OWN_TRUNKS = ("local", "accounts", "browser")
"""Names of the trunks of calls without a configured one: from private networks, of accounts, and from browsers."""


def _uri(text: str) -> Uri | None:
    if not text:
        return None
    scheme = text.partition(":")[0].lower()
    return Uri.parse(text if scheme in ("sip", "sips", "tel") else f"sip:{text}")


@dataclass(frozen=True)
class TrunkOptions:
    """One carrier, PBX or network of softphones."""

    name: str
    """Name of the trunk in logs and records."""
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
    """The name that calls show beside `caller_id`."""
    calls_per_second: Annotated[float, Gt(0)] = 1
    """New outgoing calls per second; further calls wait up to 5 s for their turn (Twilio allows 1 at first, Plivo 2,
    Telnyx 20)."""
    options_every: float = 0
    """Seconds between OPTIONS requests that check whether the trunk answers, at least 15; 0: never."""
    test_number: str = ""
    """A number that answers with an echo. `sipgw doctor` calls it to test both directions; empty: no such number."""
    networks: tuple[str, ...] = ()
    """Networks from which the trunk's calls come. The addresses of a registered trunk's registrar are added
    automatically."""
    proof: Literal["network", "digest"] = "network"
    """The proof that calls of this trunk need. `network`: they come from `networks` (carriers). `digest`: they also
    sign in with an account that names this trunk (PBXs and phones); without `networks`, they come from the account's
    networks."""
    expires: float = 3600
    """Seconds for which the gateway asks to be registered."""
    max_calls: int = 100
    """Maximum calls at the same time. A further call is answered with 503, so that the carrier tries its next
    destination."""
    srtp: Policy = "optional"
    """Encrypted sound (SRTP), with keys in the session description (SDES). Use TLS, or everybody on the way can read
    the keys. `required`: calls without encryption are answered with 488. `optional`: as the other side wants; our own
    calls offer encryption over TLS only. `off`: a call that requires encryption is answered with 488."""
    inband_keys: bool = False
    """Whether pressed keys are detected in the sound itself, in calls without telephone events (RFC 4733). For old PBXs
    and analogue gateways."""
    trust_identity: bool = True
    """Whether the caller's number is taken from P-Asserted-Identity and Remote-Party-ID. Set it to false for
    softphones, whose users can write anything there."""
    verdicts: tuple[Verdict, ...] = ()
    """Verdicts on the caller's number, one of which must be true; otherwise the call is refused like one of `[limits]
    blocked`. ``["verified"]`` admits only numbers that our check or the carrier has verified; see `[[routes]]`. Empty:
    all calls."""
    redirect_to: tuple[str, ...] = ()
    """Hosts to which this trunk may redirect our calls (302), besides its domain, its registrar and `networks`. A
    number in the redirection passes the gate first. Other targets are not called."""
    transfer_to: str = ""
    """The person that callers are transferred to: a number, which `refer_to` or the trunk's domain and format
    complete, a SIP or tel URI, or ``sip:USER`` of one of the accounts; empty: no transfers."""
    refer_to: str = ""
    """How this carrier wants numbers in a transfer, e.g. Telnyx ``"sip:{e164}@sip.telnyx.com"``, Twilio
    ``"sip:{e164}@NAME.pstn.twilio.com"``, Plivo ``"sip:{e164}@TRUNK.zt.plivo.com"``. ``{e164}`` has its +, ``{digits}``
    has not. Empty: a SIP URI at the domain or registrar, or a tel URI."""
    attended_transfer: bool = False
    """Whether the person is called first, and is connected with the caller after the answer. Only for PBXs, because
    carriers connect blindly."""
    await_bye: Annotated[float, Interval(ge=0, le=30)] = 0
    """Seconds to wait for the other side's BYE after a transfer, at most 30; then the gateway hangs up. Plivo hangs up
    by itself, Twilio waits for us."""
    accept_refer: bool = False
    """Whether the other side may transfer the agent to somebody else (REFER). The gateway then makes calls at your
    cost: use it only for your own PBX."""

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
            if uri is not None and uri.password:  # commands and logs show addresses
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
        """The address at which to register; None for a peer."""
        return _uri(self.registrar)

    @cached_property
    def proxy_uri(self) -> Uri | None:
        """The address to which all requests are sent; None: they go to the registrar or domain itself."""
        return _uri(self.outbound_proxy)

    @cached_property
    def domain_uri(self) -> Uri | None:
        """The address of outgoing calls; None if the trunk makes none."""
        return _uri(self.domain) or self.registrar_uri

    @cached_property
    def transfer_uri(self) -> Uri | None:
        """The address to which callers are transferred; None without transfers. Raises `RuleError` for a number that
        cannot be completed."""
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
        """`number`, as the carrier sent it, in E.164; an extension or another text stays unchanged."""
        return known(number, self.number_format, self.country)

    def may_show(self, number: str) -> bool:
        """Whether an outgoing call may show `number`: it must be `caller_id` or one of `caller_ids`."""
        try:
            wanted = self._as_e164(number)
        except NumberError:
            return False
        return any(self._as_e164(own) == wanted for own in (self.caller_id, *self.caller_ids) if own)

    def shows(self, wished: str = "") -> str:
        """The number that a call shows: `wished` if it may be shown, otherwise `caller_id`; empty if the trunk has
        none."""
        shown = wished if wished and self.may_show(wished) else self.caller_id
        return self._as_e164(shown) if shown else ""

    def _as_e164(self, number: str) -> str:
        if self.number_format == "as_dialled":
            return shaped(number, "as_dialled")
        return e164(number, self.country)

    @property
    def credentials(self) -> Credentials | None:
        """User name and password that answer digest challenges; None if the trunk has no user."""
        return Credentials(self.auth_user or self.user, self.password) if self.user else None
