"""A gateway whose address changes, in a network namespace of its own: ``unshare -n python -m tests.interop.moving``.

A second namespace, joined by a veth pair, holds an office: it registers the gateway and calls it. Then the gateway's
address is taken away and another one comes, as from another DHCP server. Prints what the office sees, as JSON.
"""

import asyncio
import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from sipgw.sip.endpoint import Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.events import Ended, Offered
from sipgw.sip.leg import Leg
from sipgw.sip.message import Request
from sipgw.sip.offer_answer import LocalMedia, answer, make_offer
from sipgw.sip.registrar import Registrar
from sipgw.sip.registration import RegistrationOptions, RegistrationState
from sipgw.sip.sdp import Sdp
from sipgw.sip.uri import Uri
from tests.waiting import HANG

OFFICE, OLD, NEW = "10.77.0.9", "10.77.0.1", "10.77.0.2"
ANYWHERE = EndpointOptions("0.0.0.0", 5060)


def ip(command: str) -> None:
    subprocess.run(["ip", *command.split()], check=True, timeout=HANG)


async def office(transport: str) -> None:
    """Register whoever asks, call it, and tell what is seen. Each line of standard input lets it go on."""
    registrar, loop = Registrar(), asyncio.get_running_loop()
    stdin = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    await stdin.readline()
    ip("link set lo up")
    ip(f"addr add {OFFICE}/24 dev v1")
    ip("link set v1 up")

    def tell(what: str, seen: object) -> None:
        print(json.dumps([what, seen]), flush=True)

    def register(request: Request, source: Any, now: float) -> Any:
        answered = registrar.register("agent", request, source, now)
        tell("registered", [[one.contact.host, one.peer.host] for one in registrar.bindings("agent", now)])
        return answered

    async with Endpoint(ANYWHERE, lambda leg: leg.reject(603), lambda *_: None, register=register) as endpoint:
        tell("ready", True)
        await stdin.readline()
        (binding,) = registrar.bindings("agent", loop.time())
        local = LocalMedia(OFFICE, 4000, tls=False)
        leg, _ = await endpoint.invite(binding.contact, f"<sip:office@{OFFICE}>", make_offer(local), peer=binding.peer)
        tell("up", leg.target.host)
        async for event in leg.events():
            if isinstance(event, Offered):
                connection = Sdp.parse(event.sdp or b"").connection
                leg.accept_offer(answer(event.sdp or b"", local).sdp)
                tell("offered", [leg.target.host, connection.address if connection else ""])
            elif isinstance(event, Ended):
                tell("ended", event.how)
                return


async def gateway(transport: str) -> None:
    ip("link set lo up")
    there = await asyncio.create_subprocess_exec(
        "unshare", "-n", sys.executable, "-m", "tests.interop.moving", "office", transport,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert there.stdin is not None
    assert there.stdout is not None
    legs: list[Leg] = []

    async def told(what: str) -> object:
        """Wait until the office tells it; everything that it tells is printed."""
        assert there.stdout is not None
        while line := (await there.stdout.readline()).decode():
            print(line, end="", flush=True)
            name, seen = json.loads(line)
            if name == what:
                return seen
        raise RuntimeError("the office is gone")

    def take(leg: Leg) -> None:
        legs.append(leg)
        address = endpoint.contact_host(leg.source)
        leg.answer(answer(leg.offer or b"", LocalMedia(address, 4002, tls=False)).sdp)

    try:
        await until_apart(there.pid)
        ip(f"link add v0 type veth peer name v1 netns {there.pid}")
        ip(f"addr add {OLD}/24 dev v0")
        ip("link set v0 up")
        there.stdin.write(b"go\n")
        await told("ready")
        async with Endpoint(ANYWHERE, take, lambda *_: None) as endpoint:
            server = Uri.parse(f"sip:{OFFICE};transport={transport}")
            registration = endpoint.register(RegistrationOptions(server, "agent", instance="urn:uuid:gateway"))
            await told("registered")
            while registration.state is not RegistrationState.REGISTERED:
                await asyncio.sleep(0.05)
            there.stdin.write(b"call\n")
            await told("up")
            ip(f"addr del {OLD}/24 dev v0")
            ip(f"addr add {NEW}/24 dev v0")
            await told("offered")
            legs[0].hangup()
            await told("ended")
    finally:
        with contextlib.suppress(ProcessLookupError):
            there.kill()
        await there.wait()


async def until_apart(pid: int) -> None:
    """Wait until the process has its own network namespace."""
    while Path(f"/proc/{pid}/ns/net").readlink() == Path("/proc/self/ns/net").readlink():
        await asyncio.sleep(0.01)


if __name__ == "__main__":
    asyncio.run(office(sys.argv[2]) if sys.argv[1] == "office" else gateway(sys.argv[1]))
