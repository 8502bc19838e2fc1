"""The page of recorded calls: search, filters, pagination."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field, field_validator
from sqlalchemy import ColumnElement
from sqlalchemy.exc import SQLAlchemyError

from sipgw.records.store.calls import CallFilter, RecordPage
from sipgw.records.store.searching import SearchRefused
from sipgw.web.principal import ViewerRole
from sipgw.web.state import Here, page
from sipgw.web.tenant_view import by_tenant
from sipgw.web.trouble import CallFaults, broken, faults_of, judged

router = APIRouter()

ROWS = 50
ENDINGS = (
    "caller_hung_up", "agent_hung_up", "callee_hung_up", "line_lost", "transferred", "transfer_failed",
    "transfer_unproven", "silence", "max_duration", "over_budget", "ended_here", "refused", "failed", "busy",
    "no_answer", "answered_elsewhere", "declined", "wrong_number", "not_permitted", "machine", "message_left", "fax",
    "screened", "no_person", "gateway_stopped", "interrupted",
)  # fmt: skip
"""Endings that the filter offers; other endings exist, too."""


@dataclass(frozen=True)
class ListFilter(CallFilter):
    """A filter of the list."""

    bad: bool = False
    """Only calls in which something failed."""

    def others(self) -> list[ColumnElement[bool]]:
        """The filter for SQL without the condition on words."""
        return [*super().others(), *([broken()] if self.bad else [])]


class CallSearchForm(BaseModel):
    """The search form. Days are those of the gateway's time zone."""

    number: str = Field("", max_length=64)
    words: str = Field("", max_length=200)
    trunk: str = Field("", max_length=64)
    agent: str = Field("", max_length=64)
    direction: Literal["", "in", "out"] = ""
    ending: str = Field("", max_length=64)
    bad: Literal["", "1"] = ""
    cost_from: float | None = Field(None, ge=0, le=1e9)
    slower_than: float | None = Field(None, ge=0, le=3600)
    """Least seconds of the slowest answer."""
    since: date | None = None
    until: date | None = None
    after: str = Field("", max_length=500)

    @field_validator("since", "until", "cost_from", "slower_than", mode="before")
    @classmethod
    def _empty(cls, value: object) -> object:
        return value or None

    @property
    def more(self) -> bool:
        """Whether one of the rarely used fields is filled in."""
        return any((self.trunk, self.agent, self.direction, self.ending, self.since, self.until)) or (
            self.cost_from is not None or self.slower_than is not None
        )

    def wanted(self) -> CallFilter:
        """Filter for the store."""
        return ListFilter(
            since=_midnight(self.since) if self.since else None,
            until=_midnight(self.until + timedelta(days=1)) if self.until else None,
            number=self.number.strip(), words=self.words.strip(), trunk=self.trunk, agent=self.agent,
            direction=self.direction, ending=self.ending, ended=True,
            bad=bool(self.bad), cost_from=self.cost_from,
            slower_than=None if self.slower_than is None else round(self.slower_than * 1000),
        )  # fmt: skip

    def link(self, after: str) -> str:
        """The address of the next page, which begins after the cursor `after`."""
        given = self.model_dump(mode="json", exclude={"after"}, exclude_defaults=True)
        return "/calls?" + urlencode({name: value for name, value in (given | {"after": after}).items() if value != ""})


@router.get("/calls")
@by_tenant
async def calls(request: Request, app: Here, _who: ViewerRole, search: Annotated[CallSearchForm, Query()]) -> Response:
    """The page."""
    problem, found, faults = "", RecordPage((), ""), dict[str, CallFaults]()
    try:
        found = await app.searches.page(app.gateway.store, search.wanted(), ROWS, search.after)
        async with app.gateway.store.read() as session:
            faults = await faults_of(session, [call["id"] for call in found.calls])
    except (SearchRefused, ValueError, OverflowError) as error:
        problem = str(error)
    except SQLAlchemyError:
        problem = "The database does not answer. Calls go on; their records are written when it is back."
    return page(
        request, "calls.html", title="Calls", search=search, problem=problem,
        calls=[(call, judged(call, faults.get(call["id"]))) for call in found.calls], endings=ENDINGS,
        trunks=[status.name for status in app.gateway.status()], agents=list(app.gateway.agents.all),
        next=search.link(found.next) if found.next else "", first=search.link("") if search.after else "",
    )  # fmt: skip


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time()).astimezone()
