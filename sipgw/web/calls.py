"""The calls that are over."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from sipgw.web.state import page
from sipgw.web.who import Viewer

router = APIRouter()


@router.get("/calls")
async def calls(request: Request, _who: Viewer) -> Response:
    """The page."""
    return page(request, "calls.html", title="Calls")
