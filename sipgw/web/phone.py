"""The browser phone."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from sipgw.web.state import page
from sipgw.web.who import Viewer

router = APIRouter()


@router.get("/phone")
async def phone(request: Request, _who: Viewer) -> Response:
    """The page."""
    return page(request, "phone.html", title="Phone")
