"""A user agent that answers every call, media off: ``python -m tests.interop.autoanswer PORT [CERTIFICATE]``."""

import asyncio
import contextlib
import signal
import sys

from sipgw.sip.endpoint import Endpoint, EndpointOptions
from sipgw.sip.leg import Leg
from sipgw.sip.offer_answer import LocalMedia, answer, make_offer
from sipgw.sip.tls import TlsOptions


def pick_up(leg: Leg) -> None:
    print("call", leg.source.transport, leg.request.via.transport, flush=True)
    local = LocalMedia("127.0.0.1", 4000)
    leg.ringing()
    leg.answer(answer(leg.offer, local).sdp if leg.offer else make_offer(local))


async def main() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    tls = TlsOptions(0, sys.argv[2]) if sys.argv[2:] else TlsOptions()
    options = EndpointOptions("127.0.0.1", int(sys.argv[1]), tls=tls)
    async with Endpoint(options, pick_up, lambda *_: None) as endpoint:
        print("ready", endpoint.port, endpoint.tls_port, flush=True)
        await stop.wait()
    print(dict(endpoint.agent.counts), flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
