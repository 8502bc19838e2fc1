"""The packet path in C does exactly what Python does."""

import asyncio
import contextlib
import gc
import re
import select
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, cast
from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pylibsrtp import SRTP_MAX_TRAILER_LEN

from media import g711
from media.fast import base, fallback, used, why_not
from media.jitter import buffer, gap_filler, hold, playout_buffer, plc
from media.process import wire, worker, worker_channel
from media.process.engine import MediaEngine, MediaOptions
from media.process.wire import Kind
from media.recording import tap
from media.rtp import packet, receiver_stats
from media.rtp import packet as rtp
from media.rtp.srtp import OVERHEAD, PROFILES, _addresses
from media.session import session
from sipgw.config.config import parse
from sipgw.config.errors import ConfigError
from tests.media.twins import KEYS, ROUTES, STEPS, WEIGHTS, Twins
from tests.waiting import ran

ROOT = Path(__file__).parents[2]
native = pytest.mark.skipif(base is fallback, reason="SIPGW_FAST=1 tries the path in C here")
NUMBER = re.compile(r"^\s*(?:#define )?([A-Z_]+)(?: = | )([\d.]+)\b", re.MULTILINE)
STEP = st.tuples(
    st.sampled_from([kind for kind, weight in zip(STEPS, WEIGHTS, strict=True) for _ in range(weight)]),
    st.integers(0, (1 << 16) - 1),
)


@pytest.fixture(params=["127.0.0.1", "::", "::1"])
def twins(request: pytest.FixtureRequest) -> Iterator[Twins]:
    both = Twins(host=request.param)
    yield both
    both.close()


@native
@example(steps=[("packet", 1), ("slot", 0), ("slot", 0)], every=1, begin=0, joined=ROUTES[0])
@given(
    st.lists(STEP, max_size=150),
    st.integers(1, 5),
    st.integers(0, len(KEYS) - 1),
    st.sampled_from([None, "bridge", *ROUTES]),
)
def test_whatever_happens_both_do_the_same(
    steps: list[tuple[str, int]], every: int, begin: int, joined: str | int | None
) -> None:
    both = Twins(begin=begin)
    try:
        if joined == "bridge":
            both.bridge()
        elif isinstance(joined, int):
            both.confer(joined)
        for kind in ("packet", "slot") * 6:
            both.step(kind, 2)
            both.step(kind, 3)
            both.judge()
        for at, (kind, which) in enumerate(steps):
            both.step(kind, which)
            if at % every == 0:
                both.judge()
        both.judge()
    finally:
        both.close()


@native
def test_a_call_in_order_is_left_to_c(twins: Twins) -> None:
    """Four seconds in which both speak, with a report and the beginnings of pieces in between."""
    twins.in_order(200, says=(1999, 1995))
    ours, reference = twins.sides
    assert reference.left == 400
    assert ours.left <= 20  # until the source is settled


@native
@pytest.mark.parametrize("bridged", [False, True])
@pytest.mark.parametrize("suite", ["", *PROFILES])
def test_an_encrypted_or_bridged_call_in_order_is_left_to_c(suite: str, bridged: bool) -> None:
    both = Twins(begin=next(at for at, keys in enumerate(KEYS) if suite == (keys.suite if keys else "")))
    try:
        if bridged:
            both.bridge()
        for side in both.sides:
            for number in (1, 2):  # sound may be kept: the second call keeps it without its encryption
                side.do(Kind.RECORD, number, wire.pack_json({"do": "resume"}))
        both.in_order(100, says=(1999,))
        ours, reference = both.sides
        assert reference.left == 200
        assert ours.left <= 20
        with patch.object(ours.worker, "_serve") as served:
            both.step("slot", 2)
        served.assert_not_called()
    finally:
        both.close()


@native
@pytest.mark.parametrize("routes", ROUTES)
def test_a_conference_in_order_is_left_to_c(routes: int, twins: Twins) -> None:
    """All three speak; C asks the mixer for each frame, and has the work around it done."""
    twins.confer(routes)
    twins.in_order(200, says=(1999,))
    ours, reference = twins.sides
    assert reference.left == 400
    assert ours.left <= 20
    channel = ours.worker._channels[1]
    assert channel.session.mixer is not None
    with patch.object(ours.worker, "_serve") as served:
        twins.step("slot", 2)
    served.assert_not_called()


