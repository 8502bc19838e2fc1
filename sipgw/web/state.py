"""State and helpers of all pages: the gateway, the principal, and the rendering of templates."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any, NamedTuple, cast

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import HTTPConnection

from agent.pool import Pool, PoolFullError
from sipgw import __version__
from sipgw.agents.prompt_files import PromptFiles
from sipgw.outbound.jobs import Jobs
from sipgw.records.store.searching import Searches
from sipgw.telemetry.metrics import Metrics
from sipgw.web import found_call
from sipgw.web.authentication import Authentication
from sipgw.web.comparisons import Comparisons
from sipgw.web.feed import Feed
from sipgw.web.gateway_view import GatewayView
from sipgw.web.oidc.provider import OidcProvider
from sipgw.web.overview import Overviews
from sipgw.web.placed import PlacedCalls
from sipgw.web.principal import Principal, Role, address
from sipgw.web.provider_stats import ProviderStats
from sipgw.web.recent_listeners import RecentListeners
from sipgw.web.tenant_view import OPEN, TenantGateway, holder
from sipgw.web.transcript import Transcripts

FOLDER = Path(__file__).parent
READING = Pool("pages", workers=4, waiting=64)
"""Threads that read files for pages."""


class Page(NamedTuple):
    """An entry of the navigation, with the router that serves it."""

    title: str
    path: str
    router: APIRouter
    icon: str = "list"
    """Name of an icon in `static/vendor/lucide.svg`."""
    role: Role = "viewer"
    """The role that the page needs."""


class PromptEditing(NamedTuple):
    """Parts for the page of prompts."""

    files: PromptFiles | None
    """Prompt files of the agents; None if the gateway was started without any."""
    comparisons: Comparisons


@dataclass(frozen=True)
class App:
    """Parts that every page can reach."""

    gateway: GatewayView
    feed: Feed
    auth: Authentication
    provider_stats: ProviderStats
    metrics: Metrics
    overviews: Overviews
    transcripts: Transcripts
    navigation: tuple[Page, ...]
    templates: Environment
    oidc: OidcProvider | None
    """The identity provider, if people can sign in by one."""
    placed: PlacedCalls
    prompts: PromptEditing
    jobs: Jobs
    """Campaigns and callbacks; for a tenant only its own."""
    searches: Searches = field(default_factory=Searches)
    listened: RecentListeners = field(default_factory=RecentListeners)

    @staticmethod
    def of(request: HTTPConnection) -> "App":
        """The `App` for this request; for a tenant it has only the tenant's own calls."""
        found: App = request.app.state.app
        if tenant := Principal.of(request).tenant:
            view = cast(GatewayView, TenantGateway(found.gateway, tenant))
            return replace(found, gateway=view, jobs=found.jobs.of(tenant))
        return found


Here = Annotated[App, Depends(App.of)]
"""The parameter type of a page that uses the `App`."""


@cache
def templates() -> Environment:
    """The templates, compiled once a process; all values are escaped, and an unknown name is an error."""
    made = Environment(
        loader=FileSystemLoader(FOLDER / "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= {"duration": duration, "when": when, "moment": moment, "mos": mos, "money": money, "pieces": pieces}
    made.filters["call_link"] = found_call.link
    return made


def page(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Render a template with `values`; `who`, `navigation`, `csrf`, `nonce`, `theme`, `path` and `currency` are always
    available."""
    app, who = App.of(request), Principal.of(request)
    theme = request.cookies.get("theme", "")
    text = app.templates.get_template(template).render(
        who=who, navigation=_navigation(app, who), csrf=who.csrf, nonce=request.scope["nonce"],
        theme=theme if theme in ("dark", "light") else "", path=request.url.path, version=__version__,
        now=datetime.now(UTC), currency=app.gateway.config.cost.currency, **values,
    )  # fmt: skip
    return HTMLResponse(text, status)


async def note(request: HTTPConnection, action: str, target: str = "", detail: str = "", *, made: str = "") -> None:
    """Write into the audit log what the sender of `request` has done. The entry belongs to the sender's tenant. An
    entry of the operator belongs to the tenant of the call or campaign in the path, or of the call that was `made`."""
    app, who = App.of(request), Principal.of(request)
    try:
        tenant = who.tenant or await holder(request, made)
    except (SQLAlchemyError, PoolFullError, OSError):  # the entry is written nevertheless, as an entry of the operator
        tenant = ""
    await app.auth.accounts.note(who, tenant, action, target, detail, address(request))


def _navigation(app: App, who: Principal) -> list[Page]:
    """The pages that `who` may open."""
    entries = [one for one in app.navigation if who.may(one.role)]
    if not who.tenant:
        return entries
    paths = {
        getattr(route, "path", "")
        for one in entries
        for route in one.router.routes
        if getattr(route, "endpoint", None) in OPEN
    }
    return [one for one in entries if one.path in paths]


def people(app: App) -> list[str]:
    """Names of the people to whom callers can be transferred."""
    return list(dict.fromkeys(one.name for one in app.gateway.config.people))


def duration(seconds: float) -> str:
    """A duration as text: ``4:05`` or ``1:02:03``."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"


def when(moment: datetime) -> str:
    """ISO 8601 in UTC; pages show it in the reader's own time zone."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="seconds")


def moment(seconds: float) -> str:
    """A time in seconds since 1970, in the form of `when`."""
    return when(datetime.fromtimestamp(seconds, UTC))


def pieces(text: str) -> list[str]:
    """The text of a docstring in pieces; every second piece was in backticks and is code."""
    return re.split(r"`+([^`]+)`+", text)


def money(amount: float, currency: str) -> str:
    """An amount as text: ``12.30 USD``. Amounts below 1 have four digits after the point."""
    return f"{amount:.{2 if amount >= 1 or not amount else 4}f} {currency}"


def mos(media: Mapping[str, Any]) -> str:
    """The mean opinion score of a call's record, if there is one."""
    found = media.get("mos")
    return f"{found:.1f}" if isinstance(found, int | float) and found else ""
