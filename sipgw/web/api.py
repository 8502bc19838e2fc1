"""The REST interface, version 1. Its description is served as ``/api/v1/openapi.json``."""

import secrets
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request, Security
from fastapi.security import HTTPBearer

from agent.call_control import CallControl, CallControlRefused
from sipgw.agents.agents import VariableError
from sipgw.calls.conference import Mode
from sipgw.calls.parties import parties
from sipgw.calls.request import OriginateRequest
from sipgw.calls.session import CallSession
from sipgw.cluster.shared import Unreachable
from sipgw.records.store.calls import CallFilter
from sipgw.records.store.searching import SearchRefused
from sipgw.records.store.seen_by import seen_by
from sipgw.records.store.tables import columns
from sipgw.trunks.route_selector import NoRoom, NotDialled
from sipgw.web import models
from sipgw.web.accounts import ENDED, SAID, TOLD, audit_entries
from sipgw.web.found_call import find
from sipgw.web.principal import Principal, requires_scope
from sipgw.web.state import App, Here, note
from sipgw.web.tenant_view import by_tenant

PREFIX = "/api/v1"
KEY = "Idempotency-Key"
LONGEST_KEY = 200
BEARER = HTTPBearer(auto_error=False, description="A key of `sipgw web key add NAME --scope calls:read`.")


