"""One request of ours outside any dialog, asked once and awaited."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import NamedTuple

from sipgw.sip.dialog import Peer
from sipgw.sip.failover import Failover
from sipgw.sip.message import Request, Response
from sipgw.sip.user_agent import UserAgent


class Asked(NamedTuple):
    """One request of ours and what came of it."""

    request: Request
    """As it was last sent."""
    peer: Peer
    response: Response | None
    """The final one, or None if there was none."""
    failure: str
    """Why nobody could be asked; empty if somebody could."""


async def asked(agent: UserAgent, after: Callable[..., None], request: Request, peer: Peer, limit: float) -> Asked:
    """See `Endpoint.ask`; `after` lets the core act and sends what it wants sent."""
    done: asyncio.Future[Response | None] = asyncio.get_running_loop().create_future()

    def told(answer: Request | Response | None, now: float) -> None:
        del now
        if not done.done() and not (isinstance(answer, Response) and answer.status < 200):
            done.set_result(answer if isinstance(answer, Response) else None)

    hunts: list[Failover] = []
    after(lambda now: hunts.append(agent.start(request, peer, told, now)))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit):
            await asyncio.shield(done)
    hunt = hunts[0]
    if not done.done():
        after(hunt.give_up)
    return Asked(hunt.request, hunt.peer, done.result() if done.done() else None, hunt.failure)
