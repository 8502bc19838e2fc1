"""Calls from a browser, played by aiortc's own peer connection, on the cloud providers' protocols."""

import asyncio
import contextlib
import gc
import os
import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from aioice.stun import Class, Message, Method, parse_message

from agent.conversation import Conversation
from agent.pool import POOLS
from media.browsers.transport import BrowserTransport
from sipgw.calls.browser_connection import BrowserConnection
from sipgw.calls.browser_phone import BrowserPhone, CallUnavailable
from sipgw.config.browser import BrowserOptions
from sipgw.config.config import GatewayConfig
from sipgw.config.options import OptionError, build
from sipgw.events import CallAnswered, CallBegan, CallEnded
from sipgw.sip.offer_answer import NotAcceptable
from tests.calls.test_cloud_call import ANSWER, GREETING, LENT, ORDER, every_code, records
from tests.cloud import Cloud, cloud
from tests.fakes.assemblyai import Said
from tests.fakes.elevenlabs import sound_of
from tests.fakes.openai import Reply
from tests.ports import free_ports
from tests.waiting import HANG, until
from tests.webrtc import Browser

pytestmark = pytest.mark.slow


def phone_of(world: Cloud) -> BrowserPhone:
    return BrowserPhone(world.gateway)


def at_most(calls: int) -> Callable[[GatewayConfig], GatewayConfig]:
    return lambda config: replace(config, browser=BrowserOptions(max_calls=calls))


def test_mulaw_passes_untouched_both_ways_and_the_call_is_told_and_recorded_like_any_other(tmp_path: Path) -> None:
    told = []  # type: ignore[var-annotated]

    async def scenario():
        said = [Said("Where is my order 7346?", 4000, 5000)]
        async with cloud(tmp_path, said, [ORDER, ANSWER]) as world:
            world.gateway.watchers.add(told.append)
            browser, phone = Browser(every_code), phone_of(world)
            await browser.place(phone, who="ann")
            answer = sound_of("Your raincoat is out for delivery.").replace(b"\x7f", b"\xff")
            await until(lambda: answer.strip(b"\xff") in browser.heard)
            assert [live.info.agent for live in world.gateway.calls.values()] == ["agent"]
            assert not await phone.hang_up(browser.call, "bob"), "only who placed a call may end it"
            assert await phone.hang_up(browser.call, "ann")
            (record,) = await records(world.gateway)
            await browser.close()
            return browser, world.stt.sessions[0].audio, world.tts.texts, record

    browser, audio, texts, record = asyncio.run(scenario())
    frames = [bytes(audio[at : at + 160]) for at in range(0, len(audio), 160)]
    passed = [frame for frame in frames if frame.strip(LENT)]
    sent = {every_code(number) for number in range(1000)}
    assert len(audio) > 40_000
    assert all(frame in sent for frame in passed), "what AssemblyAI got is, byte for byte, what the browser sent"
    assert len(passed) > len(frames) / 2
    for text in (texts[0], "Your raincoat is out for delivery."):
        spoken = sound_of(text).replace(b"\x7f", b"\xff")  # aiortc decodes: it knows only one zero
        assert spoken.strip(b"\xff") in browser.heard, "what the browser got is what ElevenLabs sent"
    assert texts[0] == GREETING
    assert (record["id"], record["trunk"], record["caller"]) == (browser.call, "browser", "ann")
    assert record["ending"] == "caller_hung_up"
    assert record["cause"] == "the browser hung up"
    assert record["media"]["rtcp_received"] > 0, "the browser's reports reach the media process"
    assert record["media"]["lost"] == 0
    kinds = [type(event) for event in told]
    assert kinds[0] is CallBegan
    assert kinds[1] is CallAnswered
    assert kinds[-1] is CallEnded


