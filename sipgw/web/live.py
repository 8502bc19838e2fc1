"""The page of the running calls."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from sipgw.records.store.seen_by import seen_by
from sipgw.web.feed import streamed
from sipgw.web.lasting_access import Access
from sipgw.web.principal import ViewerRole
from sipgw.web.state import Here, page, people
from sipgw.web.tenant_view import by_tenant

router = APIRouter()


@router.get("/live")
@by_tenant
async def live(request: Request, app: Here, who: ViewerRole) -> Response:
    """The page; scripts keep it up to date."""
    rows = {call: seen_by(session.row(), who.tenant) for call, session in app.gateway.calls.items()}
    return page(request, "live.html", title="Live", rows=rows, people=people(app))


@router.get("/live/events")
@by_tenant
async def events(app: Here, who: ViewerRole, access: Access) -> Response:
    """Server-sent events: ``board`` with all rows, then ``change`` with fields that differ and rows that are gone."""
    return await streamed(app.feed.read(who.tenant), "too many dashboards are open", access.lost)
