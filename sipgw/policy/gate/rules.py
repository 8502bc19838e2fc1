"""The rules for every outgoing call: which numbers, whom and when. Sans-IO. Every rule fails closed.

Each rule is a function from a `GateCase` to None or a `GateRefusal` that says in plain words why, and what to change.
"""

from collections.abc import Callable
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, NamedTuple, get_args

from sipgw.config.emergency import emergency_number, is_extension
from sipgw.config.gate import GateOptions, Purpose
from sipgw.config.hours import zone_named
from sipgw.config.numbers import NumberError, e164
from sipgw.config.trunks import TrunkOptions
from sipgw.policy.gate.windows import Hours

PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
WORLD = "001"
"""The region of numbers that belong to no country: satellites, international premium rate, networks in ships."""
COSTLY = {
    "PREMIUM_RATE": "premium rate number",
    "SHARED_COST": "shared cost number",
    "PERSONAL_NUMBER": "personal number",
    "PAGER": "pager",
}
"""Kinds of number, by `phonenumbers`, that the caller pays extra for: they are never dialled."""


class GateRequest(NamedTuple):
    """A request to call somebody."""

    number: str
    trunk: str
    """The name of the trunk that is tried."""
    agent: str = ""
    purpose: Purpose = "call"
    consent: bool | None = None
    """Whether the person has consented to be called; None if unknown."""
    campaign: str = ""
    caller_id: str = ""
    """The requested caller ID; the trunk decides."""
    counted: frozenset[str] = frozenset()
    """The numbers that were permitted in this call before, on a trunk that failed or redirected the call: the caps have
    counted them."""
    tenant: str = ""
    """Tenant whose call it is: see `GateRefusal.told` and `sipgw.policy.gate.caps.Caps.refusal`."""


class Permit(NamedTuple):
    """The call may be made, once and now, to `number` as it stands here."""

    number: str


class GateRefusal(NamedTuple):
    """The call must not be made."""

    rule: str
    reason: str
    """In plain words: why, and what to change."""
    again: datetime | None = None
    """The time to ask again; None: not before the configuration or the lists change."""
    unable: bool = False
    """Whether the only reason is that the gate could not do its work."""

    def told(self, tenant: str) -> str:
        """The reason as the records of `tenant` have it. Lists, counts and faults concern all tenants, so only their
        kind is told. The audit has the full reason."""
        return self.reason if not tenant or self.rule in OF_THE_NUMBER else FOR_TENANTS.get(self.rule, NOT_NOW)


OF_THE_NUMBER = frozenset(
    ("emergency", "number", "purpose", "premium", "never", "country", "window", "consent", "india")
)
"""Rules that judge by the number, the hour and the configuration alone."""
FOR_TENANTS = {
    "do_not_call": "the number is on a do-not-call list",
    "do_not_call_file": "the number is on a do-not-call list",
    "cap_number": "the number was called as often as it may be",
    "cap_day": "as many calls were made today as may be",
    "hook": "a rule of the installation does not let the number be called",
}
"""The reasons that tenants are told for the other rules."""
NOT_NOW = "the installation cannot judge the call now"


class GateCase(NamedTuple):
    """A dial whose number was parsed."""

    dial: GateRequest
    options: GateOptions
    number: str
    """The number in E.164, or the extension."""
    country: str
    parsed: Any
    """The number as `phonenumbers` has parsed it; None for an extension."""
    home: str
    """The trunk's country; empty if it has none."""
    caller_id: str
    """The caller ID for the called person."""
    now: datetime
    ours: bool = False
    """Whether the dial is a transfer to a person of the configuration, whom the operator has asked."""


NEVER_CALLED = "a gateway makes no emergency calls, and no option allows them"
Rule = Callable[[GateCase], GateRefusal | None]


def understood(
    dial: GateRequest, options: GateOptions, trunk: TrunkOptions | None, now: datetime
) -> GateCase | GateRefusal:
    """The first rules: the trunk exists, and the number is valid and no emergency number."""
    import phonenumbers  # as in `sipgw.config.numbers`

    if trunk is None:
        return GateRefusal("trunk", f"there is no trunk {dial.trunk[:64]!r}; name one of [[trunks]]")
    if dial.purpose not in PURPOSES:
        return GateRefusal("purpose", f"{str(dial.purpose)[:40]!r} is no purpose; there are {', '.join(PURPOSES)}")
    home, shown = trunk.country.upper(), trunk.shows(dial.caller_id)
    extensions = options.extensions if trunk.number_format == "as_dialled" else ()
    if found := emergency_number(dial.number, (home,) if home else options.countries, extensions):
        return GateRefusal("emergency", f"{dial.number[:64]} reaches the emergency number {found}: {NEVER_CALLED}")
    if any(is_extension(dial.number, pattern) for pattern in extensions):
        return GateCase(dial, options, dial.number, "", None, home, shown, now)
    # A PBX interprets digits without + in its own way, so the judged number could differ from the dialled one.
    untouched = trunk.number_format == "as_dialled"
    try:
        number = e164(dial.number, "" if untouched else trunk.country)
    except NumberError as error:
        hint = "; extensions of a PBX stand in [gate] extensions" if trunk.number_format == "as_dialled" else ""
        return GateRefusal("number", f"{error}{hint}")
    parsed = phonenumbers.parse(number)
    if not phonenumbers.is_valid_number(parsed):
        return GateRefusal("number", f"{number} is not in use: no numbers like it are given out; correct it")
    country = str(phonenumbers.region_code_for_number(parsed) or WORLD)
    return GateCase(dial, options, number, country, parsed, home, shown, now)


