"""Routes for programs that monitor the gateway: health, readiness, and metrics for Prometheus."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

from sipgw.web.principal import Principal, requires_scope
from sipgw.web.state import Here

router = APIRouter()


@router.get("/healthz")
async def healthy() -> Response:
    """200 as long as the event loop runs."""
    return PlainTextResponse("ok\n")


@router.get("/readyz")
async def ready(app: Here) -> Response:
    """200 if the gateway takes calls, otherwise 503 with the reason: for a load balancer. One working media process is
    enough."""
    engine = app.gateway.evidence.engine
    if app.gateway.admission.capacity.draining:
        return PlainTextResponse("draining: no new calls are taken\n", 503)
    if engine is None or not engine.alive:
        return PlainTextResponse("the media process is being started\n", 503)
    down = [f"media process {one.number} is being started\n" for one in engine.processes if not one.pid]
    return PlainTextResponse("ready\n" + "".join(down))


@router.get("/metrics")
async def metrics(app: Here, _who: Annotated[Principal, Depends(requires_scope("metrics:read"))]) -> Response:
    """The text format of Prometheus."""
    return Response(app.metrics.text(), media_type=CONTENT_TYPE_LATEST)
