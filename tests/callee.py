"""People who are called: real SIP and RTP, each does what its test wants."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from sipgw.config.trunks import TrunkOptions
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.events import Ended
from sipgw.sip.leg import Leg
from sipgw.sip.negotiated import Negotiated
from sipgw.sip.offer_answer import LocalMedia, answer
from tests.phone import Phone
from tests.waiting import HANG

SILENCE = b"\xff" * 160


@dataclass
class Callee:
    """A phone that takes calls by `takes`, and says `sound(frame)` once it has picked up."""

    takes: Callable[["Callee", Leg], None]
    sound: Callable[[int], bytes] = lambda frame: SILENCE
    legs: list[Leg] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)
    phones: list[Phone] = field(default_factory=list)
    """The sound of each call that was picked up."""
    port: int = 0
    _group: asyncio.TaskGroup | None = None

    def _on_invite(self, leg: Leg) -> None:
        assert self._group is not None
        self.legs.append(leg)
        self._group.create_task(self._until_ended(leg))
        self.takes(self, leg)

    async def _until_ended(self, leg: Leg) -> None:
        async for event in leg.events():
            if isinstance(event, Ended):
                self.ended.append(event)

    def after(self, seconds: float, act: Callable[[Leg], None], leg: Leg) -> None:
        asyncio.get_running_loop().call_later(seconds, act, leg)

    def ring(self, leg: Leg) -> None:
        """For ever."""
        leg.ringing()

    def pick_up(self, leg: Leg) -> None:
        assert self._group is not None
        self._group.create_task(self._talk(leg, early=0))

    def play_early(self, leg: Leg) -> None:
        """183 with sound for half a second, then pick up."""
        assert self._group is not None
        self._group.create_task(self._talk(leg, early=0.5))

    def play_early_and_refuse(self, leg: Leg) -> None:
        """183 with an announcement of half a second, then 486."""
        assert self._group is not None
        self._group.create_task(self._talk(leg, early=0.5, refused=486))

    async def _talk(self, leg: Leg, early: float, refused: int = 0) -> None:
        loop = asyncio.get_running_loop()
        transport, phone = await loop.create_datagram_endpoint(lambda: Phone(self.sound), ("127.0.0.1", 0))
        self.phones.append(phone)
        agreed: Negotiated = answer(
            leg.offer or b"", LocalMedia("127.0.0.1", transport.get_extra_info("sockname")[1], tls=False)
        )
        phone.remote = (agreed.remote_address, agreed.remote_port)
        with contextlib.closing(transport):
            async with asyncio.TaskGroup() as group:
                talking = group.create_task(phone.talk())
                if early:
                    leg.progress(agreed.sdp)
                    await asyncio.sleep(early)
                if refused:
                    leg.reject(refused)
                else:
                    leg.answer(agreed.sdp)
                await leg.over(HANG)
                talking.cancel()

    def trunk(self, **more: object) -> TrunkOptions:
        """The trunk on which it is reached."""
        values: dict[str, object] = {
            "name": "carrier", "mode": "peer", "networks": ("127.0.0.1/32",), "domain": f"127.0.0.1:{self.port}",
            "caller_id": "+14155550199", "calls_per_second": 50.0,
        }  # fmt: skip
        return TrunkOptions(**(values | more))  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def callee(
    takes: Callable[[Callee, Leg], None] = Callee.pick_up, sound: Callable[[int], bytes] = lambda frame: SILENCE
) -> AsyncIterator[Callee]:
    """Somebody who can be called until the block ends."""
    one = Callee(takes, sound)
    endpoint = Endpoint(EndpointOptions("127.0.0.1", 0), one._on_invite, lambda *_: None)
    async with endpoint, asyncio.TaskGroup() as group:
        one.port, one._group = endpoint.port, group
        yield one
        for leg in one.legs:
            leg.hangup()


def rejecting(status: int) -> Callable[[Callee, Leg], None]:
    return lambda _, leg: leg.reject(status)


def carrier_lines(port: int) -> str:
    """The trunk of a configuration file that leads to whoever listens on `port`: `Callee.trunk` as it is written."""
    return f"""
[[trunks]]
name = "carrier"
mode = "peer"
networks = ["127.0.0.1/32"]
domain = "127.0.0.1:{port}"
caller_id = "+14155550199"
calls_per_second = 20
"""
