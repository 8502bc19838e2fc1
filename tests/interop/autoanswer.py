"""A user agent that answers every call, media off: ``python -m tests.interop.autoanswer PORT``."""

import asyncio
import contextlib
import signal
import sys

from sipgw.sip.endpoint import Endpoint, EndpointOptions
from sipgw.sip.leg import Leg
from sipgw.sip.offer_answer import LocalMedia, answer, make_offer


def pick_up(leg: Leg) -> None:
    local = LocalMedia("127.0.0.1", 4000)
    leg.ringing()
    leg.answer(answer(leg.offer, local).sdp if leg.offer else make_offer(local))


async def main() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    options = EndpointOptions("127.0.0.1", int(sys.argv[1]))
    async with Endpoint(options, pick_up, lambda *_: None) as endpoint:
        print("ready", endpoint.port, flush=True)
        await stop.wait()
    print(dict(endpoint.agent.counts), flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
