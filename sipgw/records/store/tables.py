"""The tables of the database. Other modules declare more on `Base`, see `sipgw.records.store.schema`."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, Index, LargeBinary, String, Text, false, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

ID = 255
"""Characters of a call's identity, its Call-ID, that are kept."""
PARTY = 200
"""Characters of a number or name that are kept."""
Party = String(PARTY).with_variant(postgresql.VARCHAR(PARTY, collation="C"), "postgresql")
"""A text that is compared letter by letter, so that a range finds texts with the same beginning. Languages sort ``+``
and digits differently."""
CAUSE = 500
TENANT = 40
"""Characters of the name of a tenant."""
PATH = 1000
"""Characters of the path of a file."""
WAITS = text("given_up IS NULL")
"""Condition of deliveries that still wait."""


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time. It is stored and read in UTC, also in SQLite, which knows no time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert a value for the database."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert a value from the database."""
        return None if value is None else value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Base of all tables."""


def columns(row: Base) -> dict[str, Any]:
    """A row as a dict."""
    return {column.key: getattr(row, column.key) for column in row.__table__.columns}


class Order(Base):
    """A customer's order."""

    __tablename__ = "orders"
    number: Mapped[str] = mapped_column(String(32), primary_key=True)
    item: Mapped[str] = mapped_column(String(200))
    status: Mapped[str] = mapped_column(String(200))
    expected: Mapped[str] = mapped_column(String(100))


class CallRecord(Base):
    """A call, from its INVITE to the reason why it ended."""

    __tablename__ = "calls"
    id: Mapped[str] = mapped_column(String(ID), primary_key=True)
    direction: Mapped[str] = mapped_column(String(3), default="in", server_default="in")
    """``in`` or ``out``."""
    trunk: Mapped[str] = mapped_column(String(64))
    agent: Mapped[str] = mapped_column(String(64), default="", server_default="")
    caller: Mapped[str] = mapped_column(Party)
    called: Mapped[str] = mapped_column(Party)
    began: Mapped[datetime] = mapped_column(UtcDateTime)
    answered: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """The time of the answer; None for an unanswered call."""
    ended: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """The time of the end; None while the call goes on."""
    ending: Mapped[str] = mapped_column(String(64), default="", server_default="")
    """The kind of ending, a word for statistics: see `sipgw.events.Disposition`."""
    cause: Mapped[str] = mapped_column(String(CAUSE), default="", server_default="")
    """The reason of the ending, a sentence for people."""
    again: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """The time of the next attempt, if the gate refused the call now."""
    cost: Mapped[float | None]
    """The total cost, in the currency of the price table."""
    costs: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    """The parts of the cost."""
    slowest_ms: Mapped[int | None]
    """Milliseconds of the slowest answer; None without any."""
    media: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict, server_default="{}")
    """Counts and quality of the sound."""
    recording: Mapped[str] = mapped_column(String(1000), default="", server_default="")
    """File of the recording; empty for none."""
    identity: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    """Caller and called party, as the other side reported them: see `sipgw.sip.identity.Identity`."""
    gateway: Mapped[str] = mapped_column(String(32), default="", server_default="")
    """The gateway of the record: see `sipgw.records.store.spool`."""
    tenant: Mapped[str] = mapped_column(String(TENANT), default="", server_default="")
    """Tenant whose call it is; empty: that of the installation itself."""
    # Each list is newest first within what it is filtered by.
    __table_args__ = (
        Index("calls_by_time", "began", "id"),
        Index("calls_by_caller", "caller", "began", "tenant"),
        Index("calls_by_called", "called", "began", "tenant"),
        Index("calls_by_trunk", "trunk", "began"),
        Index("calls_by_agent", "agent", "began"),
        Index("calls_by_direction", "direction", "began"),
        Index("calls_by_ending", "ending", "began"),
        Index("calls_by_cost", "cost", "began"),
        Index("calls_by_slowest", "slowest_ms", "began"),
        Index("calls_by_tenant", "tenant", "began", "id"),
    )


