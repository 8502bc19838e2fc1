"""How often call screens are told from machines and people: by their words in seven languages, and in English by sound.

Only ``screening_*_kept_back_*`` is a forecast: patterns and weights were made with the texts of
``screening_trained_*``.
The words are those of `tests/data/screening`. As sound they are spoken by the embedded voice, go through G.711, and are
heard by the embedded recogniser. Where the embedded encoder is installed, it compares words as in calls; what patterns
find without it is told in brackets.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from media.g711 import to_linear
from sipgw.calls.machine_detection import AnsweredParty, AnsweringMachineDetector, names_screen
from sipgw.calls.screen_classifier import installed, is_screen
from tests.bench.answering import silence
from tests.bench.gate import Gate

DATA = Path(__file__).parents[1] / "data" / "screening"
PARTIES = {
    "prompts": AnsweredParty.SCREEN, "machines": AnsweredParty.MACHINE, "people": AnsweredParty.HUMAN,
}  # fmt: skip
RIGHT, TAKEN = 0.95, 0.01
LATE = 0.8
"""Seconds by which a recogniser reports the last words late."""
Taken = Counter[tuple[AnsweredParty, AnsweredParty]]
"""How often a party was taken for which."""


class Said(NamedTuple):
    """What a party says first."""

    language: str
    who: AnsweredParty
    text: str


def corpus() -> list[Said]:
    """What patterns and weights were made with."""
    return [
        Said(row[0], who, row[-1])
        for name, who in PARTIES.items()
        for row in (line.split("\t") for line in (DATA / f"{name}.tsv").read_text("utf-8").splitlines())
    ]


def kept_back() -> list[Said]:
    """What they were not made with."""
    rows = (line.split("\t") for line in (DATA / "kept.tsv").read_text("utf-8").splitlines())
    return [Said(language, AnsweredParty(who), text) for language, who, text in rows]


def by_words(text: str, *, compare: bool = True) -> AnsweredParty:
    """What is decided of the words alone, as they grow and when they are final; people are decided by sound."""
    one, words = AnsweringMachineDetector(), text.split()
    for many in range(1, len(words)):
        grown = " ".join(words[:many])
        known = meant(grown, final=False) if compare and names_screen(grown) else None
        if known is not False:  # as `AmdTalk` does it
            one.understand(grown, final=False, meant=known)
    one.understand(text, meant=meant(text) if compare else None)
    return one.who


def meant(text: str, *, final: bool = True) -> bool | None:
    """What a call knows of the meaning."""
    return is_screen(text, final=final) if installed() else None


def by_sound(said: Said, speak: Callable[[str], Iterable[bytes]], hear: Callable[[bytes], str]) -> AnsweredParty:
    """What is decided of an English sentence that is spoken, goes through G.711 and is recognised when it is over."""
    one, ulaw = AnsweringMachineDetector(), b"".join(speak(said.text))
    for sound in (silence(0.4), ulaw, silence(LATE)):
        for at in range(0, len(sound), 160):
            one.hear(sound[at : at + 160])
    words = hear(ulaw)
    one.understand(words, meant=meant(words))
    return one.who


def gates() -> Iterator[Gate]:
    """Measure; a minute, if the embedded models are installed."""
    found: Taken = Counter()
    for said in corpus():
        found[said.who, by_words(said.text)] += 1
    yield from judged("trained_words", found)
    kept: Taken = Counter()
    patterns = 0
    for said in kept_back():
        kept[said.who, by_words(said.text)] += 1
        screen = AnsweredParty.SCREEN
        patterns += said.who is screen and by_words(said.text, compare=False) is screen
    yield from judged("words_kept_back", kept, patterns)
    try:
        from agent.providers.local.hibari_tts import HibariTts
        from agent.providers.local.whisper import Whisper
    except ModuleNotFoundError:
        yield Gate("calls", "screening_trained_sound", "not installed: pip install '.[local]'", "installed", False)
        return
    voice, model = HibariTts(1), Whisper(1)

    def hear(ulaw: bytes) -> str:
        linear = np.frombuffer(to_linear(ulaw), "<i2").astype(np.float32) / 32768
        return model.transcribe(linear).text

    for how, texts in (("trained_sound", corpus()), ("sound_kept_back", kept_back())):
        english = (said for said in texts if said.language == "en")
        yield from judged(how, Counter((said.who, by_sound(said, voice.speak, hear)) for said in english))


def judged(how: str, found: Taken, patterns: int | None = None) -> Iterator[Gate]:
    """The figures of the parties found, as `(who it was, who it was taken for)`; so many by `patterns` alone."""
    screen = AnsweredParty.SCREEN
    total = {who: sum(count for (was, _), count in found.items() if was is who) for who in PARTIES.values()}
    right = found[screen, screen] / total[screen]
    share = _share(found[screen, screen], total[screen])
    share += "" if patterns is None else f" ({100 * patterns / total[screen]:.1f} % by patterns alone)"
    yield Gate("calls", f"screening_{how}_right", share, ">= 95 %", right >= RIGHT)
    for who in (AnsweredParty.HUMAN, AnsweredParty.MACHINE):
        if total[who]:
            taken = found[who, screen]
            yield Gate(
                "calls", f"screening_{how}_{who.value}s_taken_for_screens", _share(taken, total[who]), "<= 1 %",
                taken / total[who] <= TAKEN,
            )  # fmt: skip


def _share(some: int, total: int) -> str:
    return f"{100 * some / total:.1f} % of {total}"
