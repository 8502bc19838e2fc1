"""The configuration, secrets masked."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from sipgw.web.state import page
from sipgw.web.who import Admin

router = APIRouter()


@router.get("/configuration")
async def configuration(request: Request, _who: Admin) -> Response:
    """The page."""
    return page(request, "configuration.html", title="Configuration")
