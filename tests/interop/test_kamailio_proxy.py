"""Kamailio as registrar and record-routing proxy with digest: we register, SIPp calls us through it, we call SIPp."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from sipgw.calls.request import OriginateRequest
from sipgw.config.config import GatewayConfig
from sipgw.config.gate import GateOptions
from sipgw.sip.endpoint import CallFailed
from tests.cloud import Cloud, cloud
from tests.interop.test_sipp_uas import listening
from tests.ports import free_ports
from tests.recipes import OFFER, written
from tests.waiting import HANG, SIPP_LIMIT

pytestmark = pytest.mark.programs("kamailio")

HERE = Path(__file__).parent
DOMAIN = "sip.acme.example"
PASSWORD = "kamailio-password"


class Proxy:
    """Kamailio, which may be killed and run again; then it has forgotten who was registered."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.port = port or free_ports()
        self.phone = free_ports()
        """Where user 200 is."""
        self.desks = free_ports()
        """Where the users 201 to 299 are."""
        self.log = folder / "kamailio.log"
        text = (HERE / "kamailio_proxy.cfg").read_text()
        words = {"PORT": self.port, "DOMAIN": DOMAIN, "PASSWORD": PASSWORD, "PHONE": self.phone, "DESKS": self.desks}
        for word, value in words.items():
            text = text.replace(word, str(value))
        self._config, self._run = folder / "kamailio.cfg", folder / "run"
        self._config.write_text(text)
        self._run.mkdir()
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Run it, and wait until it listens."""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                "kamailio", "-DD", "-E", "-f", self._config, "-Y", self._run, "-w", self._run, "-m", "16", "-M", "4",
                stdout=asyncio.subprocess.DEVNULL, stderr=log, start_new_session=True,
                env=os.environ | {"PATH": "/usr/sbin:/usr/bin:/bin"},
            )  # fmt: skip
        async with asyncio.timeout(HANG):
            await listening(self.port, "udp")

    async def stop(self, how: int = signal.SIGTERM) -> None:
        """End all its processes; with SIGKILL as a loss of power does."""
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, how)
            await self._process.wait()


@contextlib.asynccontextmanager
async def kamailio(folder: Path, port: int = 0) -> AsyncIterator[Proxy]:
    proxy = Proxy(folder, port)
    try:
        await proxy.start()
        yield proxy
    finally:
        await proxy.stop()


@contextlib.asynccontextmanager
async def behind(folder: Path, proxy: Proxy, transport: str = "udp", password: str = PASSWORD) -> AsyncIterator[Cloud]:
    """A gateway by the recipe, registered or at least trying."""
    variables = {"SIP_DOMAIN": DOMAIN, "SIP_PROXY": f"127.0.0.1:{proxy.port}", "PBX_USER": "agent"}
    recipe = written(folder, "kamailio", variables | {"PBX_PASSWORD": password}, everything=False)
    (trunk,) = recipe.trunks
    through = f"sip:127.0.0.1:{proxy.port};transport={transport}"

    def change(config: GatewayConfig) -> GatewayConfig:
        trunks = (replace(trunk, outbound_proxy=through, caller_id="agent"),)
        return replace(config, trunks=trunks, gate=GateOptions(extensions=("2??", "nobody")))

    async with cloud(folder, [], [], change=change) as world:
        yield world


async def state(world: Cloud, wanted: str) -> str:
    """The reason, once the registration has this state."""
    async with asyncio.timeout(HANG):
        while (status := world.gateway.status()[0]).registration != wanted:
            await asyncio.sleep(0.02)
    return status.registration_reason


async def sipp(folder: Path, *arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        "sipp", *arguments, "-i", "127.0.0.1", "-nostdin", "-timeout", SIPP_LIMIT, "-timeout_error", "-trace_err",
        cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    printed, _ = await process.communicate()
    errors = "".join(path.read_text() for path in folder.glob("*errors.log"))
    assert process.returncode == 0, printed.decode()[-2000:] + errors[-3000:]


@pytest.mark.programs("sipp")
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_sipp_calls_through_kamailio(tmp_path: Path, transport: str) -> None:
    async def scenario() -> None:
        async with kamailio(tmp_path) as proxy, behind(tmp_path, proxy, transport) as world:
            assert await state(world, "registered") == "registered for 120 s", "what the recipe asks for"
            (tmp_path / "domain.csv").write_text(f"SEQUENTIAL\n{DOMAIN}\n")
            options = ["-sf", str(HERE / "sipp" / "through_proxy.xml"), "-inf", "domain.csv", "-s", "agent", "-m", "5"]
            await sipp(tmp_path, f"127.0.0.1:{proxy.port}", *options, "-r", "5", "-auth_uri", f"agent@{DOMAIN}")
            async with asyncio.timeout(HANG):
                while len(records := await world.gateway.store.calls()) < 5:
                    await asyncio.sleep(0.05)
            assert {(record["trunk"], record["ending"]) for record in records} == {("kamailio", "caller_hung_up")}

    asyncio.run(scenario())


@pytest.mark.programs("sipp")
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_we_call_through_kamailio(tmp_path: Path, transport: str) -> None:
    """It challenges our INVITE by 407, record-routes, and our ACK and BYE go the same way."""

    async def scenario() -> None:
        async with kamailio(tmp_path) as proxy, behind(tmp_path, proxy, transport) as world:
            await state(world, "registered")
            async with asyncio.TaskGroup() as group:
                group.create_task(sipp(tmp_path, "-sn", "uas", "-p", str(proxy.phone), "-m", "1"))
                await asyncio.wait_for(listening(proxy.phone, "udp"), HANG)
                async with world.gateway.originator.originate(
                    OriginateRequest("200"), lambda attempt: (OFFER,)
                ) as made:
                    assert made.answer is not None
                    assert made.trunk == "kamailio"
                    made.leg.hangup()
            with pytest.raises(CallFailed, match="404"):
                async with world.gateway.originator.originate(OriginateRequest("nobody"), lambda attempt: (OFFER,)):
                    pass
            async with asyncio.timeout(HANG):
                while world.gateway.status()[0].health != "up":
                    await asyncio.sleep(0.05)

    asyncio.run(scenario())


def test_a_wrong_password_is_visible(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with kamailio(tmp_path) as proxy, behind(tmp_path, proxy, password="another password") as world:
            reason = await state(world, "failed")
            assert "wrong user or password" in reason
            assert "another" not in reason

    asyncio.run(scenario())
