"""baresip, an independent softphone from Debian, run headless: it plays one WAV file and records what it hears."""

import contextlib
import signal
import subprocess
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.waiting import HANG

CONFIG = """\
module_path /usr/lib/baresip/modules
module stdio.so
module g711.so
module sndfile.so
module aufile.so
module auloop.so
module_tmp account.so
module_app menu.so
audio_source aufile,{source}
audio_player aufile,{player}
audio_alert aufile,{player}
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
audio_buffer 20-160
sip_listen 127.0.0.1:{port}
jitter_buffer_delay 1-10
snd_path {recordings}
rtp_stats yes
"""


class Baresip:
    """One call from a baresip process."""

    def __init__(
        self,
        folder: Path,
        speech: Path,
        target: str,
        transport: str = "udp",
        more: str = "",
        account: str = "",
        port: int = 0,
    ) -> None:
        self.folder = folder
        config = CONFIG.format(source=speech, player=folder / "unused.wav", recordings=folder, port=port)
        (folder / "config").write_text(config + more)
        (folder / "accounts").write_text(
            f"<sip:caller@127.0.0.1;transport={transport}>;regint=0;audio_codecs=PCMU/8000/1{account}\n"
        )
        (folder / "contacts").write_text("")
        self.target = target

    def call(self, seconds: float, heard: Callable[[], bool] = lambda: False) -> str:
        """Dial the target, hang up after `seconds` or once it is `heard`; returns everything that baresip printed."""
        command = ["baresip", "-f", str(self.folder), "-4", "-e", f"d{self.target}", "-t", str(int(seconds))]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            while process.poll() is None:
                if heard():
                    process.send_signal(signal.SIGINT)
                    break
                time.sleep(0.2)
            return process.communicate(timeout=HANG)[0]
        finally:
            process.kill()

    @contextlib.contextmanager
    def waiting(self) -> Iterator["subprocess.Popen[str]"]:
        """Run and wait for calls until the block ends."""
        process = subprocess.Popen(
            ["baresip", "-f", str(self.folder), "-4"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        try:
            assert process.stdout
            seen = ""
            while "baresip is ready" not in seen:
                line = process.stdout.readline()
                assert line, seen
                seen += line
            yield process
        finally:
            process.kill()
            process.wait()

    def heard(self) -> bytes:
        """16-bit linear samples at 8 kHz of everything that came from the far end."""
        (recording,) = self.folder.glob("dump-*-dec.wav")
        with wave.open(str(recording)) as audio:
            assert (audio.getframerate(), audio.getnchannels(), audio.getsampwidth()) == (8000, 1, 2)
            return audio.readframes(audio.getnframes())
