"""The log-mel spectrogram on which Whisper and similar models were trained: 80 mels, windows of 25 ms every 10 ms, 16
kHz."""

from typing import Any

import numpy as np

from agent.blas import use_one_thread

RATE = 16_000
HOP = 160
WINDOW = 400
MELS = 80


class LogMel:
    """The filters, made once."""

    def __init__(self) -> None:
        use_one_thread()
        self._filters = _mel_filters()
        self._window = np.hanning(WINDOW + 1)[:-1].astype(np.float32)

    def features(self, padded: "np.ndarray[Any, Any]", frames: int) -> "np.ndarray[Any, Any]":
        """`MELS` rows of `frames` columns; `padded` is sound with half a window more on either side."""
        windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][:frames]
        power = np.abs(np.fft.rfft(windows * self._window, axis=1)) ** 2
        mel = np.log10(np.maximum(self._filters @ power.T.astype(np.float32), 1e-10))
        mel = np.maximum(mel, mel.max() - 8.0)
        return np.ascontiguousarray((mel + 4.0) / 4.0, dtype=np.float32)


def _mel_filters() -> "np.ndarray[Any, Any]":
    """Slaney's mel filter bank, area-normalised, as Whisper's front end uses it."""

    def to_mel(hertz: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
        linear = hertz * 3 / 200
        return np.where(hertz < 1000, linear, 15 + np.log(np.maximum(hertz, 1e-9) / 1000) * 27 / np.log(6.4))

    def to_hertz(mel: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
        return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))

    edges = to_hertz(np.linspace(0, float(to_mel(np.array(RATE / 2.0))), MELS + 2))
    bins = np.linspace(0, RATE / 2, WINDOW // 2 + 1)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    filters = np.maximum(0, np.minimum(rising, falling)) * (2 / (edges[2:] - edges[:-2]))[:, None]
    return np.asarray(filters, np.float32)
