"""Nothing in the gateway grows with what a stranger sends: all that sees a datagram is here, as `Gateway` joins it."""

import asyncio
import gc
import random
import sys

import pytest

from sipgw.config.inbound import AccountOptions, AdmissionOptions
from sipgw.config.trunks import TrunkOptions
from sipgw.policy.inbound.admission import Admission
from sipgw.records.captures.capture import SipCapture
from sipgw.sip.dialog import Peer
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.registrar import Registrar
from tests.sip.test_torture import DATA

TRUNK = TrunkOptions("carrier", "peer", networks=("10.9.0.0/16",))
PHONE = AccountOptions("anna", "annas password", networks=("127.128.0.0/9",))
WIDE_OPEN = AdmissionOptions(strangers_per_second=1e9, stranger_per_second=1e9, failures_per_minute=1e9)
"""Everything is read: what keeps a flood out must not be what keeps memory small."""
METHODS = ("INVITE", "REGISTER", "OPTIONS", "ACK", "CANCEL", "BYE", "NOTIFY", "MESSAGE")
TORTURE = [path.read_bytes() for path in sorted(DATA.glob("*.dat"))]


def anything(dice: random.Random, number: int) -> bytes:
    """A request with identities that nobody has used before, a response to nothing, or rubbish."""
    method, kind = dice.choice(METHODS), dice.random()
    if kind < 0.1:
        return dice.choice(TORTURE)
    if kind < 0.2:
        return dice.randbytes(dice.randrange(1, 400))
    start = "SIP/2.0 200 OK" if kind < 0.3 else f"{method} sip:u{number}@127.0.0.1 SIP/2.0"
    tag = f";tag=t{number}" if kind < 0.5 else ""
    forged = 'Digest username="anna",realm="sipgw",nonce="n%d",uri="sip:x",response="0"'
    return (
        f"{start}\r\nVia: SIP/2.0/UDP 127.0.0.2;branch=z9hG4bK{number};rport\r\n"
        f"From: <sip:f{number}@x>;tag={number}\r\n"
        f"To: <sip:t{number}@x>{tag}\r\nCall-ID: {number}@x\r\nCSeq: {number} {method}\r\nMax-Forwards: 70\r\n"
        f"Contact: <sip:c{number}@127.0.0.2>\r\nX-{number}: {number}\r\n"
        + (f"Authorization: {forged % number}\r\n" if dice.random() < 0.3 else "")
        + "Content-Length: 0\r\n\r\n"
    ).encode()


@pytest.mark.slow
def test_memory_stays_what_it_is_whatever_strangers_send() -> None:
    dice = random.Random(1)

    async def scenario() -> tuple[int, int, int]:
        loop = asyncio.get_running_loop()
        admission = Admission(WIDE_OPEN, [TRUNK], [PHONE], b"k" * 32, lambda: f"{dice.getrandbits(64):x}")
        capture, registrar = SipCapture(200_000), Registrar()
        endpoint = Endpoint(
            EndpointOptions("127.0.0.1", 0),
            lambda leg: leg.reject(403),
            lambda request, source: admission.judge(request, source, loop.time()),
            capture.trace,
            screen=lambda host: admission.screen(host, loop.time()),
            met=admission.met,
            register=lambda request, source, now: registrar.register(admission.user(request), request, source, now),
        )

        async def flood(first: int, last: int) -> int:
            for number in range(first, last):
                host = f"127.{dice.choice((1, 200))}.{number % 20}.{number % 250 + 1}"
                endpoint.datagram(anything(dice, number), Peer("udp", host, 1024 + number % 60_000))
                if number % 100 == 0:
                    await asyncio.sleep(0)
            gc.collect()
            return sys.getallocatedblocks()

        async with endpoint:
            full = await flood(0, 3_000)  # what is bounded reaches its bounds
            more = await flood(3_000, 8_000)
            return full, more, endpoint.agent.open

    full, more, remembered = asyncio.run(scenario())
    assert more - full < 1_000, f"{more - full} blocks of memory for 5,000 datagrams"
    assert remembered == 0
