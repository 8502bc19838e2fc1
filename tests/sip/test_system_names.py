"""Questions that go to the system's own resolver: bounded threads, and room that is taken until the system answers."""

import asyncio
import socket
import threading

import pytest

from sipgw.sip import resolver
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.locate import DnsQuestion
from sipgw.sip.uri import Uri
from tests.fakes.dns import DnsServer
from tests.sip.test_media_names import ZONE, using
from tests.waiting import HANG, until, within


@pytest.mark.faults("A3")
def test_names_that_the_system_does_not_answer_leave_the_threads_of_the_loop_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    go_on, asked = threading.Event(), []

    def hangs(host: str, *_: object, **__: object) -> list[object]:
        asked.append(host)
        go_on.wait(HANG)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hangs)

    async def scenario() -> None:
        async with DnsServer(ZONE) as server, Endpoint(using(server), lambda leg: None, lambda *_: None) as endpoint:
            async with asyncio.TaskGroup() as group:
                dead = (Uri("sip", "x", f"dead{number}.example", 5060) for number in range(50))
                lookups = [group.create_task(endpoint.locate(uri)) for uri in dead]
                await until(lambda: len(asked) == resolver.MAX_SYSTEM)
                await within(asyncio.get_running_loop().run_in_executor(None, lambda: None))
                assert [hop.host for hop in await endpoint.locate(Uri("sip", "x", "phone.example", 5060))] == [
                    "127.0.0.1"
                ]
                go_on.set()
            assert [lookup.result() for lookup in lookups] == [()] * 50

    try:
        asyncio.run(within(scenario()))
    finally:
        go_on.set()


@pytest.mark.faults("A3")
def test_questions_that_wait_for_the_system_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, most = threading.Event(), 6

    def hangs(*_: object, **__: object) -> list[object]:
        go_on.wait(HANG)
        return [(0, 0, 0, "", ("192.0.2.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", hangs)
    monkeypatch.setattr(resolver, "MAX_SYSTEM", most)

    async def scenario() -> None:
        asked = resolver.Resolver(("127.0.0.1",), lambda _: True, lambda work: work.close(), lambda *_: None)
        async with asyncio.TaskGroup() as group:
            waiting = [group.create_task(asked.ask(DnsQuestion(f"host{number}", "A"), [])) for number in range(most)]
            await asyncio.sleep(0)
            assert await asked.ask(DnsQuestion("more", "A"), []) == []
            assert asked.counts == {"lookup refused": 1}
            go_on.set()
        assert [one.result() for one in waiting] == [["192.0.2.1"]] * most
        assert await asked.ask(DnsQuestion("more", "A"), []) == ["192.0.2.1"]

    try:
        asyncio.run(within(scenario()))
    finally:
        go_on.set()


@pytest.mark.faults("A3")
def test_questions_that_nobody_waits_for_any_more_still_take_their_room(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, most = threading.Event(), 6

    def hangs(*_: object, **__: object) -> list[object]:
        go_on.wait(HANG)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hangs)
    monkeypatch.setattr(resolver, "MAX_SYSTEM", most)

    async def scenario() -> None:
        asked = resolver.Resolver(("127.0.0.1",), lambda _: True, lambda work: work.close(), lambda *_: None)
        async with asyncio.TaskGroup() as group:
            waiting = [group.create_task(asked.ask(DnsQuestion(f"host{number}", "A"), [])) for number in range(most)]
            await asyncio.sleep(0)
            for one in waiting:
                one.cancel()
        assert await asked.ask(DnsQuestion("more", "A"), []) == []
        assert asked.counts == {"lookup refused": 1}

    try:
        asyncio.run(within(scenario()))
    finally:
        go_on.set()
