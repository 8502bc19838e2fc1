"""Campaigns and callbacks."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from sipgw.web.state import page
from sipgw.web.who import Viewer

router = APIRouter()


@router.get("/outbound")
async def outbound(request: Request, _who: Viewer) -> Response:
    """The page."""
    return page(request, "outbound.html", title="Outbound")
