"""Requests and responses of the REST interface."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from sipgw.calls.conference import Mode
from sipgw.calls.parties import Role
from sipgw.calls.request import RING_TIMEOUT
from sipgw.events import Fault

Id = Annotated[str, StringConstraints(min_length=1, max_length=255)]
VISIBLE = r"[^\s\x85]"
"""A pattern for a character that is no space. A text without such a character counts as empty. ECMAScript's spaces lack
U+0085, so the pattern names it."""
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000, pattern=VISIBLE)]
Name = Annotated[str, StringConstraints(max_length=40)]
Value = Annotated[str, StringConstraints(max_length=500)]
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


def _written_out(value: object) -> object:
    """The `value`, if it is text (RFC 3339): Pydantic would also take seconds since 1970."""
    if isinstance(value, str) and not re.match(r"\d{4}-\d\d-\d\d[Tt ]", value):
        raise ValueError("a date and time with its zone, like 2026-11-21T09:00:00Z")
    return value


Moment = Annotated[
    AwareDatetime, BeforeValidator(_written_out), AfterValidator(lambda moment: min(max(moment, EARLIEST), LATEST))
]
"""A point in time that every time zone and database can express."""
Direction = Literal["in", "out"]
MODE = (
    "listen: nobody hears the third; whisper: the agent is told what they say, the caller is not; conference: all hear "
    "all; consult: agent and third alone, the caller hears music; notes: caller and third, the agent is silent and is "
    "told afterwards; take_over: caller and third alone"
)


class Given(BaseModel):
    """Base of requests: an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Problem(BaseModel):
    """Why something was not done."""

    detail: str | list[dict[str, Any]]


class Tool(BaseModel):
    """One run of a tool."""

    name: str
    arguments: Any = None
    result: Any = None
    error: str = ""
    seconds: float = 0.0


class Source(BaseModel):
    """A passage of a document that the agent had for a turn."""

    file: str
    heading: str
    chunk: int
    score: float = Field(description="its likeness to the caller's words")


class Turn(BaseModel):
    """One exchange."""

    caller: str = ""
    said: str = Field("", description="what the agent meant to say")
    heard: str = Field("", description="what of it the caller heard")
    agent: str = Field("", description="who spoke; others may have taken the call over")
    language: str = Field("", description="ISO 639-1")
    interrupted: bool = False
    discarded: int = Field(0, description="replies thrown away before anything of them was heard")
    latency_ms: dict[str, int] = {}
    tools: list[Tool] = []
    sources: list[Source] = Field([], description="passages of documents that the agent had for it")


class Proven(BaseModel):
    """A value of a report, and its proof."""

    value: str | int | float | bool
    turn: int = Field(description="the turn that proves it, as a place in `turns`")
    quote: str = Field(description="the words that prove it")
    by: Literal["caller", "agent", "tool"] = Field(description="whose words they are")


class Report(BaseModel):
    """The report on a call, which the language model has filled in. What is not proven is null."""

    state: Literal["waiting", "filled", "not made", "given up"]
    at: datetime | None = Field(None, description="when it came into this state")
    problem: str = Field("", description="why it is not made, or why the last try failed")
    summary: str | None = None
    outcome: Proven | None = None
    achieved: Proven | None = Field(None, description="whether the agent's goal was achieved")
    fields: dict[str, Proven | None] = {}
    unproven: list[str] = Field([], description="what the model has filled in without a proof that holds")


class CallSummary(BaseModel):
    """A call of which there is a record."""

    id: str
    direction: Direction
    trunk: str
    agent: str
    caller: str
    called: str
    began: datetime
    answered: datetime | None
    ended: datetime | None
    ending: str = Field(description="a word for statistics, like caller_hung_up; the page about records lists them")
    cause: str = Field(description="a sentence for people")
    again: datetime | None = Field(None, description="when the gate lets a call out that it has not let out now")
    cost: float | None
    slowest_ms: int | None = Field(None, description="milliseconds of the slowest answer")
    costs: dict[str, Any] | None = Field(None, description="its parts; `estimated` names what has an unchecked price")


class CallRecord(CallSummary):
    """Everything that is known of a call."""

    identity: dict[str, Any] | None
    media: dict[str, Any]
    recording: str
    turns: list[Turn]
    events: list[dict[str, Any]]
    report: Report | None = None


class CallPage(BaseModel):
    """Some of the calls, newest first."""

    calls: list[CallSummary]
    next: str = Field(description="give it as `after` for the next page; empty after the last")


class Party(BaseModel):
    """One who is in a call that goes on."""

    role: Role = Field(description="a supervisor came to listen or to whisper; a person is anybody else called in")
    name: str
    number: str = Field(description="empty for the agent, and for an operator on a page of the dashboard")
    since: datetime
    held: bool = Field(description="whether they have put the call on hold")


class LiveCall(BaseModel):
    """A call that is going on."""

    id: str
    state: Literal["ringing", "talking"]
    direction: Direction
    caller: str
    called: str
    agent: str
    trunk: str
    turn: str = Field(description="who has the floor, in words")
    instead: str = Field(description="who speaks with the caller in the agent's place; empty if nobody does")
    third: str = Field("", description="who is in the call beside caller and agent; empty if nobody is")
    mode: str = Field("", description="who hears whom while a third is in the call: see POST /calls/{id}/mode")
    parties: list[Party] = Field(
        [], description="who is in the call now, the other side first; empty while it rings, and in `/cluster`"
    )
    mos: float | None = Field(description="quality of what is heard of the caller, 1 to 4.5")
    cost: float | None
    estimated: bool = Field(False, description="whether the cost rests on prices that nobody has checked")
    began: datetime


