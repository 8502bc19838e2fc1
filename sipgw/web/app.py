"""The application: its pages, in the order of the navigation.

To add a page: a module with a `router`, a template that extends ``base.html``, and a line in `PAGES` (or in `OTHERS` if
it has no place of its own in the navigation).
"""

import structlog
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute

from agent.pool import PoolFullError
from sipgw import __version__
from sipgw.agents.prompt_files import PromptFiles
from sipgw.calls.browser_phone import BrowserPhone
from sipgw.config.web import WebOptions
from sipgw.outbound.jobs import Jobs
from sipgw.records.store.object_store import ObjectError
from sipgw.telemetry.metrics import Metrics
from sipgw.web import (
    api,
    audit,
    calls,
    campaigns,
    configuration,
    embed,
    health,
    home,
    live,
    one_call,
    operator_sockets,
    outbound,
    phone,
    prompts,
    providers,
    sign_in,
    trunks,
)
from sipgw.web.authentication import Authentication
from sipgw.web.comparisons import Comparisons
from sipgw.web.feed import Feed
from sipgw.web.gateway_view import GatewayView
from sipgw.web.oidc.provider import OidcProvider
from sipgw.web.overview import Overviews
from sipgw.web.placed import PlacedCalls
from sipgw.web.provider_stats import ProviderStats
from sipgw.web.security import NO_DATABASE, SecurityMiddleware
from sipgw.web.state import FOLDER, App, Page, PromptEditing, page, templates
from sipgw.web.static_files import StaticFiles
from sipgw.web.tenant_view import within_tenant
from sipgw.web.transcript import Transcripts
from sipgw.web.visitors import Visitors
from sipgw.web.visits import Visits

log = structlog.get_logger()

PAGES = (
    Page("Home", "/", home.router, "house"),
    Page("Live", "/live", live.router, "radio"),
    Page("Calls", "/calls", calls.router),
    Page("Phone", "/phone", phone.router, "phone"),
    Page("Prompts", "/prompts", prompts.router, "square-pen", "admin"),
    Page("Trunks", "/trunks", trunks.router, "cable"),
    Page("Providers", "/providers", providers.router, "cloud"),
    Page("Outbound", "/outbound", outbound.router, "send"),
    Page("Audit", "/audit", audit.router, "scroll-text", "admin"),
    Page("Configuration", "/configuration", configuration.router, "settings", "admin"),
)
OTHERS: tuple[APIRouter, ...] = (sign_in.router, health.router, one_call.router, operator_sockets.router, embed.router)
"""Routers of pages without an entry in the navigation."""
WITHIN = [Depends(within_tenant)]
"""Dependencies of each route."""


def _routes() -> list[BaseRoute]:
    made = APIRouter(dependencies=WITHIN)
    for router in (*(entry.router for entry in PAGES), *OTHERS):
        made.include_router(router, include_in_schema=False)
    made.include_router(api.router)
    made.include_router(campaigns.router)
    return made.routes


ROUTES = _routes()
"""The routes of every application. FastAPI prepares them with the first request, which takes a tenth of a second."""


def application(
    gateway: GatewayView,
    options: WebOptions,
    feed: Feed,
    auth: Authentication,
    prompt_files: PromptFiles | None = None,
) -> FastAPI:
    """The dashboard of a gateway."""
    made = FastAPI(
        title="sipgw",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{api.PREFIX}/openapi.json",
        dependencies=WITHIN,
    )
    provider_stats = ProviderStats()
    gateway.watchers.add(provider_stats.tell)
    made.state.app = App(
        gateway,
        feed,
        auth,
        provider_stats,
        _metrics(gateway),
        Overviews(),
        Transcripts(gateway.watchers),
        PAGES,
        templates(),
        OidcProvider(options.oidc) if options.oidc.issuer else None,
        PlacedCalls(gateway.store),
        PromptEditing(prompt_files, Comparisons(gateway)),
        Jobs(gateway.store, ""),
    )
    made.state.phone = BrowserPhone(gateway)
    visits = Visits(gateway.store, gateway.config.embed)
    made.state.visitors = Visitors(gateway.config.embed, made.state.phone, visits, gateway.stop)
    made.mount("/static", StaticFiles(FOLDER / "static"))  # first, because pages ask for static files most
    made.router.routes.extend(ROUTES)
    if options.oidc.issuer:
        from sipgw.web import oidc_sign_in  # this import loads the verification of tokens

        made.include_router(oidc_sign_in.router, include_in_schema=False)
    made.add_exception_handler(HTTPException, _failed)  # type: ignore[arg-type]
    made.add_exception_handler(RequestValidationError, _not_valid)  # type: ignore[arg-type]
    made.add_exception_handler(SQLAlchemyError, _no_database)
    made.add_exception_handler(PoolFullError, _busy)
    made.add_exception_handler(ObjectError, _no_storage)
    storage = gateway.config.storage
    origin = storage.origin if storage.url else ""
    made.add_middleware(SecurityMiddleware, auth=auth, names=options.names, storage=origin)
    return made


def _metrics(gateway: GatewayView) -> Metrics:
    """Metrics that count all events from now on."""

    def provider(agent: str, part: str) -> str:
        known = gateway.agents.all.get(agent)
        return known.choice.of(part) if known else ""

    engine = gateway.evidence.engine
    capacity = gateway.admission.capacity
    made = Metrics(
        gateway.status,
        provider,
        lambda: engine.processes if engine else [],
        dropped=gateway.evidence.dropped,
        room=lambda: (capacity.room(), dict(capacity.headroom.busy())),
    )
    gateway.watchers.add(made.watch)
    gateway.evidence.tracers.add(made.trace)
    return made


async def _failed(request: Request, error: HTTPException) -> Response:
    if request.url.path.startswith("/api/"):
        return JSONResponse({"detail": error.detail}, error.status_code, error.headers)
    title = "Not found" if error.status_code == 404 else "Not possible"
    detail = "There is no such page." if error.detail == "Not Found" else error.detail  # Starlette's own text
    shown = page(request, "failed.html", status=error.status_code, title=title, detail=detail)
    shown.headers.update(error.headers or {})
    return shown


async def _no_database(request: Request, error: Exception) -> Response:
    log.warning("a page waits for the database", path=request.url.path, cause=str(error).splitlines()[0][:200])
    return await _failed(request, HTTPException(503, NO_DATABASE))


async def _busy(request: Request, error: Exception) -> Response:
    log.warning("a page is refused: too much work is in progress", path=request.url.path, cause=str(error))
    return await _failed(request, HTTPException(503, f"{error}; try again in a moment", {"Retry-After": "5"}))


async def _no_storage(request: Request, error: Exception) -> Response:
    log.warning("a page waits for the object storage", path=request.url.path, cause=str(error))
    return await _failed(request, HTTPException(503, "the object storage does not answer"))


async def _not_valid(request: Request, error: RequestValidationError) -> Response:
    """The response to an invalid request: the error and its place, without the value, which may be secret or huge."""
    found = [{"loc": list(each["loc"]), "msg": each["msg"], "type": each["type"]} for each in error.errors()]
    if request.url.path.startswith("/api/"):
        return JSONResponse({"detail": found}, 422)
    told = "; ".join(f"{each['loc'][-1]}: {each['msg']}" for each in found)
    return page(request, "failed.html", status=422, title="Not possible", detail=told)
