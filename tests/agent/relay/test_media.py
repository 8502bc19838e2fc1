"""Media that an agent's server has played: fetched from a real server, decoded, and played in a conversation."""

import asyncio
import gzip
import io
import math
import socket
import struct
import threading
import wave
from collections.abc import Mapping
from typing import Any

import pytest

from agent.relay import media
from agent.relay.messages import RelayFault
from agent.ulaw import from_linear, level
from tests.agent.relay.holding import Setting, hold
from tests.fakes.line import sound_of
from tests.fakes.relay import answers, text
from tests.waiting import HANG, within

SECOND = from_linear(
    struct.pack("<8000h", *(round(8000 * math.sin(2 * math.pi * 440 * at / 8000)) for at in range(8000)))
)


def pcm(rate: int, channels: int, width: int) -> bytes:
    """A second of a tone as a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(channels)
        written.setsampwidth(width)
        written.setframerate(rate)
        for at in range(rate):
            value = math.sin(2 * math.pi * 440 * at / rate) / 4
            sample = (
                bytes([128 + round(127 * value)])
                if width == 1
                else round(32767 * value).to_bytes(2, "little", signed=True)
            )
            written.writeframesraw(sample * channels)
    return file.getvalue()


def ulaw(sound: bytes) -> bytes:
    """The WAV file of mu-law sound."""
    form = struct.pack("<HHIIHH", 7, 1, 8000, 8000, 1, 8)
    body = b"WAVE" + b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(sound)) + sound
    return b"RIFF" + struct.pack("<I", len(body)) + body


async def fetched(files: Mapping[str, bytes], path: str, url: str = "") -> bytes:
    """What comes of `path` at an HTTP server on the loopback that has these files."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        found = files.get(asked)
        status = "200 OK" if found is not None else "404 Not Found"
        packed = "Content-Encoding: gzip\r\n" if (found or b"").startswith(b"\x1f\x8b") else ""
        head = f"Content-Length: {len(found or b'')}\r\n{packed}Connection: close"
        writer.write(f"HTTP/1.1 {status}\r\n{head}\r\n\r\n".encode())
        writer.write(found or b"")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        return await within(media.fetched(url.replace("{port}", str(port)) or f"http://127.0.0.1:{port}{path}"))


@pytest.mark.parametrize(("rate", "channels", "width"), [(8000, 1, 2), (16000, 2, 2), (44100, 1, 2), (22050, 2, 1)])
def test_wav_files_of_many_kinds_are_played(rate: int, channels: int, width: int) -> None:
    sound = asyncio.run(fetched({"/a.wav": pcm(rate, channels, width)}, "/a.wav"))
    assert len(sound) == pytest.approx(8000, abs=10)
    assert level(sound) == pytest.approx(32767 / 4 / math.sqrt(2), rel=0.1)


def test_mu_law_is_played_as_it_is() -> None:
    assert asyncio.run(fetched({"/a.wav": ulaw(SECOND)}, "/a.wav")) == SECOND


def test_mp3_is_played_with_pyav() -> None:
    av = pytest.importorskip("av")
    file = io.BytesIO()
    with av.open(file, "w", format="mp3") as container:
        stream = container.add_stream("mp3", rate=16000)
        frame = av.AudioFrame(format="s16", layout="mono", samples=16000)
        frame.sample_rate = 16000
        frame.planes[0].update(pcm(16000, 1, 2)[44:])
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    sound = asyncio.run(fetched({"/a.mp3": file.getvalue()}, "/a.mp3"))
    assert len(sound) == pytest.approx(8000, abs=1600)
    assert level(sound) > 1000


@pytest.mark.parametrize(
    ("files", "url", "why"),
    [
        ({}, "", "answered HTTP 404"),
        ({"/a": b"no sound at all"}, "", "not a sound file"),
        ({"/a": b"RIFF\0\0\0\0WAVE"}, "", "has no sound"),
        ({"/a": ulaw(b"")}, "", "has no sound"),
        ({"/a": b"RIFF" + bytes(media.LARGEST)}, "", "at most 4 MB"),
        ({"/a": gzip.compress(b"RIFF" + bytes(media.LARGEST))}, "", "is not packed"),
        ({}, "http://example.com/a.wav", "unless its host is local"),
        ({}, "file:///etc/passwd", "must be an https"),
        ({}, "https://[", "must be an https"),
        ({}, "http://127.0.0.1:1/a", "cannot be fetched"),
        ({}, "http://127.0.0.1:1/\ud83d", "cannot be fetched"),
        ({}, "http://169.254.169.254/latest/meta-data", "not be an address where a cloud"),
        ({}, "https://169.254.169.254/latest/meta-data", "not be an address where a cloud"),
        ({}, "http://[fe80::1]/a", "not be an address where a cloud"),
        ({}, "http://[::ffff:169.254.169.254]/a", "not be an address where a cloud"),
        ({}, "https://[fd00:ec2::254]/latest/meta-data", "not be an address where a cloud"),
        ({}, "https://[64:ff9b::a9fe:a9fe]/latest/meta-data", "not be an address where a cloud"),
    ],
)  # fmt: skip
def test_what_cannot_be_played_is_told_in_words(files: dict[str, bytes], url: str, why: str) -> None:
    with pytest.raises(RelayFault, match=why):
        asyncio.run(fetched(files, "/a", url))


