"""A model that hears whether the caller's turn is complete: an ONNX file of the shape of Smart Turn v3
(github.com/pipecat-ai/smart-turn). It takes the log-mel spectrogram of 8 s of sound and gives one probability.
"""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import structlog

from agent.line import SAMPLE_RATE
from agent.pool import Pool, PoolFullError
from agent.turn_taking.endpointing import TurnModel
from agent.ulaw import audioop

SECONDS = 8
KEPT = SECONDS * SAMPLE_RATE
LIMIT = 0.6
"""Seconds after which an answer is of no use: the silence alone has decided by then."""
JUDGES = Pool("the model of turns", workers=2, waiting=8)

log = structlog.get_logger()


class SmartTurn:
    """The model of a file, loaded once per process."""

    def __init__(self, path: str) -> None:
        import onnxruntime

        from agent.log_mel import LogMel

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._log_mel = LogMel()

    def complete(self, ulaw: bytes) -> float:
        """See `TurnModel.complete`."""
        import numpy as np

        from agent.log_mel import HOP, RATE, WINDOW

        linear, _ = audioop.ratecv(audioop.ulaw2lin(ulaw[-KEPT:], 2), 2, 1, SAMPLE_RATE, RATE, None)
        heard = np.frombuffer(linear, "<i2").astype(np.float32)[-SECONDS * RATE :] / 32768
        sound = np.zeros(SECONDS * RATE, np.float32)  # what is missing is silence before it
        sound[len(sound) - len(heard) :] = heard
        sound = (sound - sound.mean()) / np.sqrt(sound.var() + 1e-7)
        padded = np.pad(sound, WINDOW // 2, mode="reflect").astype(np.float32)
        features = self._log_mel.features(padded, SECONDS * RATE // HOP)
        (found, *_) = self._session.run(None, {"input_features": features[np.newaxis]})
        return min(1.0, max(0.0, float(found.reshape(-1)[0])))


def located(model: str) -> Path:
    """The file of a model: a path, or ``package:path`` for a file of an installed package.

    Raises `FileNotFoundError`.
    """
    package, colon, inside = model.partition(":")
    path = Path(model)
    if colon and not path.exists():
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            raise FileNotFoundError(f"the package {package} is not installed")
        path = Path(spec.origin).parent / inside
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    return path


@functools.cache
def loaded(model: str) -> TurnModel:
    """The model of that name (see `located`). Raises `ValueError`."""
    try:
        return SmartTurn(str(located(model)))
    except ImportError as error:
        raise ValueError(f'{error}: it needs pip install "sipgw[local]"') from None
    except Exception as error:  # the boundary to a file of the owner's: onnxruntime has errors of its own
        raise ValueError(f"{model!r}: {error}") from error


class TurnJudge:
    """Asks the model about the latest sound of one caller, in a thread."""

    def __init__(
        self, model: str, spawn: Callable[[Coroutine[Any, Any, None]], Any], told: Callable[[float, float], None]
    ) -> None:
        """`told` is called with the probability, 0 to 1, that the turn is complete, and the time since which the caller
        was silent. Without a `model` nothing is asked."""
        self._model = model
        self._spawn = spawn
        self._told = told
        self._sound = bytearray()

    def hear(self, ulaw: bytes) -> None:
        """Take the caller's sound."""
        if self._model:
            self._sound += ulaw
            del self._sound[:-KEPT]

    def ask(self, silent_since: float) -> None:
        """Ask whether the turn in the sound so far is complete; the caller is silent since `silent_since`."""
        if self._model:
            self._spawn(self._judge(bytes(self._sound), silent_since))

    async def _judge(self, sound: bytes, silent_since: float) -> None:
        try:
            async with asyncio.timeout(LIMIT):
                probability = await JUDGES.run(lambda: loaded(self._model).complete(sound))
        except (TimeoutError, PoolFullError) as error:
            log.debug("no vote of the model of turns", cause=type(error).__name__)
        except Exception:  # the boundary to a file of the owner's: turns end without it
            log.exception("the model of turns cannot be used", model=self._model)
            self._model = ""
        else:
            self._told(probability, silent_since)
