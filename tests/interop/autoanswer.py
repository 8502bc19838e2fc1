"""A user agent, media off, that answers calls and offers.

``python -m tests.interop.autoanswer PORT [MIN_SE [CERTIFICATE]]`` prints its port, its TLS port, and calls over TLS.

Who calls the user `early` is given the answer before the call is picked up.
"""

import asyncio
import contextlib
import signal
import sys
from dataclasses import replace

from sipgw.sip import session_timer
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.events import Offered
from sipgw.sip.leg import Leg
from sipgw.sip.offer_answer import LocalMedia, answer, make_offer
from sipgw.sip.tls import TlsOptions


def describe(offer: bytes | None, local: LocalMedia) -> bytes:
    return answer(offer, local).sdp if offer else make_offer(local)


async def follow(leg: Leg, local: LocalMedia) -> None:
    async for event in leg.events():
        if isinstance(event, Offered):
            leg.accept_offer(describe(event.sdp, replace(local, session=leg.local)))


async def main() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    session_timer.MIN_SE = int(sys.argv[2]) if len(sys.argv) > 2 else session_timer.MIN_SE
    options = EndpointOptions("127.0.0.1", int(sys.argv[1]), tls=TlsOptions(0, "".join(sys.argv[3:])))
    following: set[asyncio.Task[None]] = set()

    def pick_up(leg: Leg) -> None:
        if leg.source.transport == "tls" and not following:  # the first is enough: nobody may be reading
            print("call", leg.source.transport, leg.request.via.transport, flush=True)
        local = LocalMedia("127.0.0.1", 4000, tls=False)
        sdp = describe(leg.offer, local)
        leg.ringing()
        if leg.request.uri.user == "early":
            leg.progress(sdp)
        leg.answer(sdp)
        task = tasks.create_task(follow(leg, local))
        following.add(task)
        task.add_done_callback(following.discard)

    async with asyncio.TaskGroup() as tasks:
        async with Endpoint(options, pick_up, lambda *_: None) as endpoint:
            print("ready", endpoint.port, endpoint.tls_port, flush=True)
            await stop.wait()
        for task in following:
            task.cancel()
    print(dict(endpoint.agent.counts), flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
