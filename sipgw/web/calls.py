"""The page of recorded calls: search, filters, pagination."""

from datetime import date, datetime, time, timedelta
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field, field_validator
from sqlalchemy.exc import SQLAlchemyError

from sipgw.records.store import CallFilter, RecordPage
from sipgw.web.principal import ViewerRole
from sipgw.web.state import Here, page

router = APIRouter()

ROWS = 50
ENDINGS = (
    "caller_hung_up", "agent_hung_up", "callee_hung_up", "line_lost", "transferred", "transfer_failed",
    "transfer_unproven", "silence", "max_duration", "over_budget", "ended_here", "refused", "failed", "busy",
    "no_answer", "declined", "wrong_number", "not_permitted", "machine", "message_left", "fax", "gateway_stopped",
    "interrupted",
)  # fmt: skip
"""Endings that the filter offers; other endings exist, too."""


class CallSearchForm(BaseModel):
    """The search form. Days are those of the gateway's time zone."""

    number: str = Field("", max_length=64)
    words: str = Field("", max_length=200)
    trunk: str = Field("", max_length=64)
    agent: str = Field("", max_length=64)
    direction: Literal["", "in", "out"] = ""
    ending: str = Field("", max_length=64)
    since: date | None = None
    until: date | None = None
    after: str = Field("", max_length=500)

    @field_validator("since", "until", mode="before")
    @classmethod
    def _empty(cls, value: object) -> object:
        return value or None

    def wanted(self) -> CallFilter:
        """What the store is asked for."""
        return CallFilter(
            since=_midnight(self.since) if self.since else None,
            until=_midnight(self.until + timedelta(days=1)) if self.until else None,
            number=self.number.strip(), words=self.words.strip(), trunk=self.trunk, agent=self.agent,
            direction=self.direction, ending=self.ending, ended=True,
        )  # fmt: skip

    def link(self, after: str) -> str:
        """The address of the page that begins `after`."""
        given = self.model_dump(mode="json", exclude={"after"}, exclude_defaults=True)
        return "/calls?" + urlencode({name: value for name, value in (given | {"after": after}).items() if value})


@router.get("/calls")
async def calls(request: Request, app: Here, _who: ViewerRole, search: Annotated[CallSearchForm, Query()]) -> Response:
    """The page."""
    problem, found = "", RecordPage((), "")
    try:
        found = await app.gateway.store.page(search.wanted(), ROWS, search.after)
    except (ValueError, OverflowError) as error:
        problem = str(error)
    except SQLAlchemyError:
        problem = "The database does not answer. Calls go on; their records are written when it is back."
    return page(
        request, "calls.html", title="Calls", search=search, calls=found.calls, problem=problem, endings=ENDINGS,
        trunks=[status.name for status in app.gateway.status()], agents=list(app.gateway.agents.all),
        next=search.link(found.next) if found.next else "", first=search.link("") if search.after else "",
    )  # fmt: skip


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time()).astimezone()
