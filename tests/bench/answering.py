"""How often the answering-machine detection is wrong, and when it decides: ``python -m tests.bench.answering``.

Recorded speech as humans, and answers and greetings synthesised by flite in four voices, with beeps, over line noise.
Without words: only the sound is judged, as if the STT heard nothing; and with them.
"""

import random
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from media.g711 import from_linear, to_linear
from sipgw.calls.machine_detection import AnsweredParty, AnsweringMachineDetector
from sipgw.records.artifacts.wav import read_ulaw

HERE = Path(__file__).parent.parent
VOICES = ("kal", "awb", "rms", "slt")
HUMANS = """\
Hello?
Hello, who is this?
Yes?
Hi.
Good morning.
Speaking.
Hello, this is Peter.
Miller residence, good evening.
Smith and Sons, Anna speaking, how can I help you?
Good afternoon, Acme dental practice, this is Julia, what can I do for you?
Hello? Hello? Is anybody there?
Yes, hello, just a second please.
Front desk, Tom speaking.
Hi, this is Sarah. Who's calling?
What is it?
""".splitlines()
MACHINES = """\
Hi, you've reached Peter. I can't come to the phone right now. Please leave a message after the beep.
Hello. You have reached the voicemail of Anna Miller. Please leave your name and number, and I will call you back.
The person you are trying to reach is not available. At the tone, please record your message.
Your call has been forwarded to an automatic voice message system. Four one five, five five five, is not available.
Hi, this is Tom. I'm away from my phone right now, leave a message and I'll get back to you as soon as I can. Thanks.
Thank you for calling Smith and Sons. Our office is closed. Our opening hours are Monday to Friday from nine to five.
Hey, it's Bob. Leave a message.
We are sorry we missed your call. Please leave us a message with your name and your telephone number.
The mailbox is full and cannot accept any messages at this time. Goodbye.
Hello, we are not at home at the moment. Please speak after the tone.
""".splitlines()
BEEPS = ((1000.0, 0.3, 8000), (440.0, 0.5, 5000), (1400.0, 0.2, 3000), (850.0, 0.8, 10000), (1760.0, 0.15, 4000))


class Case(NamedTuple):
    name: str
    who: AnsweredParty
    sound: bytes
    text: str
    spoken: float
    """Seconds of greeting."""


class Found(NamedTuple):
    who: AnsweredParty
    at: float
    beeped: bool


def tone(hz: float, seconds: float, amplitude: int) -> bytes:
    at = np.arange(round(seconds * 8000))
    return from_linear((amplitude * np.sin(2 * np.pi * hz * at / 8000)).astype("<i2").tobytes())


def silence(seconds: float) -> bytes:
    return b"\xff" * round(seconds * 8000)


def noisy(ulaw: bytes, level: int, seed: int) -> bytes:
    source = random.Random(seed)
    linear = np.frombuffer(to_linear(ulaw), "<i2").astype(int)
    noise = np.array([source.randint(-level, level) for _ in range(len(linear))]) if level else 0
    return from_linear(np.clip(linear + noise, -32768, 32767).astype("<i2").tobytes())


def flite(folder: Path, text: str, voice: str) -> bytes:
    wav = folder / f"{abs(hash((text, voice)))}.wav"
    subprocess.run(["flite", "-voice", voice, "-t", text, "-o", str(wav)], check=True, capture_output=True)
    subprocess.run(["sox", str(wav), "-r", "8000", "-e", "mu-law", f"{wav}.ul.wav", "norm", "-9"], check=True)
    return read_ulaw(Path(f"{wav}.ul.wav"))


def recorded() -> Iterator[tuple[str, bytes]]:
    for path in sorted((HERE / "data" / "speech").glob("*.wav")) + sorted(
        (HERE.parent / "sipgw" / "demo_voice").glob("*.wav")
    ):
        try:
            yield path.stem, read_ulaw(path)
        except ValueError:
            with tempfile.NamedTemporaryFile(suffix=".wav") as narrow:
                subprocess.run(["sox", path, "-r", "8000", "-c", "1", "-e", "mu-law", narrow.name], check=True)
                yield path.stem, read_ulaw(Path(narrow.name))


def cases(folder: Path) -> Iterator[Case]:
    for name, sound in recorded():
        yield Case(name, AnsweredParty.HUMAN, silence(0.3) + sound + silence(3), "", len(sound) / 8000)
    for number, voice in enumerate(VOICES):
        for text in HUMANS:
            sound = flite(folder, text, voice)
            yield Case(
                f"{voice} {text}", AnsweredParty.HUMAN, silence(0.4) + sound + silence(4), text, len(sound) / 8000
            )
        for at, text in enumerate(MACHINES):
            sound = flite(folder, text, voice)
            beep = tone(*BEEPS[(at + number) % len(BEEPS)])
            whole = silence(0.4) + sound + silence(0.7) + beep + silence(3)
            yield Case(f"{voice} {text}", AnsweredParty.MACHINE, whole, text, len(sound) / 8000)
    yield Case("CED", AnsweredParty.FAX, silence(1) + tone(2100, 3.0, 4000) + silence(1), "", 0)
    yield Case("CNG", AnsweredParty.FAX, (silence(3) + tone(1100, 0.5, 4000)) * 2 + silence(1), "", 0)


def judged(case: Case, level: int, *, words: bool) -> Found:
    one, sound = AnsweringMachineDetector(), noisy(case.sound, level, 1)
    said, decided = case.text.split(), 0.0
    for at in range(0, len(sound), 480):
        if one.hear(sound[at : at + 480]):
            decided = at / 8000
        seconds = at / 8000 - 0.4
        if words and said and 0 < seconds - 0.5 <= case.spoken:  # recognisers are half a second behind
            share = min(1.0, (seconds - 0.5) / case.spoken)
            if one.understand(" ".join(said[: int(share * len(said))])):
                decided = at / 8000
    return Found(one.who, decided, one.beeped)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        everything = list(cases(Path(folder)))
    for words in (False, True):
        for level in (0, 60, 300):
            counts: Counter[tuple[str, str]] = Counter()
            beeps, late = 0, []
            for case in everything:
                found = judged(case, level, words=words)
                counts[case.who.value, found.who.value] += 1
                if case.who is AnsweredParty.MACHINE:
                    beeps += found.beeped
                    late.append(found.at)
                if found.who is not case.who:
                    print(f"    {case.who.value} taken for {found.who.value} at {found.at:.1f} s: {case.name[:70]}")
            print(f"words {words!s:5} noise ±{level:3}: ", end="")
            print(", ".join(f"{was} → {taken} {count}" for (was, taken), count in sorted(counts.items())), end="; ")
            late.sort()
            print(f"beep heard {beeps} of {len(late)}; machine decided after {late[len(late) // 2]:.1f} s (median)")


if __name__ == "__main__":
    main()