@native
@pytest.mark.parametrize("first", [0, 1])
def test_a_fault_of_a_conference_in_c_ends_its_call_alone(twins: Twins, first: int) -> None:
    twins.confer(ROUTES[0])
    twins.in_order(30, calls=1)
    worker = twins.sides[0].worker
    other, heard = worker._channels[2].session, worker._channels[2].session.stats()["received"]
    with patch("media.session.mixer.Mixer.to_agent", lambda self, sound: sound[:1]):
        for call in (first, 1 - first):
            twins.packet(call, 0, 0, 0, 0, 0, 0x80)
        worker._take_input()
    assert b"changed the length" in worker._out and 1 not in worker._channels
    assert not isinstance(worker._path, fallback.FastPath)
    assert other.stats()["received"] == heard + 1


def test_a_libsrtp_session_of_another_shape_is_not_used_in_c() -> None:
    from pylibsrtp import Policy, Session
    from pylibsrtp._binding import ffi

    real = Session(Policy(bytes(30), Policy.SSRC_ANY_OUTBOUND))
    assert all(_addresses(real, "srtp_protect"))
    at = real._srtp
    for other in (at[0], ffi.new("srtp_t **", at), (at,), None, 1, ffi.new("int *")):
        assert _addresses(cast("Any", SimpleNamespace(_srtp=other)), "srtp_protect") == (0, 0)


@native
def test_a_libsrtp_with_other_functions_is_left_to_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("media.rtp.srtp.SIGNATURE", "int(*)(struct other *)")
    both = Twins(begin=1)
    try:
        both.in_order(20, calls=1)
        ours, reference = both.sides
        assert ours.left == reference.left == 20
    finally:
        both.close()


@native
def test_a_process_that_is_blocked_gets_larger_chunks_in_both(twins: Twins) -> None:
    for slot in range(60):
        for side in twins.sides:
            side.worker._counts.behind = slot > 20
        twins.packet(0, 0, 0, 0, 0, 0, 0x80)
        twins.step("slot", 2)
        twins.judge()


@native
def test_shorter_chunks_may_be_ordered_while_more_waits(twins: Twins) -> None:
    for slot in range(40):
        for side in twins.sides:
            if slot == 20:
                side.worker._channels[1].chunk = b"\x55" * 2310
                side.do(Kind.CHUNK, 1, b"\x0f\0")
            if slot == 21:
                side.worker._channels[1].chunk = b"\x55" * 2230
                side.do(Kind.CHUNK, 1, b"\x04\0")
            if slot == 22:
                side.worker._channels[1].chunk = b"\x55" * 484
                side.do(Kind.CHUNK, 1, b"\x02\0")
        stream = twins.streams[0]
        data = rtp.build(0, False, stream[1], stream[2], stream[0], b"\x33" * (1 if slot in (22, 23) else 160))
        twins.send(0, 0, data)
        stream[1], stream[2] = stream[1] + 1 & 0xFFFF, stream[2] + len(data) - 12 & 0xFFFF_FFFF
        twins.step("slot", 2)
        twins.judge()


@native
def test_a_loud_part_of_a_long_packet_is_an_alert_in_both(twins: Twins) -> None:
    twins.length = 480
    for side in twins.sides:
        side.do(Kind.CHUNK, 1, b"\x0f\x20")
    twins.in_order(60, calls=1)
    assert twins.sides[0].left <= 20


@native
def test_what_cannot_be_sent_is_counted_in_both() -> None:
    both = Twins()
    try:
        both.host = "255.255.255.255"  # broadcast, which no socket of ours may do
        both.connect(1, 0)
        for _ in range(20):
            both.step("slot", 2)
            both.judge()
        first = both.sides[0].worker._channels[1]
        assert first.session.counts.skipped == first.session._sender.packets == 20
    finally:
        both.close()


