"""The browser phone: the page, and the few requests that a call of it needs."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, Field
from starlette.requests import HTTPConnection

from sipgw.calls.browser_phone import BrowserPhone, CallUnavailable, PromptDraft
from sipgw.config.agent_files import DEFAULT
from sipgw.config.tenants import tenant_of
from sipgw.records.store.prompts import Prompts
from sipgw.sip.offer_answer import NotAcceptable
from sipgw.sip.sdp import MAX_SDP
from sipgw.web.principal import OperatorRole, Principal, ViewerRole
from sipgw.web.state import App, Here, note, page
from sipgw.web.transcript import words

router = APIRouter()


def _phone(request: HTTPConnection) -> BrowserPhone:
    found: BrowserPhone = request.app.state.phone
    return found


Phone = Annotated[BrowserPhone, Depends(_phone)]


class PhoneCallRequest(BaseModel):
    """The request of the page."""

    sdp: str = Field(max_length=MAX_SDP)
    """The browser's offer, with all its candidates gathered."""
    agent: str = Field(DEFAULT, max_length=40)
    version: int = Field(0, ge=0, le=2**31 - 1)
    """The version of the agent's prompt for this call alone; 0: the prompt in use."""


async def _draft(app: App, who: Principal, agent: str, version: int) -> PromptDraft | None:
    """The version of a prompt for a call; none for 0. Raises a 403 or 404."""
    if not version:
        return None
    if not who.may("admin"):
        raise HTTPException(403, f"a version of a prompt needs the role admin; you are {who.role}")
    found = await Prompts(app.gateway.store).version(agent, version)
    if found is None:
        raise HTTPException(404, "there is no such version of this agent's prompt")
    return PromptDraft(f"{agent}, version {version}", found.text)


@router.get("/phone")
async def phone(
    request: Request, app: Here, calls: Phone, who: ViewerRole, agent: str = DEFAULT, version: int = 0
) -> Response:
    """The page; with a `version`, for a call of the agent with that version of its prompt."""
    draft = await _draft(app, who, agent, version)
    agents = sorted(app.gateway.agents.all, key=lambda name: (name != DEFAULT, name))
    allowed = who.may("operator")
    return page(
        request, "phone.html", title="Phone", agents=[agent] if draft else agents, missing=calls.missing,
        allowed=allowed, draft=draft, number=version,
    )  # fmt: skip


@router.get("/api/phone/ice")
async def ice(app: Here, who: OperatorRole) -> Response:
    """ICE servers for the page; see `sipgw.config.browser.BrowserOptions.turn`."""
    servers = app.gateway.config.browser.ice_servers(who.name, datetime.now(UTC).timestamp())
    return JSONResponse({"iceServers": servers}, headers={"Cache-Control": "no-store"})


@router.post("/api/phone/calls", status_code=201)
async def place(
    request: Request, call_request: PhoneCallRequest, app: Here, calls: Phone, who: OperatorRole
) -> dict[str, str]:
    """Begin a call; the browser gets the SDP answer, and connects."""
    draft = await _draft(app, who, call_request.agent, call_request.version)
    called = draft.name if draft else call_request.agent
    caller = who.name_for(tenant_of(call_request.agent, app.gateway.config.tenants))
    try:
        placed = await calls.place(call_request.sdp, call_request.agent, who.name, caller, draft=draft)
    except NotAcceptable as error:
        raise HTTPException(400, f"The browser's offer cannot be used: {error}.") from None
    except CallUnavailable as error:
        raise HTTPException(error.status, str(error)) from None
    await note(request, "called from a page", placed.call, called, made=placed.call)
    return {"call": placed.call, "sdp": placed.answer}


@router.delete("/api/phone/calls/{call}", status_code=204)
async def hang_up(call: str, calls: Phone, who: OperatorRole) -> None:
    """End the user's own call; the page also sends this when it is closed. Does nothing for other calls, or ended
    ones."""
    await calls.hang_up(call, who.name)


@router.get("/api/phone/calls/{call}/events")
async def call_events(call: str, app: Here, calls: Phone, who: OperatorRole) -> Response:
    """Server-sent events ``word``: the words of both sides in the user's own call, and its ending."""
    if not calls.owned(call, who.name):
        raise HTTPException(404, "there is no such call of yours")
    events = words(app.gateway.watchers, call, lambda: calls.owned(call, who.name))
    return StreamingResponse(events, media_type="text/event-stream")
