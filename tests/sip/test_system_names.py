"""Questions that go to the system's own resolver: bounded threads, and room that is taken until the system answers."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from sipgw.sip import resolver
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.locate import DnsQuestion
from sipgw.sip.uri import Uri
from tests.fakes.dns import DnsServer
from tests.sip.test_media_names import ZONE, using
from tests.waiting import HANG, until, within

pytestmark = pytest.mark.faults("A3")
MOST = 6


@dataclass
class SlowSystem:
    """A system that answers no question before `go_on`."""

    go_on: threading.Event = field(default_factory=threading.Event)
    asked: list[str] = field(default_factory=list)
    answer: list[object] = field(default_factory=list)

    def getaddrinfo(self, host: str, *_: object, **__: object) -> list[object]:
        self.asked.append(host)
        self.go_on.wait(HANG)
        return self.answer


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowSystem]:
    slow = SlowSystem()
    monkeypatch.setattr(socket, "getaddrinfo", slow.getaddrinfo)
    yield slow
    slow.go_on.set()


@pytest.fixture
def full(system: SlowSystem, monkeypatch: pytest.MonkeyPatch) -> resolver.Resolver:
    """A resolver that may put `MOST` questions to `system`."""
    monkeypatch.setattr(resolver, "MAX_SYSTEM", MOST)
    return resolver.Resolver(("127.0.0.1",), lambda _: True, lambda work: work.close(), lambda *_: None)


def test_names_that_the_system_does_not_answer_leave_the_threads_of_the_loop_alone(system: SlowSystem) -> None:
    async def scenario() -> None:
        async with DnsServer(ZONE) as server, Endpoint(using(server), lambda leg: None, lambda *_: None) as endpoint:
            async with asyncio.TaskGroup() as group:
                dead = (Uri("sip", "x", f"dead{number}.example", 5060) for number in range(50))
                lookups = [group.create_task(endpoint.locate(uri)) for uri in dead]
                await until(lambda: len(system.asked) == resolver.MAX_SYSTEM)
                await within(asyncio.get_running_loop().run_in_executor(None, lambda: None))
                assert [hop.host for hop in await endpoint.locate(Uri("sip", "x", "phone.example", 5060))] == [
                    "127.0.0.1"
                ]
                system.go_on.set()
            assert [lookup.result() for lookup in lookups] == [()] * 50

    asyncio.run(within(scenario()))


@pytest.mark.parametrize("patient", [True, False])
def test_questions_that_wait_for_the_system_are_bounded(
    patient: bool, system: SlowSystem, full: resolver.Resolver
) -> None:
    """Those that nobody waits for any more take their room until they are answered, too."""
    system.answer = [(0, 0, 0, "", ("192.0.2.1", 0))]

    async def scenario() -> None:
        async with asyncio.TaskGroup() as group:
            waiting = [group.create_task(full.ask(DnsQuestion(f"host{number}", "A"), [])) for number in range(MOST)]
            await asyncio.sleep(0)
            if not patient:
                for one in waiting:
                    one.cancel()
                await asyncio.wait(waiting)
            assert await full.ask(DnsQuestion("more", "A"), []) == []
            assert full.counts == {"lookup refused": 1}
            system.go_on.set()
        if patient:
            assert [one.result() for one in waiting] == [["192.0.2.1"]] * MOST
        await until(lambda: all(one.done() for one in full._system))
        assert await full.ask(DnsQuestion("more", "A"), []) == ["192.0.2.1"]

    asyncio.run(within(scenario()))
