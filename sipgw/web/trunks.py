"""The trunks: whether they are registered, reachable, and how busy."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from sipgw.web.state import Here, page
from sipgw.web.who import Viewer

router = APIRouter()


@router.get("/trunks")
async def trunks(request: Request, app: Here, _who: Viewer) -> Response:
    """The page."""
    return page(request, "trunks.html", title="Trunks", trunks=app.house.status())
