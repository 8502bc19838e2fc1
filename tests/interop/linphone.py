"""linphonec, the console build of Linphone from Debian: it plays one WAV file and records what it hears."""

import subprocess
import time
import wave
from collections.abc import Callable
from pathlib import Path

from tests.waiting import HANG

CONFIG = """\
[sip]
sip_port=-1
sip_tcp_port=0
sip_tls_port={tls_port}
use_ipv6=0
{authority}
[rtp]
audio_rtp_port={rtp}
[video]
automatically_initiate=0
"""


class Linphone:
    """One call from a linphonec process with a home of its own: without one it opens no port at all."""

    def __init__(
        self, folder: Path, speech: Path, target: str, rtp_port: int, ca: Path | None = None, sip: str = ""
    ) -> None:
        self.folder = folder
        for needed in (".local/share/linphone", ".config/linphone"):
            (folder / needed).mkdir(parents=True, exist_ok=True)
        authority = f"root_ca={ca}\nverify_server_certs=1\nverify_server_cn=1" if ca else ""
        authority += sip
        config = CONFIG.format(rtp=rtp_port, tls_port=-1 if ca else 0, authority=authority)
        (folder / "linphonerc").write_text(config)
        self._speech = speech
        self._target = target
        self._recording = folder / "heard.wav"

    def call(self, seconds: float, heard: Callable[[], bool] = lambda: False) -> str:
        """Dial the target, hang up after `seconds` or once it is `heard`; returns everything that linphonec printed."""
        command = ["linphonec", "-c", str(self.folder / "linphonerc")]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={"HOME": str(self.folder), "PATH": "/usr/bin:/bin"},
        )
        assert process.stdin
        lines = ("ipv6 disable", "soundcard use files", f"record {self._recording}", f"call {self._target}")
        try:
            for line in (*lines, f"play {self._speech}"):
                self._wait(process, 1.0)
                print(line, file=process.stdin, flush=True)
            until = time.monotonic() + seconds
            while time.monotonic() < until and not heard():
                self._wait(process, 0.2)
            print("terminate", file=process.stdin, flush=True)
            self._wait(process, 1.0)
            return process.communicate("quit\n", timeout=HANG)[0]
        finally:
            process.kill()

    @staticmethod
    def _wait(process: "subprocess.Popen[str]", seconds: float) -> None:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            return
        raise AssertionError(f"linphonec ended: {process.stdout.read() if process.stdout else ''}")

    def heard(self) -> bytes:
        """16-bit linear samples at 8 kHz of everything that came from the far end."""
        with wave.open(str(self._recording)) as audio:
            assert (audio.getframerate(), audio.getnchannels(), audio.getsampwidth()) == (8000, 1, 2)
            return audio.readframes(audio.getnframes())