def test_keys_of_the_page_are_heard_once_each(tmp_path: Path) -> None:
    async def scenario():
        async with cloud(tmp_path, [], [Reply(text=["Thank you."])]) as world:
            browser = Browser()
            await browser.place(phone_of(world))
            await until(lambda: sound_of(GREETING).replace(b"\x7f", b"\xff").strip(b"\xff") in browser.heard)
            browser.press(7)
            await until(lambda: "Thank you." in world.tts.texts)
            await browser.close()
            (record,) = await records(world.gateway)
            return record

    record = asyncio.run(scenario())
    assert [turn["caller"] for turn in record["turns"] if turn["caller"]] == ["[pressed 7]"]


def test_a_browser_that_goes_is_noticed_at_once(tmp_path: Path) -> None:
    async def scenario():
        async with cloud(tmp_path, [], []) as world:
            browser = Browser()
            await browser.place(phone_of(world))
            async with asyncio.timeout(HANG):
                while not browser.heard:
                    await asyncio.sleep(0.05)
            await browser.close()  # tells by DTLS
            (record,) = await records(world.gateway)
            return record

    record = asyncio.run(scenario())
    assert record["ending"] == "caller_hung_up"


def workers() -> list[int]:
    """The processes for browsers."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [int(child) for child in children if b"media.browsers.worker" in Path(f"/proc/{child}/cmdline").read_bytes()]


def test_the_process_for_browsers_may_die_and_ends_with_the_last_call(tmp_path: Path) -> None:
    async def scenario():
        async with cloud(tmp_path, [], []) as world:
            phone = phone_of(world)
            for number in (1, 2):
                browser = Browser()
                await browser.place(phone)
                async with asyncio.timeout(HANG):
                    while not browser.heard:
                        await asyncio.sleep(0.05)
                (pid,) = workers()
                if number == 1:
                    os.kill(pid, signal.SIGKILL)
                else:
                    await phone.hang_up(browser.call)
                ended = await records(world.gateway, number)
                async with asyncio.timeout(HANG):
                    while workers():
                        await asyncio.sleep(0.05)
                await browser.close()
            return sorted(record["cause"] for record in ended)

    assert asyncio.run(scenario()) == ["the browser hung up", "the process for browsers ended"]


def test_a_gateway_that_stops_hangs_up_and_leaves_no_process(tmp_path: Path) -> None:
    async def scenario():
        browser = Browser()
        async with cloud(tmp_path, [], []) as world:
            await browser.place(phone_of(world))
            async with asyncio.timeout(HANG):
                while not browser.heard:
                    await asyncio.sleep(0.05)
            assert len(workers()) == 1
        assert not workers()
        async with asyncio.timeout(HANG):
            while browser.connection.connectionState != "closed":
                await asyncio.sleep(0.05)
        await browser.close()

    asyncio.run(scenario())


def test_twenty_calls_at_once_leave_nothing_behind(tmp_path: Path) -> None:
    def left() -> tuple[int, int, int]:
        """Sockets, tasks, and threads, except those of pools: a pool starts a thread when work comes."""
        fds = [Path("/proc/self/fd", fd) for fd in os.listdir("/proc/self/fd")]
        sockets = [fd for fd in fds if fd.is_symlink() and str(fd.readlink()).startswith("socket:")]
        pooled = ("asyncio_", "Thread-", *POOLS)
        threads = [thread for thread in threading.enumerate() if not thread.name.startswith(pooled)]
        return len(sockets), len(asyncio.all_tasks()), len(threads)

    def parts() -> list[object]:
        return [one for one in gc.get_objects() if isinstance(one, BrowserConnection | BrowserTransport | Conversation)]

    gc.collect()
    others = parts()  # of tests before this one
    known = {id(one) for one in others}

    async def gone() -> None:
        async with asyncio.timeout(HANG):
            while any(id(one) not in known for one in parts()):
                await asyncio.sleep(0.1)
                gc.collect()

    async def scenario():
        async with cloud(tmp_path, [], [], change=at_most(20)) as world:
            phone = phone_of(world)

            async def twenty() -> None:
                browsers = []
                for _ in range(20):
                    browsers.append(Browser())
                    await browsers[-1].place(phone)
                async with asyncio.timeout(HANG):
                    while not all(browser.heard for browser in browsers):
                        await asyncio.sleep(0.05)
                async with asyncio.TaskGroup() as group:
                    for browser in browsers:
                        group.create_task(browser.close())

            await twenty()  # pools of connections and of threads fill
            await records(world.gateway, 20)
            await gone()
            before = left()
            await twenty()
            ended = await records(world.gateway, 40)
            await gone()
            async with asyncio.timeout(HANG):
                while any(now > then for now, then in zip(left(), before, strict=True)):
                    await asyncio.sleep(0.1)
            assert not world.gateway.calls
            return ended

    assert {record["ending"] for record in asyncio.run(scenario())} == {"caller_hung_up"}


async def offered(change) -> str:
    browser = Browser()
    try:
        return change(await browser.offer())
    finally:
        await browser.close()


HOSTILE = {
    "garbage": (lambda sdp: "garbage", "this is no session description"),
    "nothing": (lambda sdp: "", "this is no session description"),
    "huge": (lambda sdp: sdp + "a=x\r\n" * 10_000, "over 16 KiB"),
    "no media": (lambda sdp: sdp.split("m=audio")[0], "no media at all"),
    "video only": (lambda sdp: sdp.replace("m=audio", "m=video"), "a video stream is of no use to a phone"),
    "no PCMU": (lambda sdp: sdp.replace(" 0 8 126", " 8 126"), "not offered as PCMU"),
    "plain RTP": (lambda sdp: sdp.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"), "RTP/AVP is not WebRTC"),
    "no key": (lambda sdp: sdp.replace("a=fingerprint", "a=thumbprint"), "no fingerprint"),
    "weak key": (lambda sdp: sdp.replace("sha-", "md5-"), "no fingerprint"),
    "no password": (lambda sdp: sdp.replace("a=ice-pwd", "a=ice-cream"), "no user name and password"),
    "RTCP apart": (lambda sdp: sdp.replace("a=rtcp-mux\r\n", ""), "RTCP is not multiplexed"),
    "wrong role": (lambda sdp: sdp.replace("setup:actpass", "setup:active"), "DTLS handshake"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_an_offer_that_cannot_be_used_is_refused_with_its_reason(tmp_path: Path, name: str) -> None:
    change, reason = HOSTILE[name]

    async def scenario():
        async with cloud(tmp_path, [], []) as world:
            sdp = await offered(change)
            with pytest.raises(NotAcceptable, match=reason):
                await phone_of(world).place(sdp, "agent")
            assert not world.gateway.calls

    asyncio.run(scenario())


def candidates(sdp: str) -> list[list[str]]:
    return [line.split(":", 1)[1].split() for line in sdp.splitlines() if line.startswith("a=candidate")]


def test_browsers_are_told_ports_of_the_range_and_further_addresses(tmp_path: Path) -> None:
    first, public = free_ports(40), "203.0.113.9"
    options = BrowserOptions(2, (first, first + 39), (public,))

    async def scenario():
        async with cloud(tmp_path, [], [], change=lambda config: replace(config, browser=options)) as world:
            phone, browser = phone_of(world), Browser()
            await browser.place(phone)
            async with asyncio.timeout(HANG):
                while not browser.heard:
                    await asyncio.sleep(0.05)
            await phone.hang_up(browser.call)
            await records(world.gateway)
            await browser.close()
            return candidates(browser.answer)

    found = asyncio.run(scenario())
    assert found and all(first <= int(one[5]) < first + 40 for one in found)
    here = {(one[4], one[5]) for one in found}
    assert {port for address, port in here if address == public} == {
        port for address, port in here if ":" not in address
    }


def test_a_stun_server_tells_the_public_address(tmp_path: Path) -> None:
    """One that always says the same, as RFC 8489 §14.2 has it."""

    class Stun(asyncio.DatagramProtocol):
        def connection_made(self, transport) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr) -> None:
            request = parse_message(data)
            answer = Message(Method.BINDING, Class.RESPONSE, transaction_id=request.transaction_id)
            answer.attributes["XOR-MAPPED-ADDRESS"] = ("203.0.113.7", 4000)
            self.transport.sendto(bytes(answer), addr)

    async def scenario():
        loop = asyncio.get_running_loop()
        server, _ = await loop.create_datagram_endpoint(Stun, ("0.0.0.0", 0))
        options = BrowserOptions(stun=f"127.0.0.1:{server.get_extra_info('sockname')[1]}")
        async with cloud(tmp_path, [], [], change=lambda config: replace(config, browser=options)) as world:
            phone, browser = phone_of(world), Browser()
            placed = await phone.place(await browser.offer(), "agent")
            await phone.hang_up(placed.call)  # before anything has begun
            (record,) = await records(world.gateway)
            assert record["ending"] == "caller_hung_up"
            await browser.close()
        server.close()
        return candidates(placed.answer)

    assert ["203.0.113.7", "4000"] in [one[4:6] for one in asyncio.run(scenario())]


def test_ports_that_are_all_in_use_are_told(tmp_path: Path) -> None:
    first = free_ports()

    async def scenario():
        async with cloud(
            tmp_path, [], [], change=lambda config: replace(config, browser=BrowserOptions(2, (first, first + 1)))
        ) as world:
            with contextlib.ExitStack() as stack:
                for port in (first, first + 1):
                    for family, every in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
                        taken = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
                        with contextlib.suppress(OSError):  # IPv6 may be off, and then needs no taking
                            if family == socket.AF_INET6:
                                taken.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                            taken.bind((every, port))
                browser = Browser()
                with pytest.raises(CallUnavailable, match="no UDP port is free"):
                    await phone_of(world).place(await browser.offer(), "agent")
                await browser.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "wrong",
    [{"max_calls": -1}, {"max_calls": 1001}, {"port_range": (9, 2000)},
     {"port_range": (5000, 5000)}, {"addresses": ("example.com",)},
     {"stun": ":3478"}, {"stun": "example.com:x"}, {"turn": ("turn.example.com",), "turn_secret": "x"},
     {"turn": ("turn:turn.example.com",)}, {"turn": ("turn:turn.example.com",), "turn_user": "x"},
     {"turn_secret": "x"}],
)  # fmt: skip
def test_options_that_cannot_work_are_told_at_the_start(wrong) -> None:
    secret = {"turn_secret": "${SECRET}"} if "turn_secret" in wrong else {}
    with pytest.raises(OptionError):
        build(BrowserOptions, wrong | secret, {"SECRET": "x"})


def test_too_many_calls_and_unknown_agents_are_told_so(tmp_path: Path) -> None:
    async def scenario():
        async with cloud(tmp_path, [], [], change=at_most(1)) as world:
            phone = phone_of(world)
            with pytest.raises(CallUnavailable, match="no such agent") as unknown:
                await phone.place("", "nobody")
            assert unknown.value.status == 404
            first, second = Browser(), Browser()
            await first.place(phone)
            with pytest.raises(CallUnavailable, match="all 1 browser calls are in use") as busy:
                await second.place(phone)
            assert busy.value.status == 503
            assert await phone.hang_up(first.call)  # it may not have connected yet
            (record,) = await records(world.gateway)
            assert record["ending"] == "caller_hung_up"
            await second.place(phone)
            await phone.hang_up(second.call)
            await second.close()
            await first.close()

    asyncio.run(scenario())


def test_addresses_in_the_offer_are_sent_nothing(tmp_path: Path) -> None:
    """Somebody who may make offers cannot make the gateway send to a third party."""

    async def scenario():
        third = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        third.bind(("127.0.0.1", 0))
        third.setblocking(False)
        candidate = f"a=candidate:1 1 udp 2130706431 127.0.0.1 {third.getsockname()[1]} typ host\r\n"
        with third:
            async with cloud(tmp_path, [], []) as world:
                sdp = await offered(lambda sdp: sdp.replace("a=rtcp-mux\r\n", candidate + "a=rtcp-mux\r\n"))
                await phone_of(world).place(sdp, "agent")
                await asyncio.sleep(1)
                with pytest.raises(BlockingIOError):
                    third.recv(2000)

    asyncio.run(scenario())
