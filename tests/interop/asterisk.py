"""Asterisk as a process. Debian 12 and 13 have none: it is that of the coming release, in a folder of its own, which
``.ci/run`` makes."""

import contextlib
import shutil
import subprocess
import tempfile
import time
import wave
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from media.g711 import to_linear
from tests.agent.hearing.mixing import to_ulaw
from tests.ports import free_ports
from tests.scenarios.sounds import music
from tests.waiting import HANG

ROOT = Path("/opt/sipgw-asterisk")
"""A Debian with Asterisk in it; `tests.programs` says how it is made."""
MOST_SOUND = 240
"""Ports for sound."""
MODULES = (
    "res_timing_timerfd", "res_pjproject", "res_sorcery_config", "res_sorcery_memory", "res_sorcery_astdb",
    "res_pjsip", "res_pjsip_session", "res_pjsip_sdp_rtp", "res_pjsip_endpoint_identifier_ip", "res_pjsip_caller_id",
    "res_rtp_asterisk", "chan_pjsip", "pbx_config", "app_playback", "app_queue", "res_musiconhold", "format_wav",
    "codec_ulaw", "func_global", "bridge_simple", "bridge_builtin_features", "bridge_softmix", "bridge_native_rtp",
    "res_pjsip_pubsub",
)  # fmt: skip
"""What it loads: all that there is takes a minute."""

FILES = {
    "asterisk.conf": """\
[directories]
astetcdir => {here}
astrundir => {here}
astlogdir => {here}
astdbdir => {here}
astspooldir => {here}
astmoddir => /usr/lib/x86_64-linux-gnu/asterisk/modules
astvarlibdir => /var/lib/asterisk
astdatadir => /usr/share/asterisk
[options]
verbose = 3
""",
    "logger.conf": "[logfiles]\nfull => notice,warning,error,verbose\n",
    "rtp.conf": "[general]\nrtpstart = {first}\nrtpend = {last}\n",
    "indications.conf": "[general]\ncountry = us\n[us]\nring = 440+480/2000,0/4000\n",
    "musiconhold.conf": "[default]\nmode = files\ndirectory = {here}/music\n",
}
"""What every PBX has."""

MENU = {
    "pjsip.conf": """\
[udp]
type = transport
protocol = udp
bind = 127.0.0.1:{port}
[gateway]
type = endpoint
context = in
disallow = all
allow = ulaw
dtmf_mode = rfc4733
direct_media = no
[gateway]
type = identify
endpoint = gateway
match = 127.0.0.1
""",
    "extensions.conf": """\
[in]
exten => _[+0-9]X.,1,Answer()
 same => n,Goto(menu,s,1)
[menu]
exten => s,1,Wait(1)
 same => n(says),Background({here}/menu)
 same => n,WaitExten(8)
 same => n,Goto(says)
exten => 1,1,Goto(s,says)
exten => 2,1,Queue(support,,,,90)
exten => i,1,Goto(s,says)
[people]
; She takes the third call: until then the caller waits, hears music, and how important the call is.
exten => ann,1,Set(GLOBAL(tries)=$[0${GLOBAL(tries)} + 1])
 same => n,GotoIf($[${GLOBAL(tries)} >= 3]?answers)
 same => n,Wait(60)
 same => n(answers),Answer()
 same => n,Playback({here}/ann)
 same => n,Wait(60)
""",
    "queues.conf": """\
[support]
musicclass = default
strategy = ringall
timeout = 2
retry = 5
periodic-announce = {here}/important
periodic-announce-frequency = 5
announce-to-first-user = yes
member => Local/ann@people
""",
}
"""One with a menu (``WaitExten``) and a queue in it."""


class Asterisk:
    """A PBX that runs, and may be killed and run again."""

    def __init__(self, port: int, folder: Path) -> None:
        self.port = port
        self.folder = folder
        self.here = f"/{folder.relative_to(ROOT)}"
        """The folder, as it sees it itself."""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What it has logged since it was started."""
        file = self.folder / "full"
        return file.read_text(errors="replace") if file.exists() else ""

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        (self.folder / "full").unlink(missing_ok=True)
        command = ["chroot", str(ROOT), "asterisk", "-f", "-C", f"{self.here}/asterisk.conf"]
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet)
        until = time.monotonic() + HANG
        while "Asterisk Ready" not in self.log:
            assert time.monotonic() < until and self._process.poll() is None, self.log[-3000:]
            time.sleep(0.1)

    def kill(self) -> None:
        """As the kernel kills what takes too much memory; it forgets who was registered."""
        assert self._process
        self._process.kill()
        self._process.wait(HANG)
        (self.folder / "astdb.sqlite3").unlink(missing_ok=True)

    def stop(self) -> None:
        """End it in good order."""
        if self._process and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(HANG)

    def rx(self, command: str) -> str:
        """What it answers to a command of its console."""
        run = ["chroot", str(ROOT), "asterisk", "-C", f"{self.here}/asterisk.conf", "-rx", command]
        return subprocess.run(run, capture_output=True, text=True, timeout=HANG, check=False).stdout


@contextlib.contextmanager
def asterisk(
    port: int,
    says: Mapping[str, bytes],
    files: Mapping[str, str] = MENU,
    modules: Sequence[str] = MODULES,
    **values: object,
) -> Iterator[Asterisk]:
    """Run it at `port`; `says` are its recordings (mu-law), by their names.

    In its `files` ``{port}``, ``{here}``, ``{first}``, ``{last}`` and the names of `values` are filled in.
    """
    first = free_ports(MOST_SOUND)
    folder = Path(tempfile.mkdtemp(prefix="sipgw-", dir=ROOT / "tmp"))
    one = Asterisk(port, folder)
    (folder / "music").mkdir()
    values |= {"port": port, "here": one.here, "first": first, "last": first + MOST_SOUND - 1}
    loaded = {"modules.conf": "[modules]\nautoload = no\n" + "".join(f"load = {name}.so\n" for name in modules)}
    for name, text in (FILES | loaded | dict(files)).items():
        for word, value in values.items():
            text = text.replace(f"{{{word}}}", str(value))
        (folder / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    for name, sound in (says | {"music/chords": to_ulaw(music(30.0))}).items():  # type: ignore[operator]
        with wave.open(str(folder / f"{name}.wav"), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
            file.writeframes(to_linear(sound))
    try:
        one.start()
        yield one
    finally:
        one.stop()
        shutil.rmtree(folder)
