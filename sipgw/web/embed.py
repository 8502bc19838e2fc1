"""The talk button on the owner's own web site: a script, the page in its frame, and the requests of a visitor's call.

The frame is a page of this server, so its requests come from our own origin, and the site needs no rights here.
Browsers show it in no page but those of ``[embed] origins`` (frame-ancestors, Content Security Policy Level 3). A
program needs no page, so the number of calls is limited here, whoever asks, and ``[limits]`` count a visitor like any
caller.
"""

import asyncio
import secrets
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, HTTPException, Request
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, Field
from starlette.requests import HTTPConnection

from sipgw.bounds import FULL
from sipgw.calls.browser_phone import VISITOR, BrowserPhone, CallUnavailable, PendingCall
from sipgw.config.embed import EmbedOptions
from sipgw.config.networks import site
from sipgw.policy.inbound.limits import Caller
from sipgw.sip.buckets import Bucket, Buckets
from sipgw.sip.offer_answer import NotAcceptable
from sipgw.sip.sdp import MAX_SDP
from sipgw.sip.uri import is_address
from sipgw.web.security import POLICY
from sipgw.web.sign_in import address
from sipgw.web.state import FOLDER, Here, page
from sipgw.web.transcript import words

HOUR, DAY = 3600, 86400
UNKNOWN = "0.0.0.0"
"""Counts as the address of all visitors whose proxy does not tell one."""
KINDS = ("caller", "agent", "interrupted", "answered", "ended")
"""What visitors are told of their call: no names of tools, no causes of faults."""


class TooManyCalls(Exception):  # noqa: N818  a state, not a fault
    """The limits of ``[embed]`` allow no more calls now."""


@dataclass
class _Visit:
    call: str = ""
    """Empty while it is being placed."""
    followed: bool = False


class Visitors:
    """The calls of all visitors, each by a key that only its page has."""

    def __init__(self, options: EmbedOptions, phone: BrowserPhone) -> None:
        self.options = options
        self.phone = phone
        self._visits: dict[str, _Visit] = {}
        self._hourly = Buckets(options.calls_per_hour / HOUR, options.calls_per_hour, secrets.token_bytes(32))
        self._daily = Bucket(options.calls_per_day / DAY, options.calls_per_day)

    async def place(self, offer: str, host: str) -> tuple[str, PendingCall]:
        """Let the agent take the call of a visitor at `host`; returns its key, too.

        Raises `TooManyCalls`, `NotAcceptable` or `CallUnavailable`.
        """
        now = asyncio.get_running_loop().time()
        self._visits = {key: one for key, one in self._visits.items() if not one.call or self._goes_on(key, one)}
        if (
            len(self._visits) >= self.options.max_calls
            or self._daily.wait(now)
            or not self._hourly.take(site(host), now)
        ):
            FULL["calls of visitors"] += 1
            raise TooManyCalls
        self._daily.take(now)
        key = secrets.token_urlsafe(24)
        visit = self._visits[key] = _Visit()
        try:
            placed = await self.phone.place(offer, self.options.agent, key, Caller("", self.options.agent, host))
        except BaseException:
            del self._visits[key]
            raise
        visit.call = placed.call
        return key, placed

    def visit(self, call: str, key: str) -> _Visit | None:
        """The call that goes on, if `key` is its key."""
        found = self._visits.get(key)
        return found if found and found.call == call and self._goes_on(key, found) else None

    def _goes_on(self, key: str, visit: _Visit) -> bool:
        return self.phone.owned(visit.call, key)


def _visitors(request: HTTPConnection) -> Visitors:
    found: Visitors = request.app.state.visitors
    if not found.options.origins:
        raise HTTPException(404, "there is no such page")
    return found


router = APIRouter(dependencies=[Depends(_visitors)])
There = Annotated[Visitors, Depends(_visitors)]
Key = Annotated[str, Header(alias="X-Call-Key", max_length=64)]


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
    found = page(request, "embed.html", label=options.label, notice=options.notice, missing=visitors.phone.missing)
    policy = POLICY.format(nonce=request.scope["nonce"])
    sites = f"frame-ancestors {' '.join(options.origins)}"
    found.headers["Content-Security-Policy"] = policy.replace("frame-ancestors 'none'", sites)
    return found


@router.get("/embed/ice")
async def ice(app: Here) -> Response:
    """ICE servers; see `sipgw.config.browser.BrowserOptions.turn`."""
    servers = app.gateway.config.browser.ice_servers(VISITOR, app.overviews.now().timestamp())
    return JSONResponse({"iceServers": servers}, headers={"Cache-Control": "no-store"})


@router.post("/embed/calls", status_code=201)
async def place(request: Request, call_request: VisitorCallRequest, visitors: There) -> dict[str, Any]:
    """Begin a call; the browser gets the SDP answer, and the key of its call."""
    host = address(request)
    try:
        key, placed = await visitors.place(call_request.sdp, host if is_address(host) else UNKNOWN)
    except TooManyCalls:
        raise HTTPException(429, "Too many calls.", {"Retry-After": "60"}) from None
    except NotAcceptable as error:
        raise HTTPException(400, f"The browser's offer cannot be used: {error}.") from None
    except CallUnavailable:  # the reason is for the owner: the page ``/phone`` tells it
        raise HTTPException(503, "No call is possible now.", {"Retry-After": "60"}) from None
    return {"call": placed.call, "sdp": placed.answer, "key": key}


@router.delete("/embed/calls/{call}", status_code=204)
async def hang_up(call: str, visitors: There, key: Key = "") -> None:
    """End the visitor's own call; what is over or not theirs stays so."""
    if visitors.visit(call, key):
        await visitors.phone.hang_up(call, key)


@router.get("/embed/calls/{call}/events")
async def call_events(call: str, app: Here, visitors: There, key: Key = "") -> Response:
    """Server-sent events ``word``, once: the words of both sides in the visitor's own call, and its end."""
    visit = visitors.visit(call, key)
    if visit is None or visit.followed:
        raise HTTPException(404, "there is no such call of yours")
    visit.followed = True
    return StreamingResponse(words(app.gateway.watchers, call, shown=for_visitors), media_type="text/event-stream")


def for_visitors(message: dict[str, Any]) -> dict[str, Any] | None:
    """What a visitor gets of a message of the call's page; None if nothing."""
    if message["kind"] not in KINDS:
        return None
    return {"kind": "ended"} if message["kind"] == "ended" else message
