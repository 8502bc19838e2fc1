"""Voice activity: Silero VAD (ONNX) at its native 8 kHz."""

from typing import Any

import numpy as np
import onnxruntime

from agent.hearing.model_files import SILERO, verified

WINDOW = 256
"""Samples that are judged at a time (32 ms)."""
CONTEXT = 32


class Silero:
    """The model, loaded once per process; it judges one window at a time, so it is for one thread."""

    window = WINDOW

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        path = str(verified(SILERO))
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._sound, self._probability = np.zeros((1, CONTEXT + WINDOW), np.float32), np.zeros((1, 1), np.float32)
        self._rate, self._before, self._after = np.array(8000, np.int64), self.fresh().memory, self.fresh().memory
        self._bound = self._session.io_binding()  # `run` checks and copies all of this: a fifth of a judgement
        for name, array in ("input", self._sound), ("state", self._before), ("sr", self._rate):
            self._bound.bind_input(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        for name, array in ("output", self._probability), ("stateN", self._after):
            self._bound.bind_output(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)

    def judge(self, state: "SileroState", window: "np.ndarray[Any, Any]") -> float:
        """The probability that `window` (256 float samples) is speech; `state` moves on."""
        self._sound[0, :CONTEXT], self._sound[0, CONTEXT:] = state.context, window
        self._before[:] = state.memory
        self._session.run_with_iobinding(self._bound)
        state.memory[:], state.context = self._after, window[-CONTEXT:]
        return float(self._probability[0, 0])

    def judge_linear(self, state: "SileroState", window: bytes) -> float:
        """Like `judge`, for 256 samples of 16-bit linear sound."""
        return self.judge(state, np.frombuffer(window, "<i2").astype(np.float32) / 32768)

    def fresh(self) -> "SileroState":
        """The state of the model before the first window of a sound."""
        return SileroState()


class SileroState:
    """State of the model for one stream."""

    def __init__(self) -> None:
        self.memory = np.zeros((2, 1, 128), np.float32)
        self.context = np.zeros(CONTEXT, np.float32)
