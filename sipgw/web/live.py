"""The calls that are going on."""

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response, StreamingResponse

from sipgw.bounds import NoPlace
from sipgw.records.store.seen_by import seen_by
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
async def events(app: Here, who: ViewerRole) -> Response:
    """Server-sent events: ``board`` with all rows, then ``change`` with fields that differ and rows that are gone."""
    try:
        app.feed.places.check(who.tenant)
    except NoPlace:
        raise HTTPException(503, "too many dashboards are open", {"Retry-After": "30"}) from None
    return StreamingResponse(app.feed.read(who.tenant), media_type="text/event-stream")