class TurnRecord(Base):
    """One exchange: what the caller said and what the agent answered."""

    __tablename__ = "turns"
    call: Mapped[str] = mapped_column(String(ID), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Number of the turn, from 0."""
    at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """The time at which the turn was over."""
    caller: Mapped[str] = mapped_column(Text, default="", server_default="")
    said: Mapped[str] = mapped_column(Text, default="", server_default="")
    """The full reply of the agent."""
    heard: Mapped[str] = mapped_column(Text, default="", server_default="")
    """The part of the reply that the caller heard."""
    agent: Mapped[str] = mapped_column(String(64), default="", server_default="")
    """The agent that spoke; another one may have taken the call over."""
    language: Mapped[str] = mapped_column(String(16), default="", server_default="")
    """Language of the turn (ISO 639-1)."""
    interrupted: Mapped[bool] = mapped_column(default=False, server_default=false())
    discarded: Mapped[int] = mapped_column(default=0, server_default="0")
    """Replies that were prepared or begun, and discarded before they were heard."""
    latency_ms: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict, server_default="{}")
    sources: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list, server_default="[]")
    """The passages of documents that the agent had for it: `agent.passages.Passage.source`."""


class ToolCallRecord(Base):
    """One run of a tool."""

    __tablename__ = "tool_calls"
    id: Mapped[int] = mapped_column(primary_key=True)
    call: Mapped[str] = mapped_column(String(ID), index=True)
    turn: Mapped[int]
    """The number of the turn in which the tool ran."""
    at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """The time at which the tool returned."""
    name: Mapped[str] = mapped_column(String(PARTY))
    arguments: Mapped[Any] = mapped_column(JSON)
    result: Mapped[Any] = mapped_column(JSON)
    error: Mapped[str] = mapped_column(Text, default="", server_default="")
    seconds: Mapped[float] = mapped_column(default=0.0, server_default="0")


class EventRecord(Base):
    """Other events of a call: ringing, answer, transfer, interruption, failure of a part."""

    __tablename__ = "events"
    id: Mapped[int] = mapped_column(primary_key=True)
    call: Mapped[str] = mapped_column(String(ID), index=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    kind: Mapped[str] = mapped_column(String(32))
    about: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict, server_default="{}")


class SpoolRecord(Base):
    """The read position in a gateway's spool; written with the entries, so each counts once."""

    __tablename__ = "spools"
    gateway: Mapped[str] = mapped_column(String(32), primary_key=True)
    segment: Mapped[int]
    position: Mapped[int]
    """Bytes of the segment that are in the database."""
    seen: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """The time of the last news of the gateway."""


class ArtifactRecord(Base):
    """A file that is kept of a call: see `sipgw.records.artifacts.artifact`."""

    __tablename__ = "artifacts"
    path: Mapped[str] = mapped_column(String(PATH), primary_key=True)
    gateway: Mapped[str] = mapped_column(String(32), primary_key=True)
    """The gateway that has the file on its disk."""
    call: Mapped[str] = mapped_column(String(ID), index=True)
    """Identity of the call; empty if not known."""
    kind: Mapped[str] = mapped_column(String(16))
    created: Mapped[datetime] = mapped_column(UtcDateTime)
    consent: Mapped[str] = mapped_column(String(16), default="", server_default="")
    """The form of consent by which the caller was asked."""
    state: Mapped[str] = mapped_column(String(16))
    redact: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict, server_default="{}")
    """``spans`` to cover, and the time up to which each side was ``judged``, while the file is open."""
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    """Number of failed tries."""
    next_try: Mapped[datetime | None] = mapped_column(UtcDateTime)
    problem: Mapped[str] = mapped_column(String(CAUSE), default="", server_default="")
    """The problem of the last try; empty for none."""
    place: Mapped[str] = mapped_column(String(8), default="disk", server_default="disk")
    """Where the file is, see `sipgw.records.store.artifact_states.ArtifactPlace`."""
    object: Mapped[str] = mapped_column(String(PATH), default="", server_default="")
    """The key of the object in object storage, set before the upload; empty: no object."""
    peaks: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    """The waveform of a recording, see `sipgw.records.artifacts.waveform`; None until it is measured."""
    __table_args__ = (
        Index("artifacts_due", "state", "next_try"),
        Index("artifacts_by_age", "kind", "created"),
        Index("artifacts_to_upload", "kind", "place", "state"),
    )


class ReportRecord(Base):
    """The report on a call, which the language model fills in: see `sipgw.agents.report_filler`."""

    __tablename__ = "reports"
    call: Mapped[str] = mapped_column(String(ID), primary_key=True)
    state: Mapped[str] = mapped_column(String(16))
    at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """The time at which the report came into this state; None while it waits."""
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    """Number of begun tries."""
    next_try: Mapped[datetime | None] = mapped_column(UtcDateTime)
    problem: Mapped[str] = mapped_column(String(CAUSE), default="", server_default="")
    """Why the report is not made, or why the last try failed."""
    content: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    """The content of the report: see `sipgw.agents.report.proven`."""
    __table_args__ = (Index("reports_due", "state", "next_try"),)


class DocumentRecord(Base):
    """Text of a document, for a folder of `[knowledge]`; it is read again when its content has changed."""

    __tablename__ = "documents"
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    """A digest of content, name and encoder, followed by a digest of the folder."""
    folder: Mapped[str] = mapped_column(String(64), index=True)
    """A digest of gateway, folder and encoder."""
    name: Mapped[str] = mapped_column(String(PATH))
    chunks: Mapped[list[list[str]]] = mapped_column(JSON)
    """Heading and text of each passage."""
    vectors: Mapped[bytes] = mapped_column(LargeBinary)
    """A row of float32 for each passage."""
    used: Mapped[datetime] = mapped_column(UtcDateTime, default=lambda: datetime.now(UTC))
    """The last day on which its gateway used the row; unused rows are deleted."""


class ExpenseRecord(Base):
    """An expense outside of calls, such as reading documents."""

    __tablename__ = "expenses"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    what: Mapped[str] = mapped_column(String(PATH + 100))
    cost: Mapped[float]
    costs: Mapped[dict[str, Any]] = mapped_column(JSON)
    """The parts of the cost, in the form of a call's costs."""


class DeliveryRecord(Base):
    """A pending webhook; delivered rows are deleted."""

    __tablename__ = "deliveries"
    id: Mapped[int] = mapped_column(primary_key=True)
    """The order of the deliveries."""
    identity: Mapped[str] = mapped_column(String(32))
    """The id by which the target recognises repeats."""
    target: Mapped[str] = mapped_column(String(64))
    call: Mapped[str] = mapped_column(String(ID))
    kind: Mapped[str] = mapped_column(String(32))
    body: Mapped[str] = mapped_column(Text)
    made: Mapped[datetime] = mapped_column(UtcDateTime)
    due: Mapped[datetime] = mapped_column(UtcDateTime)
    """The time of the next try."""
    tries: Mapped[int] = mapped_column(default=0)
    problem: Mapped[str] = mapped_column(String(CAUSE), default="")
    """Why the last try failed."""
    given_up: Mapped[datetime | None] = mapped_column(UtcDateTime)
    __table_args__ = (
        Index("deliveries_by_call", "target", "call", "id"),
        Index("deliveries_by_due", "target", "due"),
        # To count them: SQLite reads each row for a column that only the condition names, so both are in it.
        Index("deliveries_waiting", "target", "given_up", sqlite_where=WAITS, postgresql_where=WAITS),
    )