Reader = Annotated[Principal, Depends(requires_scope("calls:read"))]
Controller = Annotated[Principal, Depends(requires_scope("calls:control"))]
Caller = Annotated[Principal, Depends(requires_scope("calls:place"))]
Auditor = Annotated[Principal, Depends(requires_scope("audit:read"))]
Id = Annotated[str, Path(max_length=255, description="the call's identity")]


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The documented answers besides success."""
    return {status: {"model": models.Problem} for status in statuses}


router = APIRouter(prefix=PREFIX, dependencies=[Security(BEARER)], responses=problems(400, 401, 403, 422, 503))


@router.get("/live", tags=["live calls"])
@by_tenant
async def live_calls(app: Here, who: Reader) -> models.LiveCalls:
    """The calls that are going on."""
    return models.LiveCalls(
        calls=[
            _live(call, seen_by(session.row(), who.tenant) | {"parties": parties(session)})
            for call, session in app.gateway.calls.items()
        ]
    )


@router.get("/cluster", tags=["live calls"])
async def cluster(app: Here, _who: Reader) -> models.Cluster:
    """The calls that are going on at all gateways of the cluster, this one included."""
    try:
        found = await app.gateway.everywhere()
    except Unreachable:
        raise HTTPException(503, "the gateways' Redis does not answer") from None
    there = [
        models.GatewayCalls(name=one.name, draining=one.draining, calls=[_live(*call) for call in one.calls.items()])
        for one in found
    ]
    return models.Cluster(gateways=there)


@router.get("/calls", tags=["calls"], responses=problems(404))
@by_tenant
async def calls(app: Here, who: Reader, search: Annotated[models.Search, Query()]) -> models.CallPage:
    """Records of calls, newest first."""
    wanted = CallFilter(**search.model_dump(exclude={"limit", "after"}))
    try:
        found = await app.searches.page(app.gateway.store, wanted, search.limit, search.after)
    except ValueError as error:
        raise HTTPException(404, str(error)) from None
    except SearchRefused as reason:
        raise HTTPException(503, str(reason), {"Retry-After": "5"}) from None
    return models.CallPage(
        calls=[models.CallSummary.model_validate(seen_by(call, who.tenant)) for call in found.calls], next=found.next
    )


@router.post("/calls", tags=["calls"], status_code=201, responses=problems(409))
@by_tenant
async def place(request: Request, app: Here, who: Caller, wanted: models.Place) -> models.Placed:
    """Make a call; an agent speaks when it is answered. Requests with the same Idempotency-Key make one call."""
    key, call = request.headers.get(KEY, ""), secrets.token_hex(12)
    if len(key) > LONGEST_KEY:
        raise HTTPException(400, f"{KEY} has more than {LONGEST_KEY} characters")
    if key and (before := await app.placed.claim(who, key, call)):
        return models.Placed(id=before)
    call_request = OriginateRequest(
        wanted.to, wanted.agent, wanted.variables, wanted.trunk, wanted.caller_id, consent=wanted.consent,
        ring_timeout=wanted.ring, campaign=wanted.campaign, purpose="campaign" if wanted.campaign else "call",
        call=call,
    )  # fmt: skip
    try:
        made = app.gateway.originate(call_request).id
    except (VariableError, NotDialled) as error:
        if key:
            await app.placed.give_up(who, key)
        await note(request, "asked for a call that was not made", wanted.to, str(error))
        told = error.told(who.tenant) if isinstance(error, NotDialled) else str(error)
        raise HTTPException(503 if isinstance(error, NoRoom) else 409, told) from None
    await note(request, "made a call", wanted.to, wanted.agent, made=made)
    return models.Placed(id=made)


@router.get("/calls/{id:path}", tags=["calls"], responses=problems(404))
@by_tenant
async def call(app: Here, who: Reader, id: Id) -> models.CallRecord:  # noqa: A002
    """The record of one call."""
    found = await app.gateway.store.call(id)
    if found is None:
        raise HTTPException(404, "there is no record of this call")
    return models.CallRecord.model_validate(seen_by(found, who.tenant))


@router.post("/calls/{id:path}/say", tags=["live calls"], responses=problems(404, 409))
@by_tenant
async def say(request: Request, app: Here, who: Controller, id: Id, what: models.Say) -> models.Done:  # noqa: A002
    """The agent says this as soon as neither it nor the caller speaks."""
    return await _control(request, app, id, SAID, what.text, lambda call: call.say(what.text))


@router.post("/calls/{id:path}/instruct", tags=["live calls"], responses=problems(404, 409))
@by_tenant
async def instruct(request: Request, app: Here, who: Controller, id: Id, what: models.Say) -> models.Done:  # noqa: A002
    """A note to the agent; the caller does not hear it."""
    return await _control(request, app, id, TOLD, what.text, lambda call: call.instruct(what.text))


@router.post("/calls/{id:path}/digits", tags=["live calls"], responses=problems(404, 409))
@by_tenant
async def digits(request: Request, app: Here, who: Controller, id: Id, what: models.Digits) -> models.Done:  # noqa: A002
    """Press keys."""
    return await _control(request, app, id, "pressed keys", "", lambda call: call.send_digits(what.keys))


@router.post("/calls/{id:path}/transfer", tags=["live calls"], responses=problems(404, 409))
async def transfer(
    request: Request, app: Here, who: Controller, id: Id, what: models.Transfer  # noqa: A002
) -> models.Done:  # fmt: skip
    """Transfer the caller to one of `[[people]]`, or to anybody on duty."""
    return await _control(request, app, id, "transferred", what.to, lambda call: call.transfer(what.to))


@router.post("/calls/{id:path}/take-over", tags=["live calls"], responses=problems(404, 409))
async def take_over(
    request: Request, app: Here, who: Controller, id: Id, what: models.TakeOver  # noqa: A002
) -> models.Done:  # fmt: skip
    """Call an operator, who takes the agent's place when they answer; the response waits for the answer."""
    return await _join(request, app, id, models.Join(who=what.who, mode=Mode.TAKE_OVER, brief=False))


@router.post("/calls/{id:path}/join", tags=["live calls"], responses=problems(404, 409))
async def join(
    request: Request, app: Here, who: Controller, id: Id, what: models.Join  # noqa: A002
) -> models.Done:  # fmt: skip
    """Call a third into the call, beside caller and agent; the response waits for the answer."""
    return await _join(request, app, id, what)


