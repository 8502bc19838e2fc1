"""Who hears, thinks and speaks."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from sipgw.web.state import page
from sipgw.web.who import Viewer

router = APIRouter()


@router.get("/providers")
async def providers(request: Request, _who: Viewer) -> Response:
    """The page."""
    return page(request, "providers.html", title="Providers")