class LiveCalls(BaseModel):
    """The calls that are going on."""

    calls: list[LiveCall]


class GatewayCalls(BaseModel):
    """The calls that are going on at one gateway."""

    name: str
    draining: bool
    calls: list[LiveCall]


class Cluster(BaseModel):
    """All gateways that share one Redis."""

    gateways: list[GatewayCalls]


CALLEE = r"^(\+?[0-9]{1,20}|[A-Za-z][A-Za-z0-9._-]{0,31})$"


def _callee(text: str) -> str:
    if not re.fullmatch(CALLEE[1:-1], text, re.ASCII):
        raise PydanticCustomError(
            "callee", "write a telephone number with + and country code, as +14155550123, or an extension of a PBX"
        )
    return text


class Place(Given):
    """A call to be made."""

    to: Annotated[str, AfterValidator(_callee)] = Field(
        description="the number to call, or an extension of a PBX", json_schema_extra={"pattern": CALLEE}
    )
    agent: Annotated[str, StringConstraints(max_length=40)] = Field("agent", description="who speaks")
    variables: dict[Name, Value] = Field(
        {}, max_length=50, description="what {{name}} stands for in the agent's prompt and greeting"
    )
    trunk: Annotated[str, StringConstraints(max_length=64)] = Field("", description="empty: the first that takes it")
    caller_id: Annotated[str, StringConstraints(max_length=20)] = ""
    consent: bool = Field(False, description="whether the person has asked to be called")
    ring: Annotated[float, Field(ge=1, le=300)] = Field(RING_TIMEOUT, description="seconds that it may ring")
    campaign: Annotated[str, StringConstraints(max_length=64)] = Field(
        "", description="the campaign that it is a part of; the gate has rules of their own for these"
    )


class Placed(BaseModel):
    """A call that is being made."""

    id: str


class Say(Given):
    """A sentence for the caller, or for the agent alone."""

    text: Line


class Digits(Given):
    """Keys to be pressed."""

    keys: Annotated[str, StringConstraints(pattern=r"^[0-9A-D*#]{1,32}$")]


class End(Given):
    """Why a call is ended."""

    cause: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] = ""


class Transfer(Given):
    """Target of a transfer."""

    to: Annotated[str, StringConstraints(max_length=200)] = Field(
        "", description="a name of [[people]]; empty: any person who is free"
    )


class TakeOver(Given):
    """Person who is called to take the agent's place."""

    who: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64, pattern=VISIBLE)] = Field(
        description="a name of [[people]], or a user of [[accounts]]"
    )


class Join(TakeOver):
    """Person who is called to join the call beside caller and agent."""

    mode: Mode = Field(Mode.CONFERENCE, description=MODE, strict=False)
    brief: bool = Field(False, description="whether a person with the mode warm is briefed first, and may decline")


class ChangeMode(Given):
    """Change of the routes of sound."""

    mode: Mode = Field(description=MODE, strict=False)


class Done(BaseModel):
    """It was done."""

    id: str


class BadCalls(BaseModel):
    """How many of the latest calls of a trunk had a fault."""

    fault: Fault
    bad: int
    calls: int
    raised: bool = Field(description="whether there is an alarm")


class Trunk(BaseModel):
    """How a trunk is."""

    name: str
    registration: str
    registration_reason: str
    health: str
    health_reason: str
    calls: int
    sound: list[BadCalls] = Field(description="by fault; empty before the first call")


class Trunks(BaseModel):
    """All trunks."""

    trunks: list[Trunk]


class AuditEntry(BaseModel):
    """An entry of the audit log."""

    id: int
    at: datetime
    who: str = Field(description="user, key or terminal; empty for a tenant if the operator did it")
    action: str
    target: str = Field(description="the call, campaign, number, user or agent")
    detail: str = Field(description="empty for a tenant")
    address: str = Field(description="where the request came from; empty for a tenant if the operator did it")
    tenant: str = Field(description="whose people, call or campaign it concerns; empty: the operator's")


class AuditPage(BaseModel):
    """Entries of the audit log."""

    entries: list[AuditEntry]
    next: int | None = Field(description="`before` of the next page; null: this is the last one")


class AuditSearch(Given):
    """Which entries are wanted."""

    model_config = ConfigDict(extra="forbid", strict=False)

    limit: int = Field(50, ge=1, le=200)
    before: int | None = Field(None, ge=1, le=2**31 - 1, description="`next` of the page before")


class Search(Given):
    """Which calls are wanted: those that fit everything that is given."""

    model_config = ConfigDict(extra="forbid", strict=False)

    since: Moment | None = None
    until: Moment | None = None
    number: str = Field("", max_length=64, description="who called or was called; * at the end stands for any rest")
    trunk: str = Field("", max_length=64)
    agent: str = Field("", max_length=64)
    direction: Literal["", "in", "out"] = ""
    ending: str = Field("", max_length=64)
    words: str = Field("", max_length=200, description="words of one turn; * at the end of one matches any rest")
    cost_from: float | None = Field(None, ge=0, le=1e9, description="that cost at least this")
    slower_than: int | None = Field(None, ge=0, le=3_600_000, description="with an answer of at least so many ms")
    limit: int = Field(50, ge=1, le=200)
    after: str = Field("", max_length=500, pattern="^[A-Za-z0-9_=-]*$", description="`next` of the page before")