def minutes(twins: Twins, packets: int) -> int:
    """The blocks of memory that are held after so many packets each way of both calls, which C alone takes."""
    side = twins.sides[0]
    for _ in range(packets):
        for call, stream in enumerate(twins.streams):
            data = rtp.build(0, False, stream[1], stream[2], stream[0], b"\x33" * g711.FRAME)
            twins.remotes[0].sendto(data, (twins.host, side.ports[call]))
            stream[1], stream[2] = stream[1] + 1 & 0xFFFF, stream[2] + g711.FRAME & 0xFFFF_FFFF
        twins.slot, twins.now = twins.slot + 1, twins.now + g711.FRAME_SECONDS
        side.worker._transmit(0, twins.slot)
        side.worker._take_input()
        side.worker._out.clear()
        for remote in twins.remotes:
            with contextlib.suppress(BlockingIOError):
                while remote.recv(2000):
                    pass
    gc.collect()
    return sys.getallocatedblocks()


@native
def test_two_thousand_packets_leave_no_object_behind(twins: Twins) -> None:
    """One that is lost for each packet, or for each of a second, is seen."""
    for channel in twins.sides[0].worker._channels.values():
        channel.end_tap()
    minutes(twins, 4000)  # until what grows to a bound, such as histograms, has done so
    before, left = minutes(twins, 20), twins.sides[0].left
    after = minutes(twins, 2000)
    assert twins.sides[0].left == left, "C took all of them"
    assert after - before < 50


@native
def test_packets_need_no_more_memory_than_none(twins: Twins) -> None:
    """Not even for a moment: a round has a list of what is left to Python, all else is there before."""
    side = twins.sides[0]
    path = side.worker._path
    minutes(twins, 50)

    def peak(work: Callable[[], Any]) -> int:
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            assert work() in ([], None)
            return tracemalloc.get_traced_memory()[1] - before
        finally:
            tracemalloc.stop()

    def arrived(calls: int) -> int:
        for call, stream in enumerate(twins.streams[:calls]):
            data = rtp.build(0, False, stream[1], stream[2], stream[0], b"\x33" * g711.FRAME)
            twins.remotes[0].sendto(data, (twins.host, side.ports[call]))
            stream[1], stream[2] = stream[1] + 1 & 0xFFFF, stream[2] + g711.FRAME & 0xFFFF_FFFF
        return peak(lambda: path.receive(twins.now, False))

    for channel in side.worker._channels.values():
        channel.heard = False  # nothing is handed up: that is the one buffer that grows
    due = side.worker._phases[0]
    for channel in due:
        channel.watch_at = twins.now + 60

    def sent(calls: int) -> int:
        twins.slot += 1
        now, later = due[:calls], due[calls:]
        spent = peak(lambda: path.send(now, twins.slot, twins.now))
        path.send(later, twins.slot, twins.now)
        return spent

    nothing = min(sent(0) for _ in range(5))
    assert min(sent(2) for _ in range(5)) == nothing
    assert min(arrived(2) for _ in range(5)) == nothing


@native
def test_a_position_beyond_every_piece_of_sound_is_left_to_python(twins: Twins) -> None:
    twins.in_order(5, says=[1999])
    side = twins.sides[0]
    channel = side.worker._phases[0][0]
    playout = channel.session.playout
    assert playout._sounding
    twins.slot += 1
    side.worker._path.send([channel], twins.slot, twins.now)
    playout._offset = (1 << 63) - 1
    with patch.object(type(playout), "take", lambda _: None):
        assert side.worker._path.send([channel], twins.slot + 1, twins.now) == [(channel, None)]


@native
def test_a_path_that_was_not_set_up_is_refused() -> None:
    path: Any = base.FastPath.__new__(base.FastPath)
    with pytest.raises(RuntimeError, match="not set up"):
        path.receive(0.0, False)
    with pytest.raises(RuntimeError, match="not set up"):
        path.send([], 0, 0.0)


@native
def test_a_path_whose_descriptor_was_closed_says_so() -> None:
    epoll = select.epoll()
    path = base.FastPath(epoll, bytearray(), g711.SILENCE, (bytes(512), bytes(1 << 15)), (bytes(256), bytes(256)))
    epoll.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        path.receive(0.0, False)


