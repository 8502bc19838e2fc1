"""Gates of the conversation: what the caller waits for."""

import asyncio
import contextlib
import json
import logging
import re
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from unittest import mock

import structlog

import sipgw
from agent.providers.deepgram_listen import DeepgramOptions
from agent.turn_taking.expect import Kind, kind_of
from media.g711 import FRAME
from media.rtp.packet import signed
from sipgw.config.config import GatewayConfig
from sipgw.gateway.garbage import when_quiet
from sipgw.records.artifacts.wav import read_ulaw
from tests.bench.gate import Gate, percentile
from tests.cloud import cloud
from tests.fakes.assemblyai import MODES, Said
from tests.fakes.deepgram import FakeDeepgram, Flux
from tests.fakes.openai import Reply
from tests.phone import Phone, calling

AREA = "conversation"
DEMOS = 3
CALLS = 5
"""Calls of each figure: how the caller's packets and ours lie to each other is chance, and fixed for a call."""
TURNS = 5
BARGE_INS = 12
SPACING = 2620
"""Milliseconds from one scripted turn of the caller to the next; each lies elsewhere among the pieces of 100 ms in
which sound is handed on while nobody speaks, so that no figure is that of one place."""
EAGER_SILENCE = 80
"""Milliseconds of silence after which the fake thinks that the turn is probably over."""
FLUX_END = 100
"""The same after which it is sure, where the gateway's own share is measured."""
MIN_TURN_SILENCE = MODES["balanced"][0]
"""Milliseconds of silence after which the fake ends a turn, as the default model does."""


LONG_REPLY = "Your order is out for delivery and it will be there today before six in the evening or so."

SILENT = b"\xfe\x7e" * 80
BEGIN, SPOKEN = 83, 30
"""The first frame of the caller's speech in the sentence, and how many of them there are, no fewer than a turn has. The
voice model finds a voice in them, so sound is handed on as finely as that of real callers; in a tone it finds none."""