@pytest.mark.faults("A3")
def test_names_that_nobody_answers_delay_no_lookup_of_another_call(monkeypatch: pytest.MonkeyPatch) -> None:
    real, let_go = socket.getaddrinfo, threading.Event()

    def hang(host: Any, *given: Any, **more: Any) -> Any:
        if str(host).endswith(".internal"):
            let_go.wait(HANG)
            raise socket.gaierror(-3, "try again")
        return real(host, *given, **more)

    monkeypatch.setattr(socket, "getaddrinfo", hang)

    async def told(source: str) -> str:
        with pytest.raises(RelayFault) as fault:
            await media.fetched(source)
        return str(fault.value)

    async def scene() -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(told(f"https://{n}.internal/a.wav")) for n in range(40)]
            await asyncio.sleep(0)
            assert await asyncio.get_running_loop().getaddrinfo("127.0.0.1", 80)
            assert not let_go.is_set()
            let_go.set()
        assert any("too many media" in task.result() for task in tasks)

    asyncio.run(scene())


@pytest.mark.faults("A3")
def test_the_address_that_was_checked_is_the_one_that_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    real, asked = socket.getaddrinfo, list[str]()

    def once(host: Any, *given: Any, **more: Any) -> Any:
        if host != "brain.internal":
            return real(host, *given, **more)
        asked.append(host)
        return real("127.0.0.1" if len(asked) == 1 else "169.254.169.254", *given, **more)

    monkeypatch.setattr(socket, "getaddrinfo", once)
    sound = ulaw(b"\x10" * 800)
    assert asyncio.run(fetched({"/a": sound}, "/a", "http://brain.internal:{port}/a")) == b"\x10" * 800
    assert asked == ["brain.internal"]


def test_a_medium_is_played_in_its_place_among_the_words(monkeypatch: pytest.MonkeyPatch) -> None:
    async def given(source: str) -> bytes:
        assert source == "https://example.com/bell.wav"
        return SECOND[:4000]

    monkeypatch.setattr("agent.relay.conversation.fetched", given)

    async def plan(caller, line, server):
        await asyncio.sleep(1)
        await caller.say("Ring the bell")
        await asyncio.sleep(8)
        caller.hang_up()

    play = {"type": "play", "source": "https://example.com/bell.wav", "loop": 2}
    held = hold(plan, answers({"Ring": [text("Listen. ", last=False), play, text("That was it.")]}))
    heard = bytes(held.line.played)
    assert sound_of("Listen.") + SECOND[:4000] * 2 in heard
    assert heard.endswith(sound_of("That was it."))


def test_a_medium_can_be_interrupted_and_a_faulty_one_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def given(source: str) -> bytes:
        if "bad" in source:
            raise RelayFault("play: bad")
        return SECOND

    monkeypatch.setattr("agent.relay.conversation.fetched", given)

    async def plan(caller, line, server):
        await asyncio.sleep(1)
        await caller.say("Ring the bell")
        await asyncio.sleep(3)
        await caller.say("Stop it now please")
        await asyncio.sleep(4)
        caller.hang_up()

    plays = [{"type": "play", "source": f"https://example.com/{name}.wav", "loop": 0} for name in ("bad", "bell")]
    held = hold(plan, answers({"Ring": [*plays, text("")], "Stop": [text("Yes?")]}), Setting())
    assert held.server.told("error") == [{"description": "Invalid message: play: bad"}]
    (interrupt,) = held.server.told("interrupt")
    assert interrupt["utteranceUntilInterrupt"] == "", "no words were heard"
    assert interrupt["durationUntilInterruptMs"] > 1000
    assert held.spoken == ["Yes?"]
