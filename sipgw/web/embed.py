"""The talk button on the owner's own web site: a script, the page in its frame, and the requests of a visitor's call.

The frame is a page of this server, so its requests come from our own origin, and the site needs no rights here.
Browsers show it in no page but those of ``[embed] origins`` (frame-ancestors, Content Security Policy Level 3). A
program needs no page, so the number of calls is limited here for browsers and programs, and ``[limits]`` count a
visitor like any caller.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, HTTPException, Request
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, Field
from starlette.requests import HTTPConnection

from sipgw.calls.browser_phone import VISITOR, CallUnavailable
from sipgw.sip.offer_answer import NotAcceptable
from sipgw.sip.sdp import MAX_SDP
from sipgw.sip.uri import is_address
from sipgw.web.principal import address
from sipgw.web.security import policy
from sipgw.web.state import FOLDER, Here, page
from sipgw.web.transcript import words
from sipgw.web.visitors import SESSION_LIFE, NoSession, TooManyCalls, Visitors

UNKNOWN = "0.0.0.0"
"""The address of all visitors whose proxy reports no address."""
KINDS = ("caller", "agent", "interrupted", "answered", "ended")
"""Kinds of messages that visitors get about their call: no names of tools, no causes of faults."""


def _visitors(request: HTTPConnection) -> Visitors:
    found: Visitors = request.app.state.visitors
    if not found.options.origins:
        raise HTTPException(404, "there is no such page")
    return found


router = APIRouter(dependencies=[Depends(_visitors)])
There = Annotated[Visitors, Depends(_visitors)]
Key = Annotated[str, Header(alias="X-Call-Key", max_length=64)]


def _here(request: Request) -> str:
    host = address(request)
    return host if is_address(host) else UNKNOWN


class VisitorCallRequest(BaseModel):
    """The request of the page in the frame."""

    sdp: str = Field(max_length=MAX_SDP)
    """The browser's offer, with all its candidates gathered."""


@router.get("/embed.js")
async def script() -> Response:
    """The script of the owner's site; it makes the frame."""
    headers = {"Cross-Origin-Resource-Policy": "cross-origin", "Cache-Control": "public, max-age=3600"}
    return FileResponse(FOLDER / "static" / "embed.js", media_type="text/javascript", headers=headers)


@router.get("/embed")
async def frame(request: Request, visitors: There) -> Response:
    """The page in the frame."""
    options = visitors.options
    found = page(request, "embed.html", label=options.label, notice=options.notice, possible=not visitors.phone.missing)
    found.headers["Content-Security-Policy"] = policy(request.scope["nonce"], ancestors=" ".join(options.origins))
    return found


@router.post("/embed/sessions", status_code=201)
async def open_session(request: Request, app: Here, visitors: There) -> JSONResponse:
    """Begin a visit: the key of the call that must follow within a minute, and the ICE servers for it.

    Credentials of TURN servers are given to nobody else, and are good for this call only; see
    `sipgw.config.browser.BrowserOptions.turn`.
    """
    try:
        key = visitors.open(_here(request))
    except TooManyCalls:
        raise _too_many() from None
    life = SESSION_LIFE + visitors.options.max_duration
    servers = app.gateway.config.browser.ice_servers(VISITOR, app.overviews.now().timestamp(), life)
    return JSONResponse({"key": key, "iceServers": servers}, 201)


@router.post("/embed/calls", status_code=201)
async def place(call_request: VisitorCallRequest, visitors: There, key: Key = "") -> dict[str, Any]:
    """Begin the call of a session; the browser gets the SDP answer."""
    try:
        placed = await visitors.place(call_request.sdp, key)
    except NoSession:
        raise HTTPException(403, "This visit is over. Begin again.") from None
    except TooManyCalls:
        raise _too_many() from None
    except NotAcceptable as error:
        raise HTTPException(400, f"The browser's offer cannot be used: {error}.") from None
    except CallUnavailable:  # the reason is for the owner: the page ``/phone`` tells it
        raise HTTPException(503, "No call is possible now.", {"Retry-After": "60"}) from None
    return {"call": placed.call, "sdp": placed.answer}


def _too_many() -> HTTPException:
    return HTTPException(429, "Too many calls.", {"Retry-After": "60"})


@router.delete("/embed/calls/{call}", status_code=204)
async def hang_up(call: str, visitors: There, key: Key = "") -> None:
    """End the visitor's own call. Does nothing if the call is over or belongs to another visitor."""
    if visitors.session(call, key):
        await visitors.phone.hang_up(call, key)


@router.get("/embed/calls/{call}/events")
async def call_events(call: str, app: Here, visitors: There, key: Key = "") -> Response:
    """Server-sent events ``word``: the words of both sides in the visitor's own call, and its end."""
    session = visitors.session(call, key)
    if session is None or session.followed:
        raise HTTPException(404, "there is no such call of yours")
    session.followed = True
    going, longest = lambda: visitors.session(call, key) is not None, visitors.options.max_duration
    events = words(app.gateway.watchers, call, going, shown=for_visitors, at_most=longest)
    return StreamingResponse(events, media_type="text/event-stream")


def for_visitors(message: dict[str, Any]) -> dict[str, Any] | None:
    """The message for a visitor, made from a `message` of the call's page; None if visitors must not get it."""
    if message["kind"] not in KINDS:
        return None
    return {"kind": "ended"} if message["kind"] == "ended" else message
