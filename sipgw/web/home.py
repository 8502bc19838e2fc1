"""The home page: the present state, figures and cost of the last day or week, calls to look at, and next steps."""

import contextlib
from collections.abc import Iterator
from typing import NamedTuple, cast

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy.exc import SQLAlchemyError

from sipgw.calls.browser_phone import missing
from sipgw.config.agent_files import DEFAULT
from sipgw.config.words import PARTS
from sipgw.gateway.reached_at import dialled
from sipgw.web.lights import StatusLight, provider_states, trunk_light
from sipgw.web.overview import Overview, Span, TimeStep
from sipgw.web.plot import Plot, plot
from sipgw.web.principal import ViewerRole
from sipgw.web.state import App, Here, page
from sipgw.web.tenant_view import TenantGateway, by_tenant

router = APIRouter()

NO_DATABASE = "The database does not answer. Calls go on; their records are written when it is back."


class DialTargets(NamedTuple):
    """The ways in which people can call the agents."""

    numbers: list[str]
    dial: str = ""
    """The SIP address for softphones nearby; empty if they may not call."""
    phone: bool = False
    """Whether the page of the phone can be used."""
    choice: str = ""
    """The providers of the agent's parts, in words."""
    notes: tuple[str, ...] = ()


@router.get("/")
@by_tenant
async def home(request: Request, app: Here, who: ViewerRole, span: Span = "day") -> Response:
    """The page; its script asks for it again and again."""
    found: Overview | None = None
    with contextlib.suppress(SQLAlchemyError):  # the page says so
        found = await app.overviews.of(app.gateway.store, span)
    rows = [session.row() for session in app.gateway.calls.values()]
    trunks = [trunk_light(status, "" if who.tenant else "/trunks") for status in app.gateway.status()]
    several = len(app.gateway.agents.all) > 1
    more = "" if who.tenant else "/providers"
    providers = [one.light(more, several=several) for one in provider_states(app, found)]
    spent = (found.cost if found else 0.0) + sum(row["cost"] or 0.0 for row in rows)
    attention = [
        *_gateway(app, found, spent),
        *_tenant(app, who.tenant, spent),
        *(light for light in (*trunks, *providers) if light.state in ("down", "wait")),
    ]
    attention.sort(key=lambda one: one.state != "down")
    waits, calls = _plots(found.steps) if found else (None, None)
    return page(
        request, "home.html", title="Home", span=span, found=found, attention=attention, trunks=trunks,
        providers=providers, waits=waits, calls=calls, ringing=sum(row["state"] == "ringing" for row in rows),
        running=len(rows), spent=spent,
        estimated=any(row["estimated"] for row in rows) or bool(found and found.estimated),
        reach=_reach(app, who.tenant), words=PARTS,
    )  # fmt: skip


def _reach(app: App, tenant: str) -> DialTargets:
    gateway = app.gateway
    if tenant:
        return DialTargets(cast(TenantGateway, gateway).numbers)
    phone, choice = not missing(gateway.config.browser), str(gateway.agents.all[DEFAULT].choice)
    return DialTargets([], dialled(gateway.config, gateway.sip_port), phone, choice, tuple(gateway.agents.notes))


def _gateway(app: App, found: Overview | None, spent: float) -> Iterator[StatusLight]:
    """Faults of the gateway as a whole."""
    engine, alarms = app.gateway.evidence.engine, app.gateway.config.alarms
    if found is None:
        yield StatusLight("Records", "down", NO_DATABASE, "/")
    if engine is not None and not engine.alive:
        yield StatusLight("Media", "down", "the media process is being started", "/live")
    if app.gateway.admission.capacity.draining:
        yield StatusLight("Gateway", "wait", "it is being stopped: no new calls are taken", "/live")
    if alarms.cost and spent >= alarms.cost:
        limit = f"{alarms.cost:.2f} {app.gateway.config.cost.currency} ([alarms] cost)"
        yield StatusLight("Cost", "wait", f"today's calls have cost more than {limit}", "/calls")
    today = found.today if found else TimeStep(app.overviews.now())
    if alarms.share and today.calls >= alarms.least and today.bad >= alarms.share * today.calls:
        yield StatusLight("Calls", "down", f"{today.bad} of {today.calls} calls of today went badly", "#worst")


def _tenant(app: App, tenant: str, spent: float) -> Iterator[StatusLight]:
    """Faults that keep a tenant from having calls."""
    if not tenant:
        return
    options, currency = cast(TenantGateway, app.gateway).options, app.gateway.config.cost.currency
    if options.money_per_day and spent >= options.money_per_day:
        told = f"today's calls have cost {options.money_per_day:.2f} {currency}: no call is taken until midnight"
        yield StatusLight("Cost", "down", told, "/calls")
    if options.max_calls and len(app.gateway.calls) >= options.max_calls:
        yield StatusLight("Calls", "wait", f"{options.max_calls} calls go on: no further call is taken", "/live")


def _plots(steps: list[TimeStep]) -> tuple[Plot, Plot]:
    """Latency in seconds, and calls."""
    p50 = [step.p50 / 1000 if step.turns else None for step in steps]
    p95 = [step.p95 / 1000 if step.turns else None for step in steps]
    waits = plot(("p95", "second", p95), ("p50", "first", p50))
    every = [float(step.calls) for step in steps]
    return waits, plot(("calls", "first", every), ("went badly", "bad", [float(step.bad) for step in steps]))
