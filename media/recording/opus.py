"""Recordings as Opus in Ogg (RFC 7845), a tenth of the size of WAV. Needs PyAV; only the recorder imports it."""

import contextlib
import io

import av
from av.error import FFmpegError

from media.g711 import RATE, to_linear

BITRATE = 32_000
"""Bits per second for both sides together: telephone speech is transparent at 12 to 16 kbit/s a side."""
PAGE = "1000000"
"""Microseconds of sound per Ogg page: at most so much is lost by a kill."""


class OpusFile:
    """An Ogg file that grows by whole pages, so that it can be played at any moment. `append` may raise OSError."""

    def __init__(self, file: int) -> None:
        self.length = 0
        """Bytes of mu-law sound that were added."""
        self._file = io.FileIO(file, "w")
        self._ogg = av.open(self._file, "w", format="ogg", options={"page_duration": PAGE})
        self._stream = self._ogg.add_stream("libopus", rate=RATE, layout="stereo", options={"application": "voip"})
        self._stream.bit_rate = BITRATE

    def append(self, sound: bytes) -> None:
        """Add stereo mu-law sound."""
        linear = to_linear(sound)
        frame = av.AudioFrame(format="s16", layout="stereo", samples=len(linear) // 4)
        frame.planes[0].update(linear)
        frame.sample_rate, frame.pts = RATE, self.length // 2
        try:
            self._ogg.mux(self._stream.encode(frame))
        except FFmpegError as error:
            raise OSError(error.errno, error.strerror) from error
        self.length += len(sound)

    def close(self) -> None:
        """Write the sound that is still in the encoder, and release the file."""
        with contextlib.suppress(OSError, FFmpegError):  # after a full disk it is no OSError
            self._ogg.mux(self._stream.encode(None))
        with contextlib.suppress(OSError, FFmpegError):
            self._ogg.close()
        with contextlib.suppress(OSError):
            self._file.close()