def test_c_has_the_numbers_of_python() -> None:
    text = "\n".join((ROOT / "media" / "fast" / name).read_text() for name in ("state.h", "path.c"))
    found = {name: float(value) for name, value in NUMBER.findall(text)}
    expected = {
        "FRAME": g711.FRAME, "RATE": g711.RATE, "CHUNK": worker_channel.CHUNK,
        "CHUNK_MAX": worker_channel.CHUNK_MAX, "PACKET_MAX": packet.MAX_PACKET,
        "HEADER": tap.HEADER, "LEVELS_KEPT": fallback.KEPT, "LEVELS_SPARE": fallback.SPARE,
        "LEVEL_SILENT": fallback.SILENT, "MAX_DROPOUT": receiver_stats.MAX_DROPOUT, "SKEW": buffer.SKEW,
        "QUIET_FIRST": gap_filler.QUIET_WAIT[0], "QUIET_LAST": gap_filler.QUIET_WAIT[1], "RECORD": tap._RECORD.size,
        "SOUND_BLOCK": playout_buffer.BLOCK, "DEPTH": playout_buffer.DEPTH, "BINS": playout_buffer.BINS,
        "BIN": playout_buffer.BIN, "WINDOW": playout_buffer.WINDOW, "QUANTILE": playout_buffer.QUANTILE,
        "FORGET": playout_buffer.FORGET, "SLACK": playout_buffer.SLACK, "HOLD": hold.HOLD, "MEMORY": plc.MEMORY,
        "QUIET_LEVEL": g711.QUIET_LEVEL, "FRAME_SECONDS": g711.FRAME_SECONDS,
        "OVERHEAD_MAX": max(OVERHEAD.values()), "TRAILER_MAX": SRTP_MAX_TRAILER_LEN, "ALAW": session.ALAW,
        "TAP_OUT": tap._OUT, "LEAD": buffer.LEAD,
        "SOUND": wire.Kind.SOUND, "SOUND_SIZE": wire.SOUND.size, "MESSAGE": wire._HEADER.size,
    }  # fmt: skip
    assert {name: found.get(name) for name in expected} == expected
    assert worker.BACKLOG == 8 << 20 and "#define BACKLOG (8 << 20)" in text


@native
def test_both_have_the_same_classes_with_the_same_attributes() -> None:
    for name, kind in vars(fallback).items():
        if isinstance(kind, type) and kind.__module__ == fallback.__name__:
            ours = getattr(base, name)
            lacking = [one for one in vars(kind) if not one.startswith("__") and not hasattr(ours, one)]
            assert set(lacking) <= {"_levels"}, name


def test_it_is_said_which_path_runs_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    assert used(wanted=False) == "the packet path is in Python: [media] fast is false"
    monkeypatch.setattr("media.fast.why_not", lambda: "")
    assert used("auto") == used(wanted=True) == "the packet path is in C"
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "media.fast._fast", None)
    assert used("auto").startswith("the packet path is in Python, the one in C cannot be used: it was not built: ")


@pytest.mark.parametrize("built", [SimpleNamespace(SOURCES="0" * 64), SimpleNamespace()])
def test_a_build_of_other_sources_is_not_used(monkeypatch: pytest.MonkeyPatch, built: SimpleNamespace) -> None:
    """The first builds do not tell their sources."""
    monkeypatch.setitem(sys.modules, "media.fast._fast", built)
    assert why_not() == "it was built of other sources: run make install"


def test_c_that_is_wanted_and_was_not_built_is_an_error_of_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "media.fast._fast", None)
    assert parse("[media]\nfast = 'auto'", "sipgw.toml", {}).media.fast == "auto"
    assert parse("[media]\nfast = false", "sipgw.toml", {}).media.fast is False
    with pytest.raises(
        ConfigError, match=r"sipgw.toml.*fast: is true, but the packet path in C cannot be used: it was not"
    ):
        parse("[media]\nfast = true", "sipgw.toml", {})
    with pytest.raises(ConfigError, match="fast"):
        parse("[media]\nfast = 'no'", "sipgw.toml", {})


def test_classes_that_inherit_from_python_stay_so() -> None:
    told = ran([sys.executable, "-c", "from media import fast; import media.rtp.source; fast.use_c()"], ROOT)
    assert "inherit from Python already" in told.stderr


@pytest.mark.parametrize("wanted", [False, "auto"])
def test_a_media_process_says_which_path_it_has(wanted: bool | Literal["auto"]) -> None:
    async def started() -> bool:
        async with MediaEngine(MediaOptions("127.0.0.1", fast=wanted)) as engine:
            return engine.processes[0].native

    assert asyncio.run(started()) == (wanted == "auto" and not why_not())
