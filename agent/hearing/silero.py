"""Voice activity: Silero VAD (ONNX) at its native 8 kHz."""

from typing import Any

import numpy as np
import onnxruntime

from agent.hearing.model_files import SILERO, verified

WINDOW = 256
"""Samples that are judged at a time (32 ms)."""
CONTEXT = 32


class Silero:
    """The model, loaded once per process."""

    window = WINDOW

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        path = str(verified(SILERO))
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._rate = np.array(8000, np.int64)

    def judge(self, state: "SileroState", window: "np.ndarray[Any, Any]") -> float:
        """The probability that `window` (256 float samples) is speech; `state` moves on."""
        sound = np.concatenate([state.context, window])[np.newaxis]
        given = {"input": sound, "state": state.memory, "sr": self._rate}
        probability, state.memory = self._session.run(None, given)
        state.context = window[-CONTEXT:]
        return float(probability[0, 0])

    def judge_linear(self, state: "SileroState", window: bytes) -> float:
        """The same of 256 samples in 16-bit linear."""
        return self.judge(state, np.frombuffer(window, "<i2").astype(np.float32) / 32768)

    def fresh(self) -> "SileroState":
        """The state in front of a sound."""
        return SileroState()


class SileroState:
    """State of the model for one stream."""

    def __init__(self) -> None:
        self.memory = np.zeros((2, 1, 128), np.float32)
        self.context = np.zeros(CONTEXT, np.float32)
