"""Messages that agents take for people who are not there, and the mail server that brings them."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parseaddr
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from annotated_types import Interval, MaxLen

from agent.providers.extra import FIXED
from agent.rules.rule_error import RuleError
from sipgw.config.hours import WeeklyHours, check_holidays, on_duty, zone_of

Occasion = Literal["closed", "unreached"]
_ADDRESS = re.compile(r"[^\s@<>,;:]+@[^\s@<>,;:.]+(\.[^\s@<>,;:.]+)*")


def check_addresses(mail_to: Sequence[str]) -> None:
    """Raises `RuleError` if one of `mail_to` is no address of e-mail."""
    if wrong := [one for one in mail_to if not _is_address(one)]:
        raise RuleError(f"{wrong[0]!r} is no address of e-mail", "mail_to")


def _is_address(text: str) -> bool:
    """Whether mail to `text` goes to just this address: a comment or a quotation mark makes another one of it."""
    return bool(_ADDRESS.fullmatch(text)) and text.isprintable() and parseaddr(text) == ("", text)


@dataclass(frozen=True)
class MessageOptions:
    """When the agent takes a message, as a form that the caller confirms, and whom it is mailed to."""

    when: tuple[Occasion, ...] = ()
    """`closed`: out of `hours`; `unreached`: when nobody takes a transfer. Empty: no messages are taken."""
    hours: tuple[str, ...] = ()
    """When the office is open: ``["mon-fri 09:00-17:30"]``; empty: always, but for `holidays`."""
    holidays: str = ""
    """Where the office is, a country or a region: ``"US"``, ``"DE-BY"``. It is closed on its public holidays
    (pip install 'sipgw[holidays]'); empty: on none."""
    time_zone: str = "UTC"
    """Of `hours`: ``Europe/Berlin``."""
    mail_to: Annotated[tuple[str, ...], MaxLen(20)] = ()
    """Addresses that get each message by mail; needs ``[mail]``. Webhooks get the event `message` anyway."""
    language: str = ""
    """ISO 639-1 code of the language of the mail's own words; empty for the agent's first language."""

    def __post_init__(self) -> None:
        check_holidays(self.holidays)
        check_addresses(self.mail_to)
        if "closed" in self.when and not (self.hours or self.holidays):
            raise RuleError("for 'closed' say the hours, or whose holidays there are", "when")
        self.spans, self.zone  # noqa: B018  what cannot be used is told now

    @cached_property
    def spans(self) -> tuple[WeeklyHours, ...]:
        """The hours."""
        return tuple(map(WeeklyHours.parse, self.hours))

    @cached_property
    def zone(self) -> ZoneInfo:
        """Where the office is."""
        return zone_of(self.time_zone)

    def closed(self, now: datetime) -> bool:
        """Whether the office is closed at the aware time `now`, and messages are taken then."""
        return "closed" in self.when and not on_duty(self.spans, now.astimezone(self.zone), self.holidays)


@dataclass(frozen=True)
class MailOptions:
    """The mail server (SMTP, RFC 6409) that takes mail to the owner."""

    host: str = ""
    """Its name; empty: no mail is sent."""
    port: Annotated[int, Interval(ge=1, le=65535)] = 587
    """587 is for `starttls`, 465 for `tls`."""
    tls: Literal["starttls", "tls", "off"] = "starttls"
    """`off` only for a server at an address of this machine (``127.0.0.1``). Its certificate is always checked."""
    ca: str = ""
    """PEM file with the authority of its certificate; empty: those of the system."""
    sender: str = ""
    """The address that mail comes from."""
    user: str = ""
    """Empty: none is asked for."""
    password: str = field(default="", repr=False)
    """Of `user`."""
    timeout: float = field(default=10.0, metadata=FIXED)
    """Seconds for each step of the dialogue."""

    def __post_init__(self) -> None:
        if self.host and not _is_address(self.sender):
            raise RuleError("host needs the sender, the address that mail comes from", "sender", "host")
        if self.tls == "off" and not _is_here(self.host):
            raise RuleError("'off' is for a server at an address of this machine", "tls")
        if self.ca and not Path(self.ca).is_file():
            raise RuleError(f"there is no file {self.ca!r}", "ca")


def _is_here(host: str) -> bool:
    try:
        return not host or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
