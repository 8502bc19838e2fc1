"""A phone in a container, behind two NATs, calls a gateway: ``unshare -n python -m tests.interop.behind_nats udp``.

Each computer is a network namespace: the gateway here, a router, the host of the container, and the container. No way
leads back to the phone but through what both NATs have opened. Prints what phone and gateway see, as JSON.
"""

import asyncio
import contextlib
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from media.process.engine import MediaOptions
from sipgw.config.trunks import TrunkOptions
from sipgw.gateway.gateway import Gateway
from sipgw.sip.checks import DROP
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.events import Ended
from sipgw.sip.leg import Leg
from sipgw.sip.offer_answer import LocalMedia, accept_answer, make_offer
from sipgw.sip.uri import Uri
from tests.cloud import cloud
from tests.fakes.elevenlabs import sound_of
from tests.interop.spaces import HERE, link, space
from tests.phone import Phone
from tests.waiting import until, within

GATEWAY, OUTSIDE = "203.0.113.1", "203.0.113.2"
CONTAINER = "172.17.0.2"
GREETING = "Hello, this is Acme Store. How can I help you?"
VOICE = b"\x70" * 160


def tell(what: str, seen: object) -> None:
    print(json.dumps([what, seen]), flush=True)


async def sound() -> tuple[Phone, LocalMedia]:
    """A new port of the phone."""
    loop = asyncio.get_running_loop()
    transport, phone = await loop.create_datagram_endpoint(lambda: Phone(lambda _: VOICE), (CONTAINER, 0))
    return phone, LocalMedia(CONTAINER, transport.get_extra_info("sockname")[1], tls=False)


async def ended(leg: Leg) -> Ended:
    async for event in leg.events():
        if isinstance(event, Ended):
            return event
    raise RuntimeError("it never ends")


async def phone(transport: str) -> None:
    """Call, hear the greeting, take another port for the sound, and wait until the gateway hangs up."""
    target = Uri.parse(f"sip:agent@{GATEWAY};transport={transport}")
    async with (
        Endpoint(EndpointOptions(CONTAINER, 5060), lambda leg: leg.reject(603), lambda *_: DROP) as endpoint,
        asyncio.TaskGroup() as tasks,
    ):
        first, local = await sound()
        leg, reply = await endpoint.invite(target, f"<sip:anna@{CONTAINER}>", make_offer(local))
        agreed = accept_answer(leg.local, reply or b"", local)
        first.remote = agreed.remote_address, agreed.remote_port
        talking = [tasks.create_task(first.talk())]
        await first.hears(sound_of(GREETING)[-8000:])  # what was said before our first packet opened the way is lost
        tell("greeted", list(first.remote))
        second, moved = await sound()
        moved = replace(moved, session=leg.local)
        changed = await leg.reinvite(make_offer(moved))
        second.remote = first.remote
        talking[0].cancel()
        talking.append(tasks.create_task(second.talk()))
        await until(lambda: len(second.received) > 50)
        tell("moved", changed.status)
        over = await ended(leg)
        talking[1].cancel()
        tell("ended", [over.by, over.how])


async def gateway(transport: str) -> None:
    HERE.run("ip link set lo up")
    with space() as router, space() as host, space() as container, tempfile.TemporaryDirectory() as folder:
        _, outer = link(HERE, f"{GATEWAY}/24", router, f"{OUTSIDE}/24")
        _, inner = link(router, "192.168.1.1/24", host, "192.168.1.10/24")
        link(host, "172.17.0.1/16", container, f"{CONTAINER}/16")
        router.forward(outer)
        host.forward(inner)
        host.run("ip route add default via 192.168.1.1")
        container.run("ip route add default via 172.17.0.1")
        trunk = TrunkOptions("home", "peer", networks=(f"{OUTSIDE}/32",))
        public = lambda config: replace(config, media=MediaOptions(bind_host=GATEWAY))  # noqa: E731
        sip = EndpointOptions(GATEWAY, 5060)
        async with cloud(Path(folder), [], [], trunks=(trunk,), sip=sip, change=public) as world:
            program = container.inside(sys.executable, "-m", "tests.interop.behind_nats", "phone", transport)
            calling = await asyncio.create_subprocess_exec(*program, stdout=asyncio.subprocess.PIPE)
            try:
                await within(followed(world.gateway, calling))
            finally:
                with contextlib.suppress(ProcessLookupError):
                    calling.kill()
                await calling.wait()


async def followed(here: Gateway, calling: asyncio.subprocess.Process) -> None:
    """Print what the phone tells; once it has moved, tell what came, and hang up."""
    assert calling.stdout is not None
    async for line in calling.stdout:
        print(line.decode(), end="", flush=True)
        if json.loads(line)[0] == "moved":
            (session,) = here.calls.values()
            before = (await session.media_stats())["received"]
            while (await session.media_stats())["received"] < before + 50:
                await asyncio.sleep(0.05)
            assert session.connection is not None
            leg = session.connection.leg
            assert leg is not None
            tell("source", [leg.source.host, leg.target.host])
            here.stop(session.info.id, "enough")


if __name__ == "__main__":
    asyncio.run(phone(sys.argv[2]) if sys.argv[1] == "phone" else gateway(sys.argv[1]))