def voice(said: list[Said]) -> Callable[[int], bytes]:
    """A caller who speaks where the script has words, in the middle of a sentence, and is loud to the end."""
    sentence = read_ulaw(Path(sipgw.__file__).parent / "demo_voice" / "ask_order.wav")
    frames = [sentence[at : at + FRAME] for at in range(BEGIN * FRAME, (BEGIN + SPOKEN) * FRAME, FRAME)]
    spoken = {
        at: frame
        for part in said
        for at, frame in zip(range(part.start_ms // 20, part.end_ms // 20), frames, strict=False)
    }
    return lambda frame: spoken.get(frame, SILENT)


def starts(phone: Phone) -> list[tuple[float, int]]:
    """When each stretch of the agent's speech began to arrive, and its RTP timestamp."""
    found: list[tuple[float, int]] = []
    last_sound: int | None = None
    for at, packet in phone.received:
        if packet.payload.strip(b"\xff"):
            if last_sound is None or signed(packet.timestamp - last_sound, 32) > 8 * 500:
                found.append((at, packet.timestamp))
            last_sound = packet.timestamp
    return found


async def turn_latencies(
    folder: Path, delays: tuple[float, float, float], *, flux: int = 0, silence: int = MIN_TURN_SILENCE
) -> list[float]:
    """Seconds from the caller's packet that completes a turn to the first packet of the reply, for every turn.

    With `flux` the STT is Deepgram's, which is sure after so many milliseconds. So many milliseconds of `silence`
    after the last word belong to the turn: 0 counts all of the wait.
    """
    first = 5000
    said = [Said("And now?", first + turn * SPACING, first + turn * SPACING + 500) for turn in range(TURNS)]
    found: list[float] = []
    async with contextlib.AsyncExitStack() as stack:
        change = await stack.enter_async_context(deepgram(said, flux)) if flux else lambda config: config
        world = await stack.enter_async_context(
            cloud(folder, said, [Reply(text=["Fine so far."])], delays=delays, change=change)
        )
        await stack.enter_async_context(when_quiet(lambda: True))  # as `sipgw serve` does
        for _ in range(CALLS):
            async with calling(world.target, voice(said)) as phone:
                await asyncio.sleep((first + TURNS * SPACING + 1500) / 1000)
            # The packet whose sound completes words and silence; positions in the sound are exact.
            ends = [phone.sent_at[-(-(part.end_ms + silence) // 20) - 1] for part in said]
            begun = [at for at, _ in starts(phone)]
            found += [next(at for at in begun if at > end) - end for end in ends]
    return found


@contextlib.asynccontextmanager
async def deepgram(said: list[Said], end: int) -> AsyncIterator[Callable[[GatewayConfig], GatewayConfig]]:
    """Flux, sure of the end of a turn after `end` milliseconds."""
    with mock.patch.multiple(Flux, EAGER=EAGER_SILENCE, END=end):
        async with FakeDeepgram(said) as server:
            eager = 0.4 if end > FLUX_END else None  # so short a silence leaves no time to be early
            options = DeepgramOptions(api_key="dg-key", url=server.url, eager_eot_threshold=eager)
            yield lambda config: config.having(agent=replace(config.agent, stt="deepgram"), deepgram=options)


def own_share(name: str, goal: float, **stt: int) -> Gate:
    """The gateway's own share: nothing that it uses takes any time."""
    with tempfile.TemporaryDirectory() as folder:
        own = asyncio.run(turn_latencies(Path(folder), (0.0, 0.0, 0.0), **stt))
    p50, p95 = percentile(own, 0.5), percentile(own, 0.95)
    figures = f"p50 {1000 * p50:.0f} ms, p95 {1000 * p95:.0f} ms"
    return Gate(AREA, f"fakes without delay, {name}", figures, f"p95 <= {1000 * goal:.0f} ms", p95 <= goal)


def cloud_gates() -> Iterator[Gate]:
    """The gateway's own share, and whole turns at the providers' published medians."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    yield own_share(
        "sound to the STT every 20 ms (Flux): last packet in to first packet out",
        0.060,
        flux=FLUX_END,
        silence=FLUX_END,
    )
    yield own_share("at least 50 ms of sound at a time (AssemblyAI): last packet in to first packet out", 0.090)
    with tempfile.TemporaryDirectory() as folder:
        whole = asyncio.run(turn_latencies(Path(folder), (0.307, 0.300, 0.150)))
    median = percentile(whole, 0.5)
    name = "fakes at published medians (307 + 300 + 150 ms): caller stops to first packet"
    yield Gate(AREA, name, f"p50 {1000 * median:.0f} ms", "p50 <= 800 ms", median <= 0.800)


async def barge_ins(folder: Path) -> list[float]:
    """Seconds from the first packet of an interruption until the last one with the agent's sound has come."""
    first = 5000
    begins = [first + turn * SPACING for turn in range(BARGE_INS)]
    said = [Said("And now?", begin, begin + 600) for begin in begins]
    async with (
        cloud(folder, said, [Reply(text=[LONG_REPLY])], delays=(0.3, 0.1, 0.1)) as world,
        calling(world.target, voice(said)) as phone,
    ):
        await asyncio.sleep((begins[-1] + 1000) / 1000)
        onsets = [phone.sent_at[begin // 20] for begin in begins[1:]]
        sounding = [at for at, packet in phone.received if packet.payload.strip(b"\xff")]
    found: list[float] = []
    for onset in onsets:
        assert any(onset - 0.1 < at < onset for at in sounding), "the agent was not speaking"
        last = onset
        for at in sounding:
            if last < at < last + 0.2:
                last = at
        found.append(last - onset)
    return found


def barge_in_gate() -> Gate:
    """The caller interrupts: pause first, decide later."""
    with tempfile.TemporaryDirectory() as folder:
        late = asyncio.run(barge_ins(Path(folder)))
    p50, p95 = percentile(late, 0.5), percentile(late, 0.95)
    figures = f"p50 {1000 * p50:.0f} ms, p95 {1000 * p95:.0f} ms"
    return Gate(AREA, "caller interrupts: onset to silence on the wire", figures, "p95 <= 250 ms", p95 <= 0.250)


def eager_gate() -> Gate:
    """Replies prepared before the turn is final."""
    with tempfile.TemporaryDirectory() as folder:
        whole = asyncio.run(turn_latencies(Path(folder), (0.0, 0.300, 0.150), flux=307, silence=0))
    median = percentile(whole, 0.5)
    name = f"the same prepared on an eager end of turn after {EAGER_SILENCE} ms (Flux, final after 307 ms)"
    return Gate(AREA, name, f"p50 {1000 * median:.0f} ms", "p50 <= 550 ms", median <= 0.550)


def demo_gates() -> Iterator[Gate]:
    """The embedded default over the turns of its demo. A dictated number has a line of its own: people pause for up to
    1.2 s between its groups, so that the silence that ends it is longer.
    """
    sentences, numbers = list[float](), list[float]()
    for _ in range(DEMOS):
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "demo.json"
            subprocess.run(
                [sys.executable, "-m", "sipgw", "demo", "--json", str(report)], check=True, capture_output=True
            )
            turns = json.loads(report.read_text())["turns"]
        for turn in turns:
            if "total" in turn["latency_ms"]:
                dictated = kind_of(turn["caller"]) is Kind.DIGITS
                (numbers if dictated else sentences).append(turn["latency_ms"]["total"])
    for totals, of_what, most in ((sentences, "sentences", (800, 1200)), (numbers, "dictated numbers", (2000, 2200))):
        p50, p95 = percentile(totals, 0.5), percentile(totals, 0.95)
        figures = f"p50 {p50:.0f} ms, p95 {p95:.0f} ms over {len(totals)} turns"
        goal = f"p50 < {most[0]}, p95 < {most[1]} ms"
        name = f"embedded, {of_what}: caller stops to first audible packet"
        yield Gate(AREA, name, figures, goal, p50 < most[0] and p95 < most[1])


def cpu_gate() -> Gate:
    """What the cascade takes of the CPU, over TLS, with a turn every few seconds in each call."""
    load = [sys.executable, "-m", "tests.bench.cascade", "--calls", "100", "--seconds", "30"]
    printed = subprocess.run(load, check=True, capture_output=True, text=True).stdout
    found = dict(re.findall(r"^([\w.]+): ([\d.]+) ms of CPU per call-second", printed, re.MULTILINE))
    gateway, media = float(found["sipgw.tools.load.host"]), float(found["media.process.start"])
    figures = f"{gateway + media:.1f} ms per call-second: gateway {gateway:.1f}, media process {media:.1f}"
    name = "CPU of the whole cascade over TLS, 100 calls"
    return Gate(AREA, name, figures, "<= 2 ms per call-second", gateway + media <= 2.0)


def gates() -> Iterator[Gate]:
    """Measure everything."""
    yield from demo_gates()
    yield from cloud_gates()
    yield eager_gate()
    yield barge_in_gate()
    yield cpu_gate()