def destination(case: GateCase) -> GateRefusal | None:
    """Countries and prefixes that may be dialled; premium numbers are never dialled."""
    import phonenumbers

    options, number = case.options, case.number
    kind = phonenumbers.PhoneNumberType.to_string(phonenumbers.number_type(case.parsed))
    if kind in COSTLY:
        return GateRefusal("premium", f"{number} is a {COSTLY[kind]}: never dialled")
    if case.country == WORLD:
        return GateRefusal("premium", f"{number} is a satellite or international service number: never dialled")
    if prefix := next((one for one in options.never if number.startswith(one)), ""):
        return GateRefusal("never", f"{number} begins with {prefix}, which [gate] never forbids")
    if any(number.startswith(one) for one in options.prefixes):
        return None
    allowed = options.countries or ((case.home,) if case.home else ())
    if not allowed:
        return GateRefusal(
            "country",
            "no country may be dialled: give the trunk a 'country', or set [gate] countries",
        )
    if case.country in allowed:
        return None
    return GateRefusal(
        "country",
        f"{number} is in {case.country}, and only {', '.join(allowed)} may be dialled; to allow it add "
        f"{case.country!r} to [gate] countries",
    )


def window(case: GateCase) -> GateRefusal | None:
    """The hours in which the person may be called, in every possible time zone of the number."""
    from phonenumbers import timezone

    names = timezone.time_zones_for_number(case.parsed)
    zones = [zone_named(name) for name in names]
    known = [zone for zone in zones if zone is not None]
    if not known or len(known) < len(zones) or "Etc/Unknown" in names:
        return GateRefusal("window", f"the local time of {case.number} is not known, so it is not called")
    options = case.options
    hours = Hours.of(options.windows, options.holidays, case.country)
    closed = hours.closed(case.now, known)
    if not closed:
        return None
    when = "; ".join(map(str, hours.windows)) or f"never: no [[gate.windows]] is for {case.country}"
    zones_text = f", which may be in {len(known)} time zones" if len(known) > 1 else ""
    return GateRefusal(
        "window",
        f"{case.number}{zones_text}: {closed}; people there may be called {when} ([[gate.windows]])",
        hours.opens(case.now, known),
    )


def consent(case: GateCase) -> GateRefusal | None:
    """Calls that need the person's agreement."""
    dial, options = case.dial, case.options
    if dial.consent is True:
        return None
    why = ""
    if options.consent == "always":
        why = "every call needs it ([gate] consent)"
    elif options.consent == "promotional" and dial.purpose in options.promotional:
        why = f"a {dial.purpose} is promotion, which needs it ([gate] consent)"
    elif dial.campaign and any(_is_meant(dial.campaign, pattern) for pattern in options.consent_campaigns):
        why = f"the campaign {dial.campaign!r} needs it ([gate] consent_campaigns)"
    if not why:
        return None
    knows = "has not agreed" if dial.consent is False else "is not known to have agreed"
    return GateRefusal("consent", f"the person at {case.number} {knows} to be called, and {why}")


def _is_meant(campaign: str, pattern: str) -> bool:
    """Whether `pattern` fits the name of a campaign, with or without its tenant (``tenant/name``)."""
    return fnmatchcase(campaign, pattern) or fnmatchcase(campaign.rpartition("/")[2], pattern)


def india(case: GateCase) -> GateRefusal | None:
    """Promotional calls to India must be registered and show a number of the 140 series; other calls must not show one.

    TRAI's Telecom Commercial Communications Customer Preference Regulations, 2018; the 1600 series is for service and
    transactional calls of banks, insurers and the government (DoT's memorandum of 28 May 2024).
    """
    if case.country != "IN":
        return None
    shown = case.caller_id.removeprefix("+91").removeprefix("0")
    if case.dial.purpose not in case.options.promotional:
        if shown.startswith("140"):
            return GateRefusal(
                "india",
                f"the caller ID {case.caller_id} is of the 140 series, for promotion only",
            )
        return None
    registered = case.options.india
    names = ("entity_id", "header_id", "template_id")
    if missing := [name for name in names if not getattr(registered, name)]:
        return GateRefusal(
            "india",
            f"{case.number} is in India, where promotional calls are registered (DLT): set {', '.join(missing)} in "
            "[gate.india]",
        )
    if not shown.startswith("140"):
        return GateRefusal(
            "india",
            f"promotional calls to India must show a number of the 140 series, not {case.caller_id or 'none'}: set the "
            "trunk's caller_id",
        )
    return None


BEFORE_LISTS: tuple[Rule, ...] = (destination,)
AFTER_LISTS: tuple[Rule, ...] = (window, consent, india)


def refusal(case: GateCase, rules: tuple[Rule, ...], *, later: bool = False) -> GateRefusal | None:
    """The first refusal of `rules`; with `later`, the first that would be the same at a later time."""
    said = (found for rule in rules if (found := rule(case)) is not None)
    return next((found for found in said if not (later and found.again)), None)
