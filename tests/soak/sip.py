"""Two long calls with session timers, for real.

Two calls to a gateway on the loopback, with sound both ways and a session timer of 90 s: PJSIP refreshes its own, the
gateway that of SIPp. Both must stay up to the end, with every refresh answered 200.
"""

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from sipgw.config.config import GatewayConfig
from sipgw.config.log import LogOptions
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.telemetry import log
from sipgw.tools.load.host import ParrotGateway
from sipgw.tools.trial import EMBEDDED, trial
from tests.interop.test_calls import SCENARIOS, speech, wav

INTERVAL = 90
SAID = speech(3.0, "ask_order.wav", 9.0)


@contextlib.asynccontextmanager
async def gateway(folder: Path, seconds: float) -> AsyncIterator[ParrotGateway]:
    """A gateway whose agent answers whatever it hears, for as long as it takes."""
    config = trial(GatewayConfig(agent=replace(EMBEDDED, greeting="Hello.")), folder)
    sip = EndpointOptions("127.0.0.1", 0, session_expires=INTERVAL)
    async with ParrotGateway(replace(config, sip=sip, turns=replace(config.turns, max_duration=2 * seconds))) as one:
        yield one


async def run(folder: Path, *command: str) -> tuple[int, list[str]]:
    """Exit status and output of a program."""
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, cwd=folder)
    printed, _ = await process.communicate()
    return process.returncode or 0, printed.decode(errors="replace").splitlines()


async def pjsip(folder: Path, port: int, seconds: float) -> list[str]:
    """A call that the phone refreshes; what was wrong with it."""
    phone = [
        str(Path(__file__).parent.parent / "interop" / "pjsua_lasting.py"),
        f"sip:agent@127.0.0.1:{port}",
        str(seconds),
    ]
    status, printed = await run(folder, sys.executable, *phone, str(wav(folder / "said.wav", SAID)))
    refreshes = [line for line in printed if line.startswith("refreshed")]
    heard = [line.split() for line in printed if line.startswith("sound")]
    print("PJSIP:", len(refreshes), "refreshes,", *printed[-2:])
    found = [line for line in refreshes if line != "refreshed by us 200"]
    if status or len(refreshes) < int(seconds / (INTERVAL / 2)) - 1:
        found.append(f"status {status}, {len(refreshes)} refreshes")
    if not heard or int(heard[0][1]) < 49 * seconds or int(heard[0][3]):
        found.append(f"sound: {heard}")
    return found


async def sipp(folder: Path, port: int, seconds: float) -> list[str]:
    """A call that the gateway refreshes; what was wrong with it."""
    (folder / "said.ulaw").write_bytes(SAID)
    refreshes = str(int(seconds / (INTERVAL / 2)))
    scenario = ["-sf", str(SCENARIOS / "lasting.xml"), "-key", "refreshes", refreshes, "-m", "1", "-nostdin"]
    status, printed = await run(folder, "sipp", f"127.0.0.1:{port}", "-i", "127.0.0.1", *scenario)
    print("SIPp:", refreshes, "refreshes, status", status)
    return [f"SIPp ended with {status}", *printed[-20:]] if status else []


def unlike(record: dict[str, Any], seconds: float) -> list[str]:
    """What is wrong with the gateway's record of a call."""
    print("gateway:", record["ending"], record["cause"], len(record["turns"]), "turns", record["media"]["mos"])
    good = record["ending"] == "caller_hung_up" and len(record["turns"]) > seconds / 20 and not record["media"]["lost"]
    return [] if good else ["the record of the call"]


async def sip(minutes: float) -> int:
    """Hold both calls; returns the number of faults."""
    log.configure(LogOptions(level="error"))
    seconds = minutes * 60
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with gateway(folder, seconds) as one:
            port = one.endpoint.port
            async with asyncio.TaskGroup() as group:
                calls = [group.create_task(call(folder, port, seconds)) for call in (pjsip, sipp)]
            async with asyncio.timeout(20):
                while len(records := await one.store.calls()) < len(calls):
                    await asyncio.sleep(0.2)
    found = [fault for call in calls for fault in call.result()]
    found += [fault for record in records for fault in unlike(record, seconds)]
    print("faults:", *(found or ["none"]), sep="\n  ")
    return len(found)
