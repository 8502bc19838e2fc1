"""The rules in front of every call out: what may be dialled, whom and when. Sans-IO; every rule fails closed.

Each rule is a function from a `Case` to None or a `Refused` that says in plain words why, and what to change.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, Literal, NamedTuple, get_args

from sipgw.gate.windows import Hours, WindowOptions, check_holidays, zone_of
from sipgw.numbers import NumberError, check_country, e164
from sipgw.trunks.trunks import TrunkOptions

Purpose = Literal["call", "callback", "campaign", "transfer"]
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

_PREFIX = re.compile(r"\+[1-9]\d{0,14}")
_EXTENSION = re.compile(r"[0-9?]{1,8}|[A-Za-z][A-Za-z0-9._-]{0,31}")


class GateRequest(NamedTuple):
    """A wish to call somebody."""

    number: str
    trunk: str
    """The name of the trunk that is tried."""
    agent: str = ""
    purpose: Purpose = "call"
    consent: bool | None = None
    """Whether the person has agreed to be called; None if nobody knows."""
    campaign: str = ""
    caller_id: str = ""
    """The number that it wishes to show; the trunk has the last word."""
    counted: bool = False
    """Whether it was let out on another trunk already, which has failed: the caps have it."""


class Permit(NamedTuple):
    """The call may be made, once and now, to `number` as it stands here."""

    number: str


class Refused(NamedTuple):
    """The call must not be made."""

    rule: str
    reason: str
    """In plain words: why, and what to change."""
    again: datetime | None = None
    """When it is worth asking again; None: not before somebody changes something."""
    unable: bool = False
    """Whether only the gate is to blame, which could not do its work."""


@dataclass(frozen=True)
class IndiaOptions:
    """Registration of promotional calls to India on a DLT platform (TRAI's TCCCPR 2018)."""

    entity_id: str = ""
    """The registered principal entity (PE)."""
    header_id: str = ""
    """The registered voice header."""
    template_id: str = ""
    """The registered template of what is said."""


@dataclass(frozen=True)
class GateOptions:
    """What may be dialled. An agent's file may change it for its own calls."""

    countries: tuple[str, ...] = ()
    """Two letters each: whose numbers may be dialled. Empty: those of the trunk's own `country`."""
    prefixes: tuple[str, ...] = ()
    """Further numbers that may be dialled, by their beginning: ``"+4420"``. Premium rate stays refused."""
    never: tuple[str, ...] = ()
    """Beginnings of numbers that are never dialled."""
    extensions: tuple[str, ...] = ()
    """Extensions and names of a PBX that may be dialled through `as_dialled` trunks: ``"1???"``, ``"anna"``; ``?`` is
    any digit. No other rule asks about them."""
    dnc_files: tuple[str, ...] = ()
    """Files of numbers that must not be called: one a line, or the first column of a CSV; read again when changed.
    The files of all agents hold for all of them."""
    dnc_country: str = ""
    """Where numbers without ``+`` in these files are dialled from; empty: they begin with the country code."""
    hook: str = ""
    """Python file, next to the configuration, with ``def may_call(dial)``: True lets the call out; False or a text, the
    reason, does not; nor does an error or a late answer. It may be async."""
    hook_limit: float = 2.0
    """How long the hook may take."""
    windows: tuple[WindowOptions, ...] = (WindowOptions(), WindowOptions("10:00-20:00", countries=("IN",)))
    """When people may be called, by their own clock."""
    holidays: tuple[str, ...] = ()
    """Days without calls: ``"2026-11-26"``, each year ``"12-25"``, in one country ``"US:07-04"``."""
    consent: Literal["never", "promotional", "always"] = "promotional"
    """Which calls are made only to people who have agreed to be called."""
    consent_campaigns: tuple[str, ...] = ()
    """Campaigns that need consent in any case; ``*`` stands for anything."""
    promotional: tuple[Purpose, ...] = ("campaign",)
    """What counts as promotion, of ``call``, ``callback``, ``campaign`` and ``transfer``."""
    per_number_per_day: int = 3
    """Calls to one number within 24 hours."""
    per_number_per_week: int = 7
    """Calls to one number within 7 days."""
    per_day: int = 1000
    """Calls to all numbers within 24 hours."""
    audit: str = ""
    """Folder of the audit: a file of JSON lines for each month, one line for each decision. Empty: the path of the
    database with ``.gate`` behind it."""
    stop_key: str = ""
    """Key by which callers put themselves on the do-not-call list: ``"*"`` or a digit; empty: none."""
    india: IndiaOptions = field(default_factory=IndiaOptions)
    """For promotional calls to India."""

    def __post_init__(self) -> None:
        for country in (*self.countries, self.dnc_country, *(c for window in self.windows for c in window.countries)):
            check_country(country)
            if country != country.upper():
                raise ValueError(f"countries are written in capitals: {country.upper()!r}")
        for prefix in (*self.prefixes, *self.never):
            if not _PREFIX.fullmatch(prefix):
                raise ValueError(f'prefix {prefix!r} must be + and digits, like "+4420"')
        for pattern in self.extensions:
            if not _EXTENSION.fullmatch(pattern):
                raise ValueError(f'extension {pattern!r} must be a name, or up to 8 digits and ?, like "1???"')
        for name in ("per_number_per_day", "per_number_per_week", "per_day", "hook_limit"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be more than 0")
        if self.stop_key not in ("", *"0123456789*"):
            raise ValueError(f'stop_key {self.stop_key!r} must be "*" or a digit')
        check_holidays(self.holidays)


class Case(NamedTuple):
    """A dial whose number is understood."""

    dial: GateRequest
    options: GateOptions
    number: str
    """E.164, or the extension."""
    country: str
    parsed: Any
    """By `phonenumbers`; None for an extension."""
    home: str
    """The trunk's country; empty if it has none."""
    caller_id: str
    """What the person called will see."""
    now: datetime


Rule = Callable[[Case], Refused | None]


def understood(dial: GateRequest, options: GateOptions, trunk: TrunkOptions | None, now: datetime) -> Case | Refused:
    """The first rule: the number is a valid one, on a trunk that is there."""
    import phonenumbers  # as in `sipgw.numbers`

    if trunk is None:
        return Refused("trunk", f"there is no trunk {dial.trunk[:64]!r}; name one of [[trunks]]")
    if dial.purpose not in PURPOSES:
        return Refused("purpose", f"{str(dial.purpose)[:40]!r} is no purpose; there are {', '.join(PURPOSES)}")
    home, shown = trunk.country.upper(), trunk.shows(dial.caller_id)
    if trunk.number_format == "as_dialled" and any(_is(dial.number, pattern) for pattern in options.extensions):
        return Case(dial, options, dial.number, "", None, home, shown, now)
    # A PBX reads digits without + in its own way, so what is judged would not be what is dialled.
    untouched = trunk.number_format == "as_dialled"
    try:
        number = e164(dial.number, "" if untouched else trunk.country)
    except NumberError as error:
        hint = "; extensions of a PBX stand in [gate] extensions" if trunk.number_format == "as_dialled" else ""
        return Refused("number", f"{error}{hint}")
    parsed = phonenumbers.parse(number)
    if not phonenumbers.is_valid_number(parsed):
        return Refused("number", f"{number} is not in use: no numbers like it are given out; correct it")
    country = str(phonenumbers.region_code_for_number(parsed) or WORLD)
    return Case(dial, options, number, country, parsed, home, shown, now)


def _is(number: str, pattern: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\?", "[0-9]"), number) is not None


def destination(case: Case) -> Refused | None:
    """Countries and prefixes that may be dialled; what costs the caller extra never."""
    import phonenumbers

    options, number = case.options, case.number
    kind = phonenumbers.PhoneNumberType.to_string(phonenumbers.number_type(case.parsed))
    if kind in COSTLY:
        return Refused("premium", f"{number} is a {COSTLY[kind]}: never dialled")
    if case.country == WORLD:
        return Refused("premium", f"{number} is a satellite or international service number: never dialled")
    if prefix := next((one for one in options.never if number.startswith(one)), ""):
        return Refused("never", f"{number} begins with {prefix}, which [gate] never forbids")
    if any(number.startswith(one) for one in options.prefixes):
        return None
    allowed = options.countries or ((case.home,) if case.home else ())
    if not allowed:
        return Refused(
            "country",
            f"no country may be dialled through {case.dial.trunk!r}: give it a 'country', or set [gate] countries",
        )
    if case.country in allowed:
        return None
    return Refused(
        "country",
        f"{number} is in {case.country}, and only {', '.join(allowed)} may be dialled; to allow it add "
        f"{case.country!r} to [gate] countries",
    )


def window(case: Case) -> Refused | None:
    """The hours in which the person may be called, in every zone that the number may be in."""
    from phonenumbers import timezone

    names = timezone.time_zones_for_number(case.parsed)
    zones = [zone_of(name) for name in names]
    known = [zone for zone in zones if zone is not None]
    if not known or len(known) < len(zones) or "Etc/Unknown" in names:
        return Refused("window", f"nobody knows what time it is where {case.number} is, so it is not called")
    options = case.options
    hours = Hours.of(options.windows, options.holidays, case.country)
    closed = hours.closed(case.now, known)
    if not closed:
        return None
    when = "; ".join(map(str, hours.windows)) or f"never: no [[gate.windows]] is for {case.country}"
    zones_text = f", which may be in {len(known)} time zones" if len(known) > 1 else ""
    return Refused(
        "window",
        f"{case.number}{zones_text}: {closed}; people there may be called {when} ([[gate.windows]])",
        hours.opens(case.now, known),
    )


def consent(case: Case) -> Refused | None:
    """Calls that need the person's agreement."""
    dial, options = case.dial, case.options
    if dial.consent is True:
        return None
    why = ""
    if options.consent == "always":
        why = "every call needs it ([gate] consent)"
    elif options.consent == "promotional" and dial.purpose in options.promotional:
        why = f"a {dial.purpose} is promotion, which needs it ([gate] consent)"
    elif dial.campaign and any(fnmatchcase(dial.campaign, pattern) for pattern in options.consent_campaigns):
        why = f"the campaign {dial.campaign!r} needs it ([gate] consent_campaigns)"
    if not why:
        return None
    knows = "has not agreed" if dial.consent is False else "is not known to have agreed"
    return Refused("consent", f"the person at {case.number} {knows} to be called, and {why}")


def india(case: Case) -> Refused | None:
    """Promotional calls to India: registered, and shown as the 140 series; other calls never as that series.

    TRAI's Telecom Commercial Communications Customer Preference Regulations, 2018; the 1600 series is for service and
    transactional calls of banks, insurers and the government (DoT's memorandum of 28 May 2024).
    """
    if case.country != "IN":
        return None
    shown = case.caller_id.removeprefix("+91").removeprefix("0")
    if case.dial.purpose not in case.options.promotional:
        if shown.startswith("140"):
            return Refused(
                "india",
                f"the caller ID {case.caller_id} is of the 140 series, for promotion only",
            )
        return None
    registered = case.options.india
    names = ("entity_id", "header_id", "template_id")
    if missing := [name for name in names if not getattr(registered, name)]:
        return Refused(
            "india",
            f"{case.number} is in India, where promotional calls are registered (DLT): set {', '.join(missing)} in "
            "[gate.india]",
        )
    if not shown.startswith("140"):
        return Refused(
            "india",
            f"promotional calls to India must show a number of the 140 series, not {case.caller_id or 'none'}: set the "
            "trunk's caller_id",
        )
    return None


BEFORE_LISTS: tuple[Rule, ...] = (destination,)
AFTER_LISTS: tuple[Rule, ...] = (window, consent, india)


def refusal(case: Case, rules: tuple[Rule, ...], *, later: bool = False) -> Refused | None:
    """What the first of `rules` that refuses says; with `later` of those that will still do so after any wait."""
    said = (found for rule in rules if (found := rule(case)) is not None)
    return next((found for found in said if not (later and found.again)), None)
