"""The trunks: whether they are registered, reachable, how busy, and whom they turned away last."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy.exc import SQLAlchemyError

from sipgw.policy.inbound.admission import ACCOUNTS_TRUNK
from sipgw.policy.inbound.refusals import Refused
from sipgw.records.store import CallFilter
from sipgw.trunks.watch import TrunkStatus
from sipgw.web.state import App, Here, page
from sipgw.web.who import Viewer

router = APIRouter()


@router.get("/trunks")
async def trunks(request: Request, app: Here, _who: Viewer) -> Response:
    """The page."""
    refusals, now = app.house.admission.refusals, asyncio.get_running_loop().time()
    rows = []
    statuses = app.house.status()
    if not all(account.trunk for account in app.house.config.accounts):
        statuses.append(
            TrunkStatus(ACCOUNTS_TRUNK.name, "", "", "", "", app.house.admission.room.calls[ACCOUNTS_TRUNK.name])
        )
    for status in statuses:
        last = refusals.last.get(status.name)
        rows.append((status, last and _told(last, now), await _refused_call(app, status.name)))
    strangers = [_told(refused, now) for refused in refusals.strangers]
    return page(request, "trunks.html", title="Trunks", trunks=rows, strangers=strangers)


def _told(refused: Refused, now: float) -> tuple[datetime, Refused]:
    return datetime.now(UTC) - timedelta(seconds=now - refused.at), refused


async def _refused_call(app: App, trunk: str) -> dict[str, Any] | None:
    """The last call that was let in and then refused, for want of a codec for example."""
    try:
        found = await app.house.store.page(CallFilter(trunk=trunk, ending="refused"), 1)
    except SQLAlchemyError:
        return None
    return next(iter(found.calls), None)