@router.post("/calls/{id:path}/mode", tags=["live calls"], responses=problems(404, 409))
@by_tenant
async def mode(
    request: Request, app: Here, who: Controller, id: Id, what: models.ChangeMode  # noqa: A002
) -> models.Done:  # fmt: skip
    """Change who hears whom while a third is in the call."""
    return await _supervise(request, app, id, f"mode: {what.mode.value}", lambda call: call.change_mode(what.mode))


@router.post("/calls/{id:path}/give-back", tags=["live calls"], responses=problems(404, 409))
@by_tenant
async def give_back(request: Request, app: Here, who: Controller, id: Id) -> models.Done:  # noqa: A002
    """Hang up the third; the agent has the call alone."""
    return await _supervise(request, app, id, "gave back", lambda call: call.give_back())


@router.post("/calls/{id:path}/end", tags=["live calls"], responses=problems(404, 409))
@by_tenant
async def end(request: Request, app: Here, who: Controller, id: Id, what: models.End) -> models.Done:  # noqa: A002
    """Have the agent say goodbye and hang up. A call that rings, hears a goodbye or is with a person is hung up at
    once."""
    live = (await _going_on(app, id)).info
    cause = what.cause or f"{who.name_for(live.tenant)} ended the call"
    try:
        return await _control(request, app, id, ENDED, cause, lambda call: call.end(cause))
    except HTTPException as error:
        if error.status_code != 409:
            raise
    app.gateway.stop(live.id, cause)
    await note(request, ENDED, id, cause)
    return models.Done(id=id)


@router.get("/audit", tags=["audit"])
@by_tenant
async def audit(app: Here, _who: Auditor, search: Annotated[models.AuditSearch, Query()]) -> models.AuditPage:
    """Entries of the audit log, newest first. Keys of a tenant get those of its people, calls and campaigns, without
    details, and without names and addresses of the operator's people."""
    found = await audit_entries(app.gateway.store, search.limit, search.before)
    entries = [models.AuditEntry.model_validate(columns(one)) for one in found]
    return models.AuditPage(entries=entries, next=found[-1].id if len(found) == search.limit else None)


@router.get("/trunks", tags=["trunks"])
async def trunks(app: Here, _who: Reader) -> models.Trunks:
    """How each trunk is."""
    return models.Trunks(trunks=[models.Trunk(**asdict(trunk)) for trunk in app.gateway.status()])


def _live(call: str, values: dict[str, Any]) -> models.LiveCall:
    return models.LiveCall(id=call, **values)


async def _going_on(app: App, call: str) -> CallSession:
    found = await find(app.gateway, call)
    if found is None or found.session is None:
        raise HTTPException(404, "this call is not going on")
    return found.session


async def _join(request: Request, app: App, call: str, what: models.Join) -> models.Done:
    live = await _going_on(app, call)
    try:
        joined = await live.join(what.who, what.mode, brief=what.brief)
    except CallControlRefused as error:
        raise HTTPException(409, str(error)) from None
    done = live.conference.outcome
    if not joined:
        raise HTTPException(409, f"{what.who} did not answer" + (f": {done.status} {done.reason}" if done else ""))
    taken = what.mode is Mode.TAKE_OVER
    detail = what.who if taken else f"{what.who}: {what.mode.value}"
    await note(request, "had it taken over" if taken else "had somebody join", call, detail)
    return models.Done(id=call)


async def _supervise(
    request: Request, app: App, call: str, action: str, act: Callable[[CallSession], None]
) -> models.Done:
    live = await _going_on(app, call)
    third = live.conference.third
    try:
        act(live)
    except CallControlRefused as error:
        raise HTTPException(409, str(error)) from None
    await note(request, action, call, third.name if third else "")
    return models.Done(id=call)


async def _control(
    request: Request, app: App, call: str, action: str, detail: str, act: Callable[[CallControl], None]
) -> models.Done:
    live = await _going_on(app, call)
    try:
        act(live.call_control)
    except CallControlRefused as error:
        raise HTTPException(409, str(error)) from None
    await note(request, action, call, detail)
    return models.Done(id=call)
