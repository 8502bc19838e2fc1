"""People to whom callers can be transferred, and options of transfers."""

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from annotated_types import Interval, MaxLen

from agent.providers.extra import FIXED
from agent.rules.rule_error import RuleError
from sipgw.config.hours import WeeklyHours, check_holidays, zone_of
from sipgw.config.options import about
from sipgw.sip.uri import Uri

Mode = Literal["refer", "attended", "bridge", "warm"]
_NAME = re.compile(r"[a-z0-9][a-z0-9 _-]{0,39}")
_NUMBER = re.compile(r"\+?[0-9*#][0-9*# ().-]{0,39}|[A-Za-z0-9*#_]{1,40}")


@dataclass(frozen=True)
class PersonOptions:
    """A person to whom callers can be transferred. Several of one name are tried in the order of the configuration."""

    name: str
    """The name that the model uses, in lower case: ``billing``, ``anna``."""
    to: str
    """A telephone number or extension, a SIP or tel URI, or ``sip:USER`` of one of the accounts."""
    trunk: str = ""
    """The trunk for calls to a number; empty: the first trunk that can call it."""
    mode: Mode = "bridge"
    """How callers are connected. `bridge`: the gateway calls the person and joins the two calls. `warm`: like `bridge`,
    but first the agent tells the person why the caller calls, and the person may decline. With `attended_transfer` of
    the caller's trunk, its PBX then connects the two. `refer`: the caller's carrier connects the two (blind).
    `attended`: the gateway calls the person, then the caller's PBX connects the two (Refer-To with Replaces)."""
    about: Annotated[str, MaxLen(200)] = ""
    """The person's task, as the model reads it: "questions about invoices"."""
    hours: tuple[str, ...] = ()
    """When the person is there: ``["mon-fri 09:00-17:30", "sat 10:00-14:00"]``; empty: always."""
    holidays: str = ""
    """Country or region of the person: ``"US"``, ``"DE-BY"``. The person is not there on its public holidays (pip
    install 'sipgw[holidays]'). Empty: no holidays."""
    time_zone: str = "UTC"
    """Time zone of `hours`, such as ``Europe/Berlin``."""
    ring_timeout: Annotated[float, Interval(ge=3, le=120)] = 25.0
    """Seconds for which the person's phone may ring."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise RuleError(f"{self.name!r}: lower case letters, digits, spaces, - and _, at most 40 of them", "name")
        check_holidays(self.holidays)
        self.uri, self.spans, self.zone  # noqa: B018  what cannot be used is told now

    @cached_property
    def uri(self) -> Uri:
        """The address of the person: a tel URI for a number."""
        if self.to.lower().startswith(("sip:", "sips:", "tel:")):
            with about("to"):
                return Uri.parse(self.to)
        if not _NUMBER.fullmatch(self.to):
            raise RuleError(f"{self.to!r} is neither a number nor a sip: or tel: address", "to")
        return Uri("tel", re.sub("[ ().-]", "", self.to))

    @cached_property
    def spans(self) -> tuple[WeeklyHours, ...]:
        """`hours`, parsed."""
        return tuple(map(WeeklyHours.parse, self.hours))

    @cached_property
    def zone(self) -> ZoneInfo:
        """The time zone of `hours`."""
        return zone_of(self.time_zone)


@dataclass(frozen=True)
class TransferOptions:
    """How callers are joined with people."""

    music: str = ""
    """The music that callers hear while they wait: a mono 8 kHz mu-law WAV file of at most 130 s. Empty: a quiet tune
    that comes with sipgw."""
    longest: float = field(default=7200.0, metadata=FIXED)
    """Seconds that the two may speak through the gateway. Then it hangs both calls up, because a phone may be off the
    hook."""
