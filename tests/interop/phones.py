"""Linphone and baresip from Debian as phones with an account, run headless."""

import asyncio
import contextlib
import wave
from collections.abc import AsyncIterator
from pathlib import Path

from tests.interop.baresip import CONFIG as BARESIP
from tests.waiting import HANG

LINPHONE = """\
[sip]
sip_port=-1
sip_tcp_port=-1
sip_tls_port=0
default_proxy=0
guess_hostname=1
[sound]
capture_dev_id=NULL
[proxy_0]
reg_proxy=<sip:127.0.0.1:{port};transport={transport}>
reg_identity=sip:{user}@127.0.0.1:{port}
reg_expires=120
reg_sendregister=1
publish=0
dial_escape_plus=0
[auth_info_0]
username={user}
passwd={password}
realm=sipgw
"""


class Program:
    """A running phone: what it prints, and its keyboard."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.printed = ""

    def type(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(line.encode() + b"\n")

    async def read(self) -> None:
        assert self.process.stdout
        while data := await self.process.stdout.read(4096):
            self.printed += data.decode("utf-8", "replace")

    async def says(self, text: str, seconds: float = HANG) -> None:
        try:
            async with asyncio.timeout(seconds):
                while text not in self.printed:
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{text!r} was not printed:\n{self.printed[-3000:]}") from None


@contextlib.asynccontextmanager
async def running(*command: str, folder: Path) -> AsyncIterator[Program]:
    """Run a program until the block ends; it has its home in `folder`."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={"HOME": str(folder), "PATH": "/usr/bin:/usr/sbin:/bin"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    program = Program(process)
    async with asyncio.TaskGroup() as group:
        group.create_task(program.read())
        try:
            yield program
        except BaseException as failure:
            failure.add_note(f"{command[0]} printed:\n{program.printed[-3000:]}")
            raise
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


@contextlib.asynccontextmanager
async def linphone(folder: Path, port: int, user: str, password: str, transport: str = "udp") -> AsyncIterator[Program]:
    """linphonec with an account on the gateway at `port`."""
    (folder / ".local" / "share" / "linphone").mkdir(parents=True)  # it does not start without
    config = folder / "linphonerc"
    config.write_text(LINPHONE.format(port=port, user=user, password=password, transport=transport))
    async with running("linphonec", "-c", str(config), folder=folder) as program:
        yield program


@contextlib.asynccontextmanager
async def baresip(
    folder: Path,
    port: int,
    user: str,
    password: str,
    *,
    answers: bool = False,
    transport: str = "udp",
    says: bytes = bytes(320_000),
) -> AsyncIterator[Program]:
    """baresip with an account on the gateway at `port`; it `says` 16-bit linear sound, and keeps what it hears."""
    folder.mkdir(exist_ok=True)
    with wave.open(str(folder / "quiet.wav"), "wb") as quiet:
        quiet.setparams((1, 2, 8000, 0, "NONE", ""))
        quiet.writeframes(says)
    (folder / "config").write_text(
        BARESIP.format(source=folder / "quiet.wav", player=folder / "unused.wav", recordings=folder, port=0)
    )
    mode = ";answermode=auto" if answers else ""
    (folder / "accounts").write_text(
        f"<sip:{user}@127.0.0.1:{port};transport={transport}>;auth_user={user};auth_pass={password};regint=60{mode}\n"
    )
    (folder / "contacts").write_text("")
    async with running("baresip", "-f", str(folder), "-4", "-v", folder=folder) as program:
        yield program
