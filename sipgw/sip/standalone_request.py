"""One request of ours outside any dialog, and its final response."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import NamedTuple

from sipgw.sip.client_transactions import ClientTransactions
from sipgw.sip.dialog import Peer
from sipgw.sip.failover import Failover
from sipgw.sip.message import Request, Response


class RequestOutcome(NamedTuple):
    """One request of ours and its outcome."""

    request: Request
    """The request as it was last sent."""
    peer: Peer
    response: Response | None
    """The final response, or None if there was none."""
    failure: str
    """Why the request could not be sent to any address; empty if it could be sent."""


async def send_request(
    clients: ClientTransactions, after: Callable[..., None], request: Request, peer: Peer, limit: float
) -> RequestOutcome:
    """See `Endpoint.ask`; `after` lets the core act, and then sends the packets of the core."""
    final: asyncio.Future[Response | None] = asyncio.get_running_loop().create_future()

    def answered(answer: Request | Response | None, now: float) -> None:
        del now
        if not final.done() and not (isinstance(answer, Response) and answer.status < 200):
            final.set_result(answer if isinstance(answer, Response) else None)

    started: list[Failover] = []
    after(lambda now: started.append(Failover.start(clients, request, peer, answered, now)))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit):
            await asyncio.shield(final)
    failover = started[0]
    if not final.done():
        after(failover.give_up)
    return RequestOutcome(failover.request, failover.peer, final.result() if final.done() else None, failover.failure)
