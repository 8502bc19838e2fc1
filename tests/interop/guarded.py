"""A user agent behind the gateway's door, media off: ``python -m tests.interop.guarded [ALGORITHM ...]``.

127.0.0.1 is its trunk, everybody else may be a phone and is challenged. It prints its port, and at its end, as JSON,
what it counted and what it weighs.
"""

import asyncio
import json
import resource
import secrets
import signal
import sys
from pathlib import Path

from sipgw.config.inbound import AccountOptions, AdmissionOptions
from sipgw.config.trunks import TrunkOptions
from sipgw.policy.inbound.admission import Admission
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.leg import Leg
from sipgw.sip.offer_answer import LocalMedia
from tests.interop.autoanswer import describe


def pick_up(leg: Leg) -> None:
    leg.ringing()
    leg.answer(describe(leg.offer, LocalMedia("127.0.0.1", 4000, tls=False)))


async def main() -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    trunk = TrunkOptions("trunk", "peer", networks=("127.0.0.1/32",), max_calls=5000)
    phones = AccountOptions("anna", "annas-password", networks=("0.0.0.0/0",))
    options = AdmissionOptions(algorithms=tuple(sys.argv[1:]) or AdmissionOptions.algorithms)  # type: ignore[arg-type]
    token = lambda: secrets.token_hex(8)  # noqa: E731
    admission = Admission(options, [trunk], [phones], secrets.token_bytes(32), token)
    read = [0, 0]

    def screen(host: str) -> bool:
        welcome = admission.screen(host, loop.time())
        read[welcome] += 1
        return welcome

    async with Endpoint(
        EndpointOptions("127.0.0.1", 0),
        pick_up,
        lambda request, source: admission.judge(request, source, loop.time()),
        screen=screen,
    ) as endpoint:
        print("ready", endpoint.port, flush=True)
        await stop.wait()
        usage = resource.getrusage(resource.RUSAGE_SELF)
        figures = {
            "unread": read[0],
            "read": read[1],
            "seconds": round(usage.ru_utime + usage.ru_stime, 2),
            "mib": int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) // 1024,
            "counts": dict(endpoint.agent.counts),
            "open": endpoint.agent.open,
        }
        print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
