"""``python -m tests.agent.local.measure [CALLS ...]``: how fast and how well the embedded speech hears and speaks.

Real recordings in real time (20 ms frames) through the real speech process. "Stop to final" runs from the last audible
sample of the recording to the final transcript; "text to sound" from the sentence to its first bytes, asked for as
soon as the caller's words are final. Alone, each recording is a call of its own; with CALLS calls they talk at once,
each saying all recordings in another order.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from agent.providers.local.host import LocalSpeech, LocalSpeechOptions
from agent.providers.local.listener import floats
from agent.stt import Transcript
from tests.agent.local.listening import SILENCE, digits_of, noisy, recording, transcripts, word_errors
from tests.bench.gate import percentile

FRAME = 160
PAUSE = SILENCE * 32_000
"""The caller listens for 4 s."""
REPLY = "Your order has been shipped and will arrive on Thursday. Is there anything else I can do for you?"
ASKED = "What is your order number?"
DICTATED = ("fsdd_", "sr_")


class Result(NamedTuple):
    """One recording in one call. Times are in seconds."""

    name: str
    text: str
    stop_to_final: float
    text_to_sound: float


def stop_of(sound: bytes) -> int:
    """Position of the last audible sample: the last 10 ms within 20 dB of the loudest."""
    levels = np.square(floats(sound)[: len(sound) // 80 * 80]).reshape(-1, 80).mean(axis=1)
    return int(np.flatnonzero(levels > levels.max() / 100)[-1] + 1) * 80


async def call(speech: LocalSpeech, names: list[str], snr: float | None, delay: float) -> AsyncIterator[Result]:
    """Say recordings one after the other in one call and answer each."""
    clock = asyncio.get_running_loop().time
    stt, tts = speech.stt(), speech.tts()
    await asyncio.sleep(delay)
    await stt.open()
    try:
        for name in names:
            clean = recording(name) + PAUSE
            stt.expect(ASKED if name.startswith(DICTATED) else "")
            heard: asyncio.Queue[tuple[float, str]] = asyncio.Queue()

            async def listen(heard: asyncio.Queue[tuple[float, str]] = heard) -> None:
                async for event in stt.events():
                    if isinstance(event, Transcript) and event.final:
                        heard.put_nowait((clock(), event.text))

            async with asyncio.TaskGroup() as group:
                listening = group.create_task(listen())
                began = clock()
                sound = noisy(clean, snr) if snr else clean
                for at in range(0, len(sound), FRAME):
                    stt.send_audio(sound[at : at + FRAME])
                    await asyncio.sleep(max(0.0, began + (at + FRAME) / 8000 - clock()))
                listening.cancel()
            finals = [heard.get_nowait() for _ in range(heard.qsize())]
            asked = clock()
            pieces = tts.speak(REPLY)
            await anext(pieces)
            sounded = clock() - asked
            await pieces.aclose()
            stopped = began + stop_of(clean) / 8000
            last = finals[-1][0] if finals else float("nan")
            yield Result(name, " ".join(text for _, text in finals), last - stopped, sounded)
    finally:
        await stt.close()


async def together(speech: LocalSpeech, calls: int, snr: float | None) -> list[Result]:
    """All recordings in each of `calls` simultaneous calls."""
    names = list(transcripts())
    results: list[Result] = []

    async def one(number: int) -> None:
        turned = names[number % len(names) :] + names[: number % len(names)]
        async for result in call(speech, turned, snr, number * 0.37):
            results.append(result)

    async with asyncio.TaskGroup() as group:
        for number in range(calls):
            group.create_task(one(number))
    return results


def summary(results: list[Result]) -> str:
    """One line: latencies, word error rate, exact numbers."""
    wrong = total = exact = numbers = 0
    for result in results:
        said = transcripts()[result.name]
        if result.name.startswith(DICTATED):
            numbers += 1
            exact += digits_of(result.text) == digits_of(said)
        else:
            errors, words = word_errors(said, result.text)
            wrong, total = wrong + errors, total + words
    columns = [f"{100 * wrong / total:5.1f} %", f"{exact:3d} of {numbers:3d}"]
    for values in ([r.stop_to_final for r in results], [r.text_to_sound for r in results]):
        columns += [f"{1000 * percentile(values, q):6.0f}" for q in (0.5, 0.95)]
    return "  ".join(columns)


def cpu_seconds() -> float:
    """Processor time of the speech process so far."""
    (child,) = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()[-1:]
    fields = Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def main(loads: list[int]) -> None:
    """Print the tables."""
    clock = asyncio.get_running_loop().time
    began = clock()
    async with LocalSpeech(LocalSpeechOptions()) as speech:
        print(f"ready in {clock() - began:.1f} s\n")
        alone: dict[float | None, list[Result]] = {}
        for snr in (None, 20.0):
            alone[snr] = await together(speech, 1, snr)
            for result in alone[snr]:
                times = f"{1000 * result.stop_to_final:6.0f} ms {1000 * result.text_to_sound:4.0f} ms"
                print(f"{result.name:30} {'clean' if snr is None else '20 dB'} {times}  {result.text}")
        print("\ncalls  sound    WER    numbers    stop to final p50, p95   text to sound p50, p95 (ms)   load")
        for snr, results in alone.items():
            print(f"{1:5d}  {'clean' if snr is None else '20 dB'}  {summary(results)}")
        for calls in loads:
            for snr in (None, 20.0):
                used, began = cpu_seconds(), clock()
                results = await together(speech, calls, snr)
                load = (cpu_seconds() - used) / (clock() - began)
                print(f"{calls:5d}  {'clean' if snr is None else '20 dB'}  {summary(results)}   {load:.2f} cores")


if __name__ == "__main__":
    asyncio.run(main([int(argument) for argument in sys.argv[1:]]))
