"""Options of the gate: allowed destinations, calling hours, consent, caps and lists."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Annotated, Literal

from annotated_types import Ge

from agent.rules.rule_error import Keys, RuleError
from sipgw.config.hours import Day, WeeklyHours
from sipgw.config.numbers import check_country
from sipgw.config.options import about
from sipgw.config.scope import GATEWAY

Purpose = Literal["call", "callback", "campaign", "transfer"]
_PREFIX = re.compile(r"\+[1-9]\d{0,14}")
_EXTENSION = re.compile(r"[0-9?]{1,8}|[A-Za-z][A-Za-z0-9._-]{0,31}")


@dataclass(frozen=True)
class WindowOptions:
    """Hours of the week in which people may be called, in the time zone of the called number."""

    hours: str = "09:00-20:00"
    """Begin and end, as ``"09:00-20:00"``; ``"22:00-02:00"`` ends on the next day, ``"00:00-24:00"`` is all day."""
    days: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat")
    """The days on which these hours begin."""
    countries: tuple[str, ...] = ()
    """Countries of the numbers, two letters each. Empty: every country that no other window names."""

    def __post_init__(self) -> None:
        self.span  # noqa: B018  invalid hours are reported now

    @cached_property
    def span(self) -> WeeklyHours:
        """`hours` and `days`, parsed."""
        return WeeklyHours.parse(self.hours, self.days)

    def __str__(self) -> str:
        return f"{self.hours} on {', '.join(self.days)}"


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
    """The rules for outgoing calls. An agent's file may change them for its own calls."""

    countries: tuple[str, ...] = ()
    """Countries whose numbers may be dialled, two letters each. Empty: the trunk's own `country`."""
    prefixes: tuple[str, ...] = ()
    """Beginnings of further numbers that may be dialled: ``"+4420"``. Premium-rate numbers stay refused."""
    never: tuple[str, ...] = ()
    """Beginnings of numbers that are never dialled."""
    extensions: tuple[str, ...] = ()
    """Extensions and names of a PBX that may be dialled through `as_dialled` trunks: ``"1???"``, ``"anna"``; ``?`` is
    any digit. No other rule of the gate applies to them."""
    dnc_files: tuple[str, ...] = ()
    """Files of numbers that must not be called: one number a line, or the first column of a CSV. A changed file is read
    again. The files of all agents apply to every agent."""
    dnc_country: str = ""
    """Country of the numbers without ``+`` in these files; empty: these numbers begin with the country code."""
    hook: str = ""
    """Python file, next to the configuration, with ``def may_call(dial)``. True allows the call. False or a text (the
    reason) refuses it, and so does an error, or no answer within 2 s. The function may be async."""
    windows: tuple[WindowOptions, ...] = (WindowOptions(), WindowOptions("10:00-20:00", countries=("IN",)))
    """Hours in which people may be called, in the time zone of the called number."""
    holidays: tuple[str, ...] = ()
    """Days without calls: one day ``"2026-11-26"``, a day of each year ``"12-25"``, in one country only
    ``"US:07-04"``."""
    consent: Literal["never", "promotional", "always"] = "promotional"
    """Which calls are made only to people who have agreed to be called."""
    consent_campaigns: tuple[str, ...] = ()
    """Campaigns that need consent in any case; ``*`` in a name stands for any text."""
    promotional: tuple[Purpose, ...] = ("campaign",)
    """Kinds of calls that count as promotional: any of ``call``, ``callback``, ``campaign`` and ``transfer``."""
    per_number_per_day: Annotated[int, Ge(1)] = 3
    """Maximum calls to one number within 24 hours."""
    per_number_per_week: Annotated[int, Ge(1)] = 7
    """Maximum calls to one number within 7 days."""
    per_day: Annotated[int, Ge(1)] = 1000
    """Maximum calls to all numbers within 24 hours."""
    audit: str = field(default="", metadata=GATEWAY)
    """Folder of the audit: a file of JSON lines for each month, one line for each decision. Empty: the path of the
    database with ``.gate`` after it."""
    stop_key: Literal["", "*", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9"] = ""
    """Key with which people put themselves on the do-not-call list: ``"*"`` or a digit; empty: no key."""
    india: IndiaOptions = field(default_factory=IndiaOptions)
    """The DLT registration of promotional calls to India."""

    def __post_init__(self) -> None:
        _check_countries(self.countries, "countries")
        _check_countries((self.dnc_country,), "dnc_country")
        for at, window in enumerate(self.windows):
            _check_countries(window.countries, ("windows", at, "countries"))
        for name in ("prefixes", "never"):
            if wrong := [prefix for prefix in getattr(self, name) if not _PREFIX.fullmatch(prefix)]:
                raise RuleError(f'{wrong[0]!r} must be + and digits, like "+4420"', name)
        for pattern in self.extensions:
            if not _EXTENSION.fullmatch(pattern):
                raise RuleError(f'{pattern!r} must be a name, or up to 8 digits and ?, like "1???"', "extensions")
        check_holidays(self.holidays)


def _check_countries(countries: Sequence[str], key: str | Keys) -> None:
    for country in countries:
        with about(key):
            check_country(country)
        if country != country.upper():
            raise RuleError(f"countries are written in capitals: {country.upper()!r}", key)


_HOLIDAY = re.compile(r"(?:([A-Z]{2}):)?(?:(\d{4})-)?(\d{2})-(\d{2})")


def check_holidays(holidays: Sequence[str]) -> None:
    """Raises `RuleError` if one of `holidays` is not like ``"2026-11-26"``, ``"12-25"`` (each year) or
    ``"US:2026-11-26"``."""
    for text in holidays:
        match = _HOLIDAY.fullmatch(text)
        try:
            date(int(match[2] or 2024), int(match[3]), int(match[4])) if match else date.fromisoformat("none")
        except ValueError:
            why = f'{text!r} must be written like "2026-11-26", "12-25" or "US:07-04"'
            raise RuleError(why, "holidays") from None
