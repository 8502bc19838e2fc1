"""The media process, a child of the gateway that ends with it; `media.process.start` starts it.

It owns the RTP sockets of all its calls. It sleeps until the next tick of the schedule, sends the packets that are due,
then reads everything that has arrived. It asks for real-time priority, and works without it.
"""

import contextlib
import gc
import json
import select
import signal
import socket
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from media.dtmf.sender import PAUSE, TONE
from media.fast import base, fallback
from media.g711 import ALAW_TO_ULAW, RATE, SILENCE, ULAW_TO_ALAW, to_linear
from media.process import wire
from media.process.counts import ProcessCounts
from media.process.ports import Ports, PortsExhaustedError, waited
from media.process.priority import raise_priority
from media.process.schedule import PHASES, Schedule, phase_of
from media.process.wire import Kind, Message
from media.process.worker_channel import WorkerChannel
from media.recording.recorder import Recorder
from media.recording.tap import BlockPool, TapOptions
from media.rtp.packet import MAX_PACKET
from media.rtp.source import Address
from media.session.playout import Mark
from media.session.sent_levels import LEVELS
from media.session.session import KeyPress

ROUNDS = 128
"""Rounds per tick. In each, every readable socket is read once, so that a flood on one call delays no other call."""
WATCH = 0.5
"""The most seconds between two checks of a call: whether it still receives, and whether a report is due."""
LIVE = (RATE // 5, RATE // 10)
"""Samples that live listeners are behind (200 ms), and get at a time (100 ms)."""
BACKLOG = 8 << 20
"""Bytes that may wait for a gateway that is blocked; beyond that new sound is dropped."""

Receive = Callable[[WorkerChannel, float, Any, Any], None]


class Worker:
    """All calls of one media process."""

    def __init__(self, pipe: socket.socket) -> None:
        self._pipe = pipe
        self._reader = wire.Reader()
        self._out = bytearray()
        self._channels: dict[int, WorkerChannel] = {}
        self._by_fd: dict[int, tuple[Receive, WorkerChannel]] = {}
        self._phases: list[list[WorkerChannel]] = [[] for _ in range(PHASES)]
        self._ports = Ports()
        self._schedule = Schedule(time.monotonic())
        self._counts = ProcessCounts()
        self._recorder = Recorder()
        self._taps = BlockPool()
        linear, tables = to_linear(bytes(range(256))), (ULAW_TO_ALAW, ALAW_TO_ULAW)
        self._path = base.FastPath(select.epoll(), self._out, SILENCE, (linear, LEVELS), tables)

    def run(self) -> None:
        """Serve until the gateway closes the pipe."""
        self._pipe.setblocking(False)
        self._path.epoll.register(self._pipe, select.EPOLLIN)
        self._tell(Kind.READY, 0, bytes((base is not fallback,)))
        self._flush()
        while True:
            idle = not self._channels and not self._ports.draining
            if idle:
                self._path.epoll.poll(1.0)
                self._schedule = Schedule(time.monotonic())
            else:
                time.sleep(max(0.0, self._schedule.deadline - time.monotonic()))
                if not self._take_orders():  # before sending: `stop` applies to the slot that is due
                    break
                for _ in range(PHASES):  # a bound: an overloaded process still reads its orders
                    if not (tick := self._schedule.due(time.monotonic())):
                        break
                    self._counts.late_max = max(self._counts.late_max, tick.lateness)
                    self._counts.lateness.add(tick.lateness)
                    self._transmit(tick.phase, tick.slot)
                    self._schedule.pass_over(self._phases)
            if not self._take_input():
                break
            self._bounded(0, self._tell_recorded)
            self._flush()
            self._ports.sweep(time.monotonic())
        for channel in self._channels.values():
            self._bounded(0, self._stop_recording, channel)
        self._recorder.shut(1.0)

    def _transmit(self, phase: int, slot: int) -> None:
        now = time.monotonic()
        for channel, marks in self._by_path("send", self._phases[phase], slot, now):
            if marks is None:
                self._bounded(channel.number, self._serve, channel, slot, now)
            else:
                self._bounded(channel.number, self._follow, channel, marks, now)

    def _serve(self, channel: WorkerChannel, slot: int, now: float) -> None:
        """Send the packets and messages of one call that are due."""
        session = channel.session
        packets, marks = session.transmit(slot, now)
        if packets and (remote := session.remote):
            for packet in packets:
                try:
                    channel.ports.rtp.sendto(packet, remote)
                except OSError:
                    session.counts.skipped += 1  # unreachable, or no buffer is free: that packet is lost
                if channel.tap:
                    channel.tap.take(now, packet, remote, out=True)
        self._tell_marks(channel, marks, now)
        if sound := session.poll(now):
            self._hand_up(channel, sound, now)
        if session.recording and (stereo := session.recording.take(slot)):
            self._recorder.write(channel.tape, stereo)
        if session.live and (stereo := session.live.take(slot)) and len(self._out) < BACKLOG:
            self._tell(Kind.LISTENED, channel.number, stereo)
        self._follow(channel, (), now)

    def _follow(self, channel: WorkerChannel, marks: Iterable[Mark], now: float) -> None:
        """Do the rest of the work of a slot: tell the gateway of `marks`, send RTCP, check whether sound comes."""
        self._tell_marks(channel, marks, now)
        session = channel.session
        if now >= channel.watch_at:
            if now >= session.deadline:
                self._send_rtcp(channel, *session.handle_timer(now))
            channel.watch_at = min(now + WATCH, session.deadline)
            self._watch(channel, now)

    def _tell_marks(self, channel: WorkerChannel, marks: Iterable[Mark], now: float) -> None:
        for mark in marks:
            self._tell(Kind.MARK, channel.number, wire.MARK.pack(now, mark.utterance, mark.begins))

    def _send_rtcp(self, channel: WorkerChannel, report: bytes, remote: tuple[str, int] | None) -> None:
        if report and remote:
            ports = channel.ports
            muxed = channel.session.rtcp.route.muxed
            with contextlib.suppress(OSError):  # unreachable
                (ports.rtp if muxed else ports.rtcp).sendto(report, remote)
            if channel.tap:
                channel.tap.take(time.monotonic(), report, remote, out=True, control=not muxed)

    def _watch(self, channel: WorkerChannel, now: float) -> None:
        """Tell the gateway if no sound has been received for some time, or if there is a new measure of quality."""
        if silent := channel.silent_for(now):
            self._tell(Kind.NO_RTP, channel.number, wire.SILENT.pack(*silent))
        if rated := channel.watch.quality(channel.session, self._counts.late_max):
            self._tell(Kind.QUALITY, channel.number, rated)
            self._counts.late_max = 0.0  # the gateway remembers it

    def _take_input(self) -> bool:
        """Read everything that has arrived; False if the gateway has ended."""
        pipe = self._pipe.fileno()
        for _ in range(ROUNDS):
            now = time.monotonic()
            ready = self._by_path("receive", now, self._counts.behind)
            if ready is None:
                break
            for fd, data, sender in ready:
                if waiting := self._by_fd.get(fd):
                    receive, channel = waiting
                    self._bounded(channel.number, receive, channel, now, data, sender)
                elif fd == pipe and not self._take_orders():
                    return False
        return True

    def _take_orders(self) -> bool:
        try:
            data = self._pipe.recv(1 << 18)
        except BlockingIOError:
            return True
        except OSError:
            return False
        for message in self._reader.feed(data):
            self._bounded(message.channel, self._carry_out, message)
        return bool(data)

    def _bounded(self, number: int, work: Callable[..., None], *on: Any) -> None:
        """Do `work`. This is the call boundary: a fault ends only the call with that number, and no call if it is 0."""
        try:
            work(*on)
        except Exception as error:  # noqa: BLE001  the gateway is told
            if number or self._counts.failed % 1000 == 0:
                self._tell(Kind.FAILED, number, wire.fault(error))
            self._counts.failed += 1
            if channel := self._channels.get(number):
                self._release(channel)

    def _by_path(self, work: str, *on: Any) -> Any:
        """Do the work that the packet path leaves to Python. A fault in C costs no call: from then on Python does
        everything.
        """
        try:
            return getattr(self._path, work)(*on)
        except Exception as error:
            if isinstance(self._path, fallback.FastPath):
                raise
            self._path = fallback.FastPath(self._path.epoll)
            self._tell(Kind.FAILED, 0, wire.fault(error))
            self._tell(Kind.READY, 0, b"\0")
            self._counts.failed += 1
            return ()

    def _receive(self, channel: WorkerChannel, now: float, data: bytes | Exception | None, sender: Address) -> None:
        if isinstance(data, Exception):  # the packet path met an error
            raise data
        if data is None:
            try:
                data, (host, port, *_) = channel.ports.rtp.recvfrom(MAX_PACKET + 1)
                sender = host, port
            except OSError:  # an ICMP error of an earlier packet
                return
        if channel.checked(channel.ports.rtp, data, sender, now):
            return
        clear = channel.session.unprotected(data, sender, now)
        if channel.tap:
            channel.tap.take(now, clear if clear and channel.tap.clear else data, sender, out=False)
        if clear is None:
            return
        sound, event = channel.session.receive_clear(clear, sender, now)
        if sound:
            self._hand_up(channel, sound, now)
        if event is None:
            return
        if isinstance(event, KeyPress):
            self._tell(Kind.DIGIT, channel.number, wire.DIGIT.pack(now, event.key.encode()))
            if other := channel.key_partner:
                other.session.digits.send(event.key, TONE, PAUSE)
        else:
            arrived = time.monotonic() - waited(channel.ports.rtp)
            channel.session.receive_rtcp(data, sender, arrived)

    def _receive_rtcp(self, channel: WorkerChannel, now: float, *_: None) -> None:
        try:
            data, sender = channel.ports.rtcp.recvfrom(MAX_PACKET + 1)
        except OSError:
            return
        if channel.checked(channel.ports.rtcp, data, sender[:2], now):
            return
        if channel.tap:
            channel.tap.take(now, data, sender[:2], out=False, control=True)
        channel.session.receive_rtcp(data, sender[:2], time.monotonic() - waited(channel.ports.rtcp))

    def _hand_up(self, channel: WorkerChannel, sound: bytes, now: float) -> None:
        if recording := channel.session.recording:
            recording.caller(sound)
        if live := channel.session.live:
            live.caller(sound)
        keys = channel.keys_in(sound)  # in this side's own sound: keys of others in a conference do not count
        for key in keys:
            self._tell(Kind.DIGIT, channel.number, wire.DIGIT.pack(now, key.encode()))
        if not channel.heard:
            return
        if mixer := channel.session.mixer:
            sound = mixer.to_agent(sound)
        for ulaw, played in channel.gather(sound, behind=self._counts.behind):
            if len(self._out) < BACKLOG:
                self._out += wire.sound(channel.number, now, channel.session.playout.position, played, ulaw)
            else:
                self._counts.handover_dropped += len(ulaw)

    def _tell(self, kind: Kind, channel: int, body: bytes = b"") -> None:
        self._out += Message(kind, channel, body).encode()

    def _flush(self) -> None:
        """Write all messages at once; the rest waits if the pipe is full."""
        if self._out:
            try:
                sent = self._pipe.send(self._out)
            except (BlockingIOError, BrokenPipeError, ConnectionResetError):
                sent = 0
            del self._out[:sent]
            self._counts.behind = bool(self._out)

    def _carry_out(self, message: Message) -> None:
        if message.kind == Kind.OPEN:
            self._open(message)
            return
        if message.kind in (Kind.TAPPED, Kind.PING):
            self._bounded(0, self._reply, message)  # a fault in a capture does not end the call
            return
        channel = self._channels.get(message.channel)
        if channel is None:
            return
        body = message.body
        match message.kind:
            case Kind.CONNECT:
                self._connect(channel, json.loads(body))
            case Kind.STATS:
                self._count(channel)
            case Kind.BRIDGE | Kind.CONFER | Kind.MUSIC as kind:
                channel.join(kind, body, self._channels.get)
            case Kind.LISTEN:
                channel.session.live = channel.begin(*LIVE) if any(body) else None
            case Kind.RECORD:
                self._record(channel, json.loads(body))
            case Kind.CLOSE:
                self._close(channel)
            case kind:
                if halted := channel.play(kind, body):
                    self._tell(Kind.HALTED, channel.number, halted)

    def _open(self, message: Message) -> None:
        wanted = json.loads(message.body)
        try:
            ports = self._ports.open(wanted["host"], wanted["first"], wanted["last"], wanted["dscp"])
        except (PortsExhaustedError, OSError) as error:
            self._tell(Kind.REFUSED, message.channel, str(error).encode())
            return
        channel = WorkerChannel(message.channel)
        channel.ports = ports
        channel.watch.since = time.monotonic()
        self._channels[message.channel] = channel
        if tap := self._taps.open(message.channel, TapOptions(**wanted["tap"])):
            channel.tap, tap.muted = tap, channel.paused
        for sock, receive in ((ports.rtp, self._receive), (ports.rtcp, self._receive_rtcp)):
            self._path.epoll.register(sock, select.EPOLLIN)
            self._by_fd[sock.fileno()] = receive, channel
        self._path.add(ports.rtp.fileno(), channel, ports.dual)
        self._phases[phase_of(self._phases)].append(channel)
        self._tell(Kind.OPENED, message.channel, wire.PORT.pack(ports.port))

    def _connect(self, channel: WorkerChannel, wanted: dict[str, Any]) -> None:
        channel.connect(wanted, time.monotonic())
        waited(channel.ports.rtp if channel.session.rtcp.route.muxed else channel.ports.rtcp)
        channel.watch_at = min(channel.watch_at, channel.session.deadline)

    def _record(self, channel: WorkerChannel, wanted: dict[str, Any]) -> None:
        """Begin, pause or resume a recording."""
        session = channel.session
        match wanted["do"]:
            case "begin" if session.recording is None:
                session.recording = channel.begin()
                channel.tape = self._recorder.open(wanted["path"])
            case "pause" | "resume" as change:
                channel.pause(on=change == "pause")

    def _stop_recording(self, channel: WorkerChannel) -> None:
        if recording := channel.session.recording:
            channel.session.recording = None
            self._recorder.write(channel.tape, recording.finish())
            self._recorder.close(channel.tape)

    def _tell_recorded(self) -> None:
        """Tell the gateway which recordings have ended, by an order or because they cannot be written."""
        for number, length, problem in self._recorder.ended():
            for channel in self._channels.values():
                if channel.tape == number:
                    channel.session.recording, channel.tape = None, 0
                    ended = {"seconds": length / (2 * RATE), "problem": problem}
                    self._tell(Kind.RECORDED, channel.number, wire.pack_json(ended))

    def _reply(self, message: Message) -> None:
        """Send the next block of packets that were kept of a call, empty if there is none; or answer a ping."""
        if message.kind == Kind.PING:
            self._tell(Kind.PONG, 0)
            return
        question, after = wire.TAPPED.unpack(message.body)
        tap = self._taps.taps.get(message.channel)
        block = tap.after(after) if tap else None
        body = wire.NUMBER.pack(block.number) + block.packed() if block else b""
        self._tell(Kind.TAPPED, message.channel, wire.NUMBER.pack(question) + body)

    def _count(self, channel: WorkerChannel) -> None:
        self._tell(Kind.COUNTS, channel.number, wire.pack_json(channel.stats() | self._counts.counts()))

    def _close(self, channel: WorkerChannel) -> None:
        self._send_rtcp(channel, *channel.session.bye(time.monotonic()))
        self._release(channel)

    def _release(self, channel: WorkerChannel) -> None:
        """Release everything that a call holds. Each step has its own boundary, because several may fail."""
        del self._channels[channel.number]
        for part in (channel.part, partial(self._stop_recording, channel), channel.end_tap):
            self._bounded(0, part)
        for sock in (channel.ports.rtp, channel.ports.rtcp):
            if self._by_fd.pop(sock.fileno(), None):
                self._path.remove(sock.fileno())
                self._path.epoll.unregister(sock)
        for phase in self._phases:
            if channel in phase:
                phase.remove(channel)
        self._ports.retire(channel.ports, time.monotonic())


def main(descriptor: int) -> None:
    """Run the worker on the inherited socket with that descriptor."""
    for one in (signal.SIGINT, signal.SIGTERM):  # the gateway handles these signals, and ends this process
        signal.signal(one, signal.SIG_IGN)
    raise_priority()
    gc.freeze()
    gc.disable()  # no reference cycles are made here; a collection over 500 calls takes long enough to be heard
    Worker(socket.socket(fileno=descriptor)).run()
