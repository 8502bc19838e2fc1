"""Options of messages that agents take for people who are not there, and of the mail server that sends them."""

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
    """Raises `RuleError` if one of `mail_to` is not an e-mail address."""
    if wrong := [one for one in mail_to if not _is_address(one)]:
        raise RuleError(f"{wrong[0]!r} is no address of e-mail", "mail_to")


def _is_address(text: str) -> bool:
    """Whether mail to `text` goes to exactly this address. A comment or a quotation mark in `text` would change the
    address."""
    return bool(_ADDRESS.fullmatch(text)) and text.isprintable() and parseaddr(text) == ("", text)


@dataclass(frozen=True)
class MessageOptions:
    """When the agent takes a message, and who gets it by mail. The caller confirms name and number."""

    when: tuple[Occasion, ...] = ()
    """When messages are taken. `closed`: outside of `hours`; `unreached`: when nobody takes a transfer. Empty:
    never."""
    hours: tuple[str, ...] = ()
    """When the office is open: ``["mon-fri 09:00-17:30"]``; empty: always, except on `holidays`."""
    holidays: str = ""
    """Country or region of the office: ``"US"``, ``"DE-BY"``. The office is closed on the public holidays there (pip
    install 'sipgw[holidays]'). Empty: it has no holidays."""
    time_zone: str = "UTC"
    """Time zone of `hours`, such as ``Europe/Berlin``."""
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
        """`hours`, parsed."""
        return tuple(map(WeeklyHours.parse, self.hours))

    @cached_property
    def zone(self) -> ZoneInfo:
        """The time zone of the office."""
        return zone_of(self.time_zone)

    def closed(self, now: datetime) -> bool:
        """Whether the office is closed at the aware time `now`, and messages are taken then."""
        return "closed" in self.when and not on_duty(self.spans, now.astimezone(self.zone), self.holidays)


@dataclass(frozen=True)
class MailOptions:
    """The mail server (SMTP, RFC 6409) that takes mail to the owner."""

    host: str = ""
    """Host name of the server; empty: no mail is sent."""
    port: Annotated[int, Interval(ge=1, le=65535)] = 587
    """TCP port of the server: usually 587 for `starttls`, 465 for `tls`."""
    tls: Literal["starttls", "tls", "off"] = "starttls"
    """Encryption of the connection. `off` is allowed only for a server at an address of this machine (``127.0.0.1``).
    The certificate is always checked."""
    ca: str = ""
    """PEM file with the authority that signed the server's certificate; empty: the authorities of the system."""
    sender: str = ""
    """The sender's address of each mail."""
    user: str = ""
    """User name at the server; empty: the gateway does not sign in."""
    password: str = field(default="", repr=False)
    """Password of `user`."""
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
