"""The rules for bad calls in lists and figures: the same for SQL and for a row of a list."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, and_, case, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from sipgw.config.words import PARTS
from sipgw.events import FAILED, SHORTEST
from sipgw.records.store.tables import CallRecord, EventRecord, TurnRecord

PROVIDER_FAILED = "provider_failed"
"""The kind of event of a call in which a provider failed: the caller has heard an apology, or was connected."""
SLOW = 3000
"""Milliseconds of waiting for an answer that are too long for the caller."""
UNWANTED = (
    "silence", "max_duration", "over_budget", "busy", "no_answer", "declined", "wrong_number", "not_permitted",
    "machine", "fax", "screened", "no_person", "gateway_stopped", "transfer_unproven",
)  # fmt: skip
"""Unwanted endings without a fault."""
_KEY = re.compile(r"\b(40[13]|key|unauthori[sz]ed|invalid credentials|forbidden)\b", re.IGNORECASE)
Level = Literal["bad", "wait", ""]


class Trouble(NamedTuple):
    """Faults of a call."""

    level: Level
    """``bad``: something failed; ``wait``: worth a look; empty: no fault."""
    word: str
    """The fault in one or two words."""
    why: str = ""
    """The fault in a sentence."""


class CallFaults(NamedTuple):
    """Faults of a call in other tables."""

    failure: str = ""
    """The cause of the first failure of a provider; empty for none."""
    slowest: int = 0
    """Milliseconds of the slowest answer in the call."""


def judged(call: Mapping[str, Any], faults: CallFaults | None = None) -> Trouble:
    """Faults of a call; `call` has the columns of its record."""
    ending, cause = str(call["ending"]), str(call["cause"])
    failure, slowest = faults or CallFaults()
    words = ending.replace("_", " ")
    if failure:
        key = "key refused" if _KEY.search(failure) else ""
        return Trouble("bad", key or ("apology" if ending == "failed" else "provider failed"), failure)
    if silent(call.get("media") or {}):
        return Trouble("bad", "no sound", "not one packet of sound came from the other side")
    if ending in FAILED:
        return Trouble("bad", words, cause)
    if slowest >= SLOW:
        return Trouble("wait", "slow", f"the slowest answer took {slowest / 1000:.1f} s")
    return Trouble("wait" if ending in UNWANTED else "", words, cause)


def silent(media: Mapping[str, Any]) -> bool:
    """Whether we sent for 5 s and nothing was received; `media` has the record's counts of sound."""
    return float(media.get("sent", 0)) >= SHORTEST and not media.get("received", 0)


def provider_failed() -> ColumnElement[bool]:
    """Whether a provider failed in the call, for SQL."""
    event = EventRecord
    return select(event.id).where(event.call == CallRecord.id, event.kind == PROVIDER_FAILED).exists()


def mute() -> ColumnElement[bool]:
    """The condition of `silent`, for SQL."""
    sent, received = CallRecord.media["sent"].as_float(), CallRecord.media["received"].as_float()
    return and_(func.coalesce(sent, 0) >= SHORTEST, func.coalesce(received, 0) == 0)


def broken() -> ColumnElement[bool]:
    """Whether the call is ``bad``, for SQL."""
    return or_(CallRecord.ending.in_(FAILED), mute(), provider_failed())


def gravity() -> ColumnElement[int]:
    """A number for sorting broken calls, for SQL: the lowest number is the worst call. Unanswered calls come last."""
    return case((CallRecord.answered.is_(None), 3), (mute(), 0), (provider_failed(), 1), else_=2)


async def faults_of(session: AsyncSession, calls: Sequence[str]) -> dict[str, CallFaults]:
    """The faults of those calls, at most a page of them, that have any."""
    event, turn = EventRecord, TurnRecord
    total = turn.latency_ms["total"].as_float()
    failures = select(event.call, event.about).where(event.call.in_(calls), event.kind == PROVIDER_FAILED)
    slowest = select(turn.call, func.max(total)).where(turn.call.in_(calls)).group_by(turn.call)
    found: dict[str, CallFaults] = {}
    for call, most in await session.execute(slowest):
        found[call] = CallFaults(slowest=int(most or 0))
    for call, about in await session.execute(failures.order_by(event.id.desc())):  # the first failure comes last
        part = about.get("part", "")
        told = f"{PARTS.get(part, part or 'A provider')} failed: {about.get('cause', '')}"
        found[call] = found.get(call, CallFaults())._replace(failure=told)
    return found
