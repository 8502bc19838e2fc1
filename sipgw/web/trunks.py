"""The page of trunks: registration, reachability, load, and the last refused call of each."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy.exc import SQLAlchemyError

from sipgw.policy.inbound.admission import ACCOUNTS_TRUNK
from sipgw.policy.inbound.refusals import RefusalEntry
from sipgw.records.store.calls import CallFilter
from sipgw.trunks.watch import TrunkStatus
from sipgw.web.principal import ViewerRole
from sipgw.web.state import App, Here, page

router = APIRouter()


@router.get("/trunks")
async def trunks(request: Request, app: Here, _who: ViewerRole) -> Response:
    """The page."""
    refusals, now = app.gateway.admission.refusals, asyncio.get_running_loop().time()
    rows = []
    statuses = app.gateway.status()
    if not all(account.trunk for account in app.gateway.config.accounts):
        statuses.append(
            TrunkStatus(ACCOUNTS_TRUNK.name, "", "", "", "", app.gateway.admission.capacity.calls[ACCOUNTS_TRUNK.name])
        )
    for status in statuses:
        last = refusals.last.get(status.name)
        rows.append((status, last and _told(last, now), await _refused_call(app, status.name)))
    strangers = [_told(refused, now) for refused in refusals.strangers]
    return page(request, "trunks.html", title="Trunks", trunks=rows, strangers=strangers)


def _told(refused: RefusalEntry, now: float) -> tuple[datetime, RefusalEntry]:
    return datetime.now(UTC) - timedelta(seconds=now - refused.at), refused


async def _refused_call(app: App, trunk: str) -> dict[str, Any] | None:
    """The last call that was admitted and then refused, for example because no codec matched."""
    try:
        found = await app.gateway.store.page(CallFilter(trunk=trunk, ending="refused"), 1)
    except SQLAlchemyError:
        return None
    return next(iter(found.calls), None)
