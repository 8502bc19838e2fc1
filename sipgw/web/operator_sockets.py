"""Websockets of operators in live calls: listen, join by a page, take over, give back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, HTTPException, WebSocket
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.websockets import WebSocketDisconnect

from agent.call_control import CallControlRefused
from sipgw.bounds import NoPlace, Places
from sipgw.calls.browser_phone import CallUnavailable
from sipgw.calls.conference import Mode
from sipgw.calls.listeners import TooManyListeners
from sipgw.calls.session import CallSession
from sipgw.sip.offer_answer import NotAcceptable
from sipgw.web.found_call import find
from sipgw.web.lasting_access import Access, LastingAccess
from sipgw.web.phone import Phone, PhoneCallRequest
from sipgw.web.principal import OperatorRole
from sipgw.web.state import Here, note
from sipgw.web.tenant_view import by_tenant

router = APIRouter()

LISTEN_LIMIT = 600.0
"""Seconds of one stream. The page asks for another at once."""
TAKE_LIMIT = 7200.0
"""Longest take-over in seconds; then the agent goes on."""
OFFER_LIMIT = 10.0
"""Seconds that a page has for its offer."""
SOCKETS = Places("websockets of operators", 200)
"""Places for the websockets of people who listen, speak, or wait for their browser's offer."""


class CloseCode(NamedTuple):
    """The close code and reason of a websocket."""

    code: int
    reason: str


AGAIN = CloseCode(4000, "")
OVER = CloseCode(4001, "The call is over.")
BACK = CloseCode(4002, "The agent has the call again.")
REFUSED = 4003
SIGNED_OUT = CloseCode(REFUSED, "You are signed out.")


async def _live(call: str, app: Here) -> CallSession | None:
    with contextlib.suppress(SQLAlchemyError, OSError):  # a running call is found without the database
        found = await find(app.gateway, call)
        return found.session if found else None
    return None


Live = Annotated[CallSession | None, Depends(_live)]


async def _placed(who: OperatorRole) -> AsyncIterator[None]:
    try:
        with SOCKETS.held(who.tenant):
            yield
    except NoPlace:
        raise HTTPException(503, "Too many are connected. Try again in a moment.") from None


@router.websocket("/api/live/{call:path}/listen", dependencies=[Depends(_placed)])
@by_tenant
async def listen(socket: WebSocket, who: OperatorRole, live: Live, access: Access) -> None:
    """Blocks of 100 ms of mu-law: the caller on the left, the agent or person on the right. A slow listener loses the
    oldest."""
    await socket.accept()
    if live is not None:
        await note(socket, "listened", live.info.id)
    await _close(socket, await _while_there(socket, access, _listening(socket, live)))


async def _listening(socket: WebSocket, live: CallSession | None) -> CloseCode:
    try:
        if live is not None:
            with live.listen() as blocks:
                async with asyncio.timeout(LISTEN_LIMIT):
                    async for block in blocks:
                        await socket.send_bytes(block)
    except (CallControlRefused, TooManyListeners) as error:
        return CloseCode(REFUSED, str(error))
    except TimeoutError:
        return AGAIN
    return OVER


@router.websocket("/api/live/{call:path}/take-over", dependencies=[Depends(_placed)])
@by_tenant
async def take_over(
    socket: WebSocket, app: Here, calls: Phone, who: OperatorRole, live: Live, access: Access,
    mode: Mode = Mode.TAKE_OVER,
) -> None:  # fmt: skip
    """Takes an SDP offer like a call from a browser, sends the answer, and reports when the operator is connected. The
    agent has the call alone when the socket is closed. For `mode` see `sipgw.calls.conference`.
    """
    await socket.accept()
    try:
        async with asyncio.timeout(OFFER_LIMIT):
            sdp = PhoneCallRequest.model_validate_json(await socket.receive_text()).sdp
    except (TimeoutError, ValidationError, WebSocketDisconnect, KeyError):
        await _close(socket, CloseCode(REFUSED, "The browser made no offer."))
        return

    async def operating() -> CloseCode:
        if live is None:
            return OVER
        try:
            async with calls.operating(sdp, who.name) as page, asyncio.timeout(TAKE_LIMIT):
                await socket.send_json({"sdp": page.answer})
                if not await live.join(who.name_for(live.info.tenant), mode, page.consult):
                    return CloseCode(REFUSED, "The browser could not be connected.")
                action = "took over" if mode is Mode.TAKE_OVER else "joined"
                detail = "" if mode is Mode.TAKE_OVER else mode.value
                await note(socket, action, live.info.id, detail)
                await socket.send_json({"taken": live.info.id})
                await page.gone()
        except (CallControlRefused, CallUnavailable, NotAcceptable) as error:
            return CloseCode(REFUSED, str(error))
        except TimeoutError:
            return BACK
        return BACK if live.info.id in app.gateway.calls else OVER

    await _close(socket, await _while_there(socket, access, operating()))


async def _while_there(
    socket: WebSocket, access: LastingAccess, work: Coroutine[Any, Any, CloseCode]
) -> CloseCode | None:
    """Await `work` and return its result; None if the page is closed, or access is lost, before."""
    async with asyncio.TaskGroup() as group:
        doing, leaving = group.create_task(_to_the_end(work)), group.create_task(_left(socket))
        ending = group.create_task(access.over())
        await asyncio.wait({doing, leaving, ending}, return_when=asyncio.FIRST_COMPLETED)
        for task in (doing, leaving, ending):
            task.cancel()
    if not doing.cancelled():
        return doing.result()
    return None if ending.cancelled() else SIGNED_OUT


async def _to_the_end(work: Coroutine[Any, Any, CloseCode]) -> CloseCode | None:
    try:
        return await work
    except WebSocketDisconnect:
        return None


async def _left(socket: WebSocket) -> None:
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


async def _close(socket: WebSocket, close: CloseCode | None) -> None:
    if close is not None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # the page was left at the same moment
            await socket.close(close.code, close.reason[:100])
