"""How many dialogues of `tests/data/forms` end with what the caller meant: by words, and spoken over G.711.

As sound the embedded voice is the caller, and the embedded recogniser hears them. A dialogue that ends without a form,
in which the recogniser wrote other words than were said, is its fault and counted apart, if the same one ends right
when all words are heard. A form with wrong values is never.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any
from unittest.mock import patch

import numpy as np

from agent.hearing.voice import Pitch
from agent.turn_taking.expect import Kind
from media.g711 import to_linear
from tests.agent.forms.dialogue import FILES, Heard, hold_dialogue
from tests.bench.gate import Gate

RIGHT = 0.9


def gates() -> Iterator[Gate]:
    """Measure; two minutes, if the embedded models are installed."""
    with patch("agent.hearing.caller.make_judge", Pitch):  # callers of scripts make tones
        by_words = [hold_dialogue(path) for path in FILES]
        yield from judged("words", by_words)
        try:
            from agent.providers.local.hibari_tts import HibariTts
            from agent.providers.local.whisper import Whisper
        except ModuleNotFoundError:
            yield Gate("calls", "forms_spoken", "not installed: pip install '.[local]'", "installed", False)
            return
        voice, model = HibariTts(1), Whisper(1)

        @cache
        def hear(said: str, kind: Any) -> str:
            sound = to_linear(b"".join(voice.speak(said)))
            return model.transcribe(np.frombuffer(sound, "<i2").astype(np.float32) / 32768, kind or Kind.OPEN).text

        yield from judged("spoken", [hold_dialogue(path, hear) for path in FILES], by_words)


def judged(how: str, held: list[Heard], by_words: list[Heard] | None = None) -> Iterator[Gate]:
    """The figures of these dialogues, and `by_words` of the same ones."""
    proven = by_words or held
    misheard = sum(
        bool(one.misheard) and not (one.right or one.wrong) and known.right
        for one, known in zip(held, proven, strict=True)
    )
    right, of = sum(one.right for one in held), len(held) - misheard
    apart = f", {right} of {len(held)} with the recogniser's errors: {misheard} were given up after them"
    share = f"{100 * right / of:.0f} % of {of}{apart if misheard else ''}" if of else f"none{apart}"
    yield Gate("calls", f"forms_{how}_right", share, ">= 90 %", of > 0 and right / of >= RIGHT)
    wrong = sum(one.wrong for one in held)
    yield Gate("calls", f"forms_{how}_confirmed_but_wrong", str(wrong), "0", not wrong)
