"""A user agent, media off, for probes: ``python -m tests.interop.probed`` prints its port, then each event it is told.

Its users differ: `agent` picks up, `ringing` never does, `leaves` hangs up once it is in the call, `full` is answered
503 the first time. Session timers may be as short as six seconds.
"""

import asyncio
import json
import signal
from dataclasses import replace

from sipgw.sip import session_timer
from sipgw.sip.checks import Refusal
from sipgw.sip.dialog import Peer
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.events import Confirmed, Ended, KeyPressed, Offered
from sipgw.sip.leg import Leg
from sipgw.sip.message import Request
from sipgw.sip.offer_answer import LocalMedia, NotAcceptable
from tests.interop.autoanswer import describe

MEDIA = LocalMedia("127.0.0.1", 4000, tls=False)


def told(leg: Leg, **event: object) -> None:
    print(json.dumps({"call": leg.id, **event}), flush=True)


async def follow(leg: Leg) -> None:
    async for event in leg.events():
        if isinstance(event, Offered):
            try:
                leg.accept_offer(describe(event.sdp, replace(MEDIA, session=leg.local)))
            except NotAcceptable:
                leg.reject_offer(488)
        elif isinstance(event, Confirmed):
            told(leg, event="confirmed")
            if leg.request.uri.user == "leaves":
                leg.hangup()
        elif isinstance(event, KeyPressed):
            told(leg, event="key", key=event.key)
        elif isinstance(event, Ended):
            told(leg, event="ended", how=event.how)


async def main() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    session_timer.MIN_SE = 6
    following: set[asyncio.Task[None]] = set()
    full: set[str] = set()

    def admit(request: Request, source: Peer) -> Refusal | None:
        del source
        if request.method == "INVITE" and request.uri.user == "full" and not full:
            full.add(request.call_id)
            return Refusal(503, headers=(("Retry-After", "5"),))
        return None

    def take(leg: Leg) -> None:
        told(leg, event="call")
        leg.ringing()
        if leg.request.uri.user != "ringing":
            leg.answer(describe(leg.offer, MEDIA))
        task = tasks.create_task(follow(leg))
        following.add(task)
        task.add_done_callback(following.discard)

    async with asyncio.TaskGroup() as tasks:
        async with Endpoint(EndpointOptions("127.0.0.1", 0), take, admit) as endpoint:
            print(json.dumps({"port": endpoint.port}), flush=True)
            await stop.wait()
        for task in following:
            task.cancel()


if __name__ == "__main__":
    asyncio.run(main())
