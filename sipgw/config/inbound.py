"""Options of calls that come in: accounts, admission and limits."""

import re
from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Gt, MinLen

from agent.providers.extra import FIXED
from agent.rules.rule_error import RuleError
from sipgw.config.networks import PRIVATE_NETWORKS, check_networks

USER = re.compile(r"[A-Za-z0-9._+-]{1,64}")
Answer = Literal["busy", "overload", "decline", "spoken"]
"""Answers to a refused call. `busy`: 486; `overload`: 503 with Retry-After, after which carriers try their next
destination; `decline`: 603; `spoken`: a spoken sentence."""


@dataclass(frozen=True)
class AccountOptions:
    """A user who may call and register after answering a digest challenge (RFC 3261 §22)."""

    user: str
    """User name, and the user part of the account's SIP address: ``sip:anna@`` our address."""
    password: str = field(repr=False)
    """Password of the account, by reference: ``"${ANNA_PASSWORD}"``. At least 8 characters."""
    trunk: str = ""
    """Name of the trunk whose rules apply to the account's calls (transfers, calls at the same time); empty: a trunk of
    its own."""
    networks: tuple[str, ...] = PRIVATE_NETWORKS
    """Networks from which the account may sign in; requests from other networks get no challenge. For phones anywhere:
    ``["0.0.0.0/0", "::/0"]``."""

    def __post_init__(self) -> None:
        if not USER.fullmatch(self.user):
            raise RuleError("letters, digits and . _ + - only, at most 64 of them", "user")
        if len(self.password) < 8:
            raise RuleError(f"the password of {self.user!r} is shorter than 8 characters", "password")
        check_networks(self.networks, "networks")


@dataclass(frozen=True)
class AdmissionOptions:
    """Limits on calls and other SIP messages that come in."""

    realm: str = field(default="sipgw", metadata=FIXED)
    """The realm of our digest challenges; phones show it when they ask for the password."""
    algorithms: Annotated[tuple[Literal["SHA-256", "MD5"], ...], MinLen(1)] = ("SHA-256", "MD5")
    """Digests that phones may choose from (RFC 8760), the strongest first. Set it to ``["MD5"]`` for old phones that
    give up when they see another one."""
    max_calls: int | Literal["auto"] = 500
    """Maximum calls at the same time on all trunks; a further call is answered with 503. ``"auto"``: as many as this
    machine can serve, estimated from how busy the gateway's processes are."""
    delay_limit: Annotated[float, Gt(0)] = 0.1
    """Seconds by which sound may be late on its way through this machine. If it is later for about a second, the
    machine is overloaded: new calls are answered with 503 until 5 s after the end of the delay."""
    calls_per_second: float = field(default=200, metadata=FIXED)
    """New calls per second from one known address, four times as many in a burst; further calls are answered with
    503."""
    strangers_per_second: float = field(default=200, metadata=FIXED)
    """Messages per second from all unknown addresses together; further messages are dropped unread."""
    stranger_per_second: float = field(default=20, metadata=FIXED)
    """Messages per second from one unknown address, five times as many in a burst; further messages are dropped
    unread."""
    failures_per_minute: float = field(default=10, metadata=FIXED)
    """Wrong passwords per minute from one address; after so many at once, the address gets no answer for a while."""

    def __post_init__(self) -> None:
        if self.max_calls != "auto" and self.max_calls < 1:
            raise RuleError("must be 'auto' or more than 0", "max_calls")


@dataclass(frozen=True)
class NumberLimit:
    """A dialled number behind which there is one person, or a few."""

    number: str
    """The number, as it is dialled; ``*`` stands for any text."""
    at_once: Annotated[int, Ge(1)] = 1
    """Maximum calls to the number at the same time."""
    answer: Answer = "busy"
    """The answer to a further call."""


@dataclass(frozen=True)
class LimitOptions:
    """Limits on calls that come in; 0: no limit."""

    window: float = field(default=3600, metadata=FIXED)
    """Seconds of the window in which `per_number` and `per_network` count calls."""
    per_number: Annotated[int, Ge(0)] = 0
    """Maximum calls from one number within an hour. Calls with a withheld number are not counted."""
    per_network: Annotated[int, Ge(0)] = 0
    """Maximum calls from one IPv4 address, or IPv6 network of 64 bits, within an hour. It is meant for phones, not for
    carriers."""
    at_once_per_number: Annotated[int, Ge(0)] = 0
    """Maximum calls from one number at the same time."""
    minutes_per_day: Annotated[float, Ge(0)] = 0
    """Maximum minutes of all calls, in and out, from midnight to midnight by this machine's clock."""
    money_per_day: Annotated[float, Ge(0)] = 0
    """The highest cost of all calls of a day, in the currency of the prices."""
    people: tuple[NumberLimit, ...] = ()
    """Dialled numbers that take only a few calls at the same time."""
    blocked: tuple[str, ...] = ()
    """Callers that are refused: ``"+1900*"``, ``"withheld"``. Also networks, even if a trunk or account names them:
    ``"198.51.100.0/24"``, ``"2001:db8::/32"``."""
    answer_blocked: Answer = "decline"
    """The answer to callers in `blocked`."""
    answer_too_often: Answer = "decline"
    """The answer to calls beyond `per_number`, `per_network` and `at_once_per_number`."""
    answer_spent: Answer = "overload"
    """The answer to calls beyond `minutes_per_day` and `money_per_day`."""
    sentence: str = ""
    """The sentence of the answer ``"spoken"``; empty: a sentence that you cannot take the call now, in the first
    language of the agent."""

    def __post_init__(self) -> None:
        check_networks(self.blocked_networks, "blocked")

    @property
    def blocked_networks(self) -> tuple[str, ...]:
        """Entries of `blocked` that are networks: no number has a colon, a slash or two dots in it."""
        return tuple(one for one in self.blocked if set(one) & set(":/") or re.fullmatch(r"\d+(\.[\d*]*){2,}", one))
