"""docker/compose.full.yaml as plain processes: Kamailio, two gateways, Redis, PostgreSQL, and a carrier beside them."""

import asyncio
import contextlib
import json
import signal
import threading
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sipgw.config.records import StoreOptions
from sipgw.outbound.jobs import Jobs
from sipgw.outbound.tables import Job
from sipgw.records.store.calls import CallFilter
from sipgw.records.store.store import Store
from sipgw.sip.dialog import Peer
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.message import Request
from sipgw.sip.registrar import RegisterResponse
from tests.callee import Callee
from tests.interop import postgresql as database
from tests.interop import redis as memory
from tests.interop.frozen import children
from tests.interop.kamailio_edge import DOCKER, Edge, swapped
from tests.interop.served import GATE, Served, running
from tests.interop.test_cluster import answered_by
from tests.phone import Phone
from tests.ports import free_ports
from tests.waiting import HANG

MORE = """
[admission]
delay_limit = 300.0
[agent]
stt = "local"
llm = "local"
tts = "local"
greeting = "Hello."
[callbacks]
dial = true
[[trunks]]
name = "carrier"
mode = "register"
registrar = "sip:127.0.0.2:{carrier}"
user = "gateway"
caller_id = "+14155550199"
calls_per_second = 50
"""


@dataclass
class Stack:
    """The running parts."""

    folder: Path
    postgresql: database.Server
    redis: memory.Server
    carrier: "Carrier"
    ports: list[int]
    webs: list[int]
    edge: Edge
    gateways: dict[int, Served] = field(default_factory=dict)
    _lives: list[contextlib.ExitStack] = field(default_factory=lambda: [contextlib.ExitStack(), contextlib.ExitStack()])

    def start(self, at: int) -> None:
        """Start the gateway number `at` as docker/gateway1.toml or docker/gateway2.toml says, on free ports."""
        folder = self.folder / str(at)
        folder.mkdir(exist_ok=True)
        first = (40000, 42000)[at]
        places = (
            (("port = 5070", "port = 5072")[at], f"port = {self.ports[at]}"),
            (("[16384, 24575]", "[24576, 32766]")[at], f"[{first}, {first + 1999}]"),
            (("port = 8081", "port = 8082")[at], f"port = {self.webs[at]}"),
            ("/var/lib/sipgw", str(folder)),
            ('limit = "5m"', 'limit = "1m"'),  # so that a test which has failed in calls does not take five minutes
        )
        file = folder / "gateway.toml"
        text = swapped((DOCKER / f"gateway{at + 1}.toml").read_text(), *places)
        file.write_text(text + MORE.format(carrier=self.carrier.port) + GATE)
        variables = {"PUBLIC_ADDRESS": "127.0.0.1", "DATABASE_URL": self.postgresql.url, "REDIS_URL": self.redis.url}
        made = running(
            file, self.ports[at], range(first, first + 2000), folder, module="tests.interop.parrot", variables=variables
        )
        gateway = self._lives[at].enter_context(made)
        self.gateways[at] = gateway

    def again(self, at: int) -> None:
        """Start a gateway that has died."""
        self._lives[at].close()
        self.start(at)

    def mend(self) -> None:
        """Let everything run as before, whatever a test has left: also one that failed."""
        self.postgresql.thaw()
        for at, gateway in self.gateways.items():
            if gateway.process.poll() is None:
                self.pause(at, go_on=True)
            else:
                self.again(at)
                self.edge.gives_calls_to(self.ports[at])
        self.carrier.callee.takes = Callee.pick_up
        self.carrier.callee.legs.clear()
        self.carrier.callee.ended.clear()

    def kill(self, at: int) -> None:
        self.gateways[at].kill()
        self.gateways[at].process.wait(HANG)

    async def at(self, phone: Phone) -> int:
        """Which gateway has the call of `phone`."""
        gateways = [self.gateways[0], self.gateways[1]]
        return gateways.index(await answered_by(phone, gateways))

    def media(self, at: int) -> int:
        """The process that has the sound of a gateway."""
        gateway = self.gateways[at].process.pid
        (media,) = [one for one in children(gateway) if b"media" in Path(f"/proc/{one}/cmdline").read_bytes()]
        return media

    def pause(self, at: int, *, go_on: bool = False) -> None:
        """Let a gateway stand still, or go on."""
        self.gateways[at].process.send_signal(signal.SIGCONT if go_on else signal.SIGSTOP)

    def close(self) -> None:
        for at in self.gateways:
            self.pause(at, go_on=True)
        with ThreadPoolExecutor() as ending:
            list(ending.map(contextlib.ExitStack.close, self._lives))

    def ask(self, at: int, path: str) -> Any:
        """The answer of a gateway's REST interface."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.webs[at]}{path}", timeout=HANG) as answer:
            return json.load(answer)

    @contextlib.asynccontextmanager
    async def store(self) -> AsyncIterator[Store]:
        """The one database of both gateways."""
        options = StoreOptions(url=self.postgresql.url, path=str(self.folder / "test.db"))
        async with Store(options) as store:
            yield store

    async def records(self, count: int, wanted: CallFilter | None = None) -> list[dict[str, Any]]:
        """The records of ended calls, once there are so many."""
        async with self.store() as store, asyncio.timeout(HANG):
            while len(found := await store.calls(wanted)) < count:
                await asyncio.sleep(0.1)
            return found

    async def plan(self, key: str, number: str, seconds: float = 0) -> int:
        """Promise to call a number back in so many seconds."""
        async with self.store() as store:
            due = datetime.now(UTC).timestamp() + seconds
            job = Job(campaign="", key=key, number=number, agent="agent", trunk="carrier", due=due, consent=True)
            return (await Jobs(store, "test").add(job))[0]


class Carrier(threading.Thread):
    """Where the gateways register, and whom they call through it; in a thread, for all tests."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.port = port
        self.callee = Callee(Callee.pick_up)
        self.registered: list[tuple[float, int, int]] = []
        """When, from which port, for how many seconds; 0 takes it back."""
        self.loop = asyncio.new_event_loop()
        self._over = asyncio.Event()

    def run(self) -> None:
        self.loop.run_until_complete(self._run())

    async def _run(self) -> None:
        options = EndpointOptions("127.0.0.2", self.port, tcp=False)
        one = self.callee
        endpoint = Endpoint(options, one._on_invite, lambda *_: None, register=self._register)
        async with endpoint, asyncio.TaskGroup() as one._group:
            await self._over.wait()
            for leg in one.legs:
                leg.hangup()

    def stop(self) -> None:
        self.soon(self._over.set)
        self.join(10)

    def soon(self, act: Callable[[], object]) -> None:
        """Do something in its thread."""
        self.loop.call_soon_threadsafe(act)

    def _register(self, request: Request, source: Peer, at: float) -> RegisterResponse:
        seconds = int(request.headers.get("expires") or 0)
        self.registered.append((at, source.port, seconds))
        return RegisterResponse(200, headers=(("Contact", f"{request.headers.get('contact')};expires={seconds}"),))

    @property
    def here(self) -> set[int]:
        """The ports that calls would be sent to."""
        last = {port: seconds for _, port, seconds in list(self.registered)}
        return {port for port, seconds in last.items() if seconds}


@contextlib.contextmanager
def stack(folder: Path) -> Iterator[Stack]:
    """Run everything until the block ends."""
    with database.postgresql() as postgresql, memory.redis(folder) as redis:
        ports = [free_ports() for _ in range(5)]
        world, edge = Carrier(ports[4]), Edge(folder, ports[:2])
        world.start()
        one = Stack(folder, postgresql, redis, world, ports[:2], ports[2:4], edge)
        try:
            with ThreadPoolExecutor() as starting:
                list(starting.map(one.start, range(2)))
            with edge.running():
                yield one
        finally:
            one.close()
            world.stop()
