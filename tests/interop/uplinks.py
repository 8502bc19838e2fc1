"""A gateway with two uplinks, of which one fails in a call: ``unshare -n python -m tests.interop.uplinks udp``.

The gateway is here; the carrier is in a namespace of its own that both uplinks lead to. The gateway registers there and
is called; then the better uplink goes down. Prints what the carrier sees, as JSON.
"""

import asyncio
import collections
import contextlib
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from media.process.engine import MediaOptions
from sipgw.config.trunks import TrunkOptions
from sipgw.sip import address_watch
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.events import Offered
from sipgw.sip.leg import Leg
from sipgw.sip.message import Request
from sipgw.sip.offer_answer import LocalMedia, accept_answer, answer, make_offer
from sipgw.sip.registrar import Registrar
from tests.cloud import cloud
from tests.interop.behind_nats import VOICE, ended, tell
from tests.interop.spaces import HERE, link, space
from tests.phone import Phone
from tests.waiting import until, within

CARRIER, FIRST, SECOND = "203.0.113.9", "198.51.100.2", "192.0.2.2"
"""The carrier's address, and those of the gateway on its uplinks."""


class Hearing(Phone):
    """Knows how many packets came from which address."""

    def __init__(self) -> None:
        super().__init__(lambda _: VOICE)
        self.heard_from: collections.Counter[str] = collections.Counter()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.heard_from[addr[0]] += 1

    async def hears_from(self, host: str) -> None:
        """Wait for a second of sound from there."""
        before = self.heard_from[host]
        await until(lambda: self.heard_from[host] > before + 50)


async def carrier() -> None:
    """Let the gateway register, call it, and follow its addresses; a line of standard input has it call."""
    registrar, loop = Registrar(), asyncio.get_running_loop()
    stdin = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)

    def register(request: Request, source: Any, now: float) -> Any:
        answered = registrar.register("agent", request, source, now)
        tell("registered", [[one.contact.host, one.peer.host] for one in registrar.bindings("agent", now)])
        return answered

    here = EndpointOptions(CARRIER, 5060)
    async with Endpoint(here, lambda leg: leg.reject(603), lambda *_: None, register=register) as endpoint:
        tell("ready", True)
        await stdin.readline()
        (binding,) = registrar.bindings("agent", loop.time())
        sound, phone = await loop.create_datagram_endpoint(Hearing, (CARRIER, 0))
        local = LocalMedia(CARRIER, sound.get_extra_info("sockname")[1], tls=False)
        caller = f"<sip:+14155550100@{CARRIER}>"
        leg, reply = await endpoint.invite(binding.contact, caller, make_offer(local), peer=binding.peer)
        agreed = accept_answer(leg.local, reply or b"", local)
        phone.remote = agreed.remote_address, agreed.remote_port
        async with asyncio.TaskGroup() as tasks:
            talking = tasks.create_task(phone.talk())
            await phone.hears_from(FIRST)
            tell("heard", [leg.target.host, agreed.remote_address])
            await followed(leg, phone, local)
            # Registrations follow with a delay by chance, which spares the registrar.
            await until(lambda: SECOND in [one.peer.host for one in registrar.bindings("agent", loop.time())])
            leg.hangup()
            tell("ended", [(await ended(leg)).how])
            talking.cancel()
        sound.close()


async def followed(leg: Leg, phone: Hearing, local: LocalMedia) -> None:
    """Take the new address of the gateway, and hear it from there."""
    async for event in leg.events():
        if isinstance(event, Offered):
            agreed = answer(event.sdp or b"", replace(local, session=leg.local))
            leg.accept_offer(agreed.sdp)
            phone.remote = agreed.remote_address, agreed.remote_port
            tell("offered", [leg.target.host, agreed.remote_address])
            await phone.hears_from(SECOND)
            return
    raise RuntimeError("the call has ended")


async def gateway(transport: str) -> None:
    HERE.run("ip link set lo up")
    address_watch.INTERVAL = 0.2
    with space() as there, tempfile.TemporaryDirectory() as folder:
        better, _ = link(HERE, f"{FIRST}/24", there, "198.51.100.1/24")
        link(HERE, f"{SECOND}/24", there, "192.0.2.1/24")
        HERE.run("ip route add default via 198.51.100.1 metric 100")
        HERE.run("ip route add default via 192.0.2.1 metric 200")
        there.run(f"ip addr add {CARRIER}/32 dev lo")
        process = await asyncio.create_subprocess_exec(
            *there.inside(sys.executable, "-m", "tests.interop.uplinks", "carrier"),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            await within(failing(transport, process, better, Path(folder)))
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def failing(transport: str, carrier: asyncio.subprocess.Process, better: str, folder: Path) -> None:
    """Run the gateway, and have its `better` uplink fail once the carrier hears it."""
    assert carrier.stdin is not None
    assert carrier.stdout is not None
    trunk = TrunkOptions("carrier", "register", registrar=f"sip:{CARRIER};transport={transport}", user="agent")
    async with contextlib.AsyncExitStack() as stack:
        async for line in carrier.stdout:
            print(line.decode(), end="", flush=True)
            match json.loads(line):
                case ["ready", _]:
                    everywhere = lambda config: replace(config, media=MediaOptions(bind_host="0.0.0.0"))  # noqa: E731
                    sip = EndpointOptions("0.0.0.0", 5060)
                    await stack.enter_async_context(cloud(folder, [], [], trunks=(trunk,), sip=sip, change=everywhere))
                case ["registered", [[host, _]]] if host == FIRST:
                    carrier.stdin.write(b"call\n")
                case ["heard", _]:
                    HERE.run(f"ip link set {better} down")


if __name__ == "__main__":
    asyncio.run(carrier() if sys.argv[1] == "carrier" else gateway(sys.argv[1]))
