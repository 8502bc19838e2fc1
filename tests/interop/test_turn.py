"""A browser that reaches nobody but a TURN server calls through that: coturn, and Chromium that uses nothing else."""

import asyncio
import contextlib
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright import async_api as playwright

from sipgw.config.browser import BrowserOptions
from sipgw.config.web import WebOptions
from sipgw.web.server import Dashboard
from tests.calls.test_cloud_call import records
from tests.cloud import cloud
from tests.interop.chromium import PROGRAM, flags, microphone
from tests.ports import free_ports
from tests.waiting import HANG

pytestmark = pytest.mark.programs("chromium", "coturn")


SECRET = "a secret of ours and coturn's"
RELAYED = """
const Direct = RTCPeerConnection;
window.RTCPeerConnection = class extends Direct {
  constructor(how) { super({ ...how, iceTransportPolicy: "relay" }); window.made = this; }
};
"""
WAY = """async () => {
  const all = [...(await window.made.getStats()).values()];
  const pair = all.find((one) => one.type === "candidate-pair" && one.nominated);
  return all.find((one) => one.id === pair.localCandidateId).candidateType;
}"""


def own_address() -> str:
    """Ours in the network; browsers know of no loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no network")
        return str(sock.getsockname()[0])


@contextlib.contextmanager
def coturn(folder: Path) -> Iterator[str]:
    """A TURN server; yields its URI."""
    host, port = own_address(), free_ports()
    command = ["turnserver", "-n", "-L", host, "-p", str(port), "--use-auth-secret", f"--static-auth-secret={SECRET}",
               "--realm=test", "--no-cli", "--no-tls", "--no-dtls", f"--pidfile={folder / 'turn.pid'}",
               f"--log-file={folder / 'turn.log'}", "--simple-log"]  # fmt: skip
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"turn:{host}:{port}"
    finally:
        process.kill()
        process.wait()


def test_a_call_through_a_turn_server(tmp_path: Path) -> None:
    async def scenario(server: str) -> tuple[str, dict[str, Any]]:
        turn = BrowserOptions(turn=(server,), turn_secret=SECRET)
        async with (
            cloud(tmp_path, (), (), change=lambda config: replace(config, browser=turn)) as world,
            Dashboard(world.gateway, WebOptions(port=0)) as dashboard,
            playwright.async_playwright() as play,
        ):
            browser = await play.chromium.launch(
                executable_path=PROGRAM,
                args=flags(await asyncio.to_thread(microphone, tmp_path, 60.0)),  # noqa: TID251
            )
            page = await browser.new_page()
            await page.add_init_script(RELAYED)
            await page.goto(f"{dashboard.url}phone")
            await page.get_by_role("button", name="Call", exact=True).click()
            state = page.locator("[data-state]")
            await playwright.expect(state).to_contain_text("Talking", timeout=HANG * 1000)
            await page.wait_for_function("() => Number(document.querySelector('[data-heard]').dataset.most) > 0.02")
            way = await page.evaluate(WAY)
            await page.get_by_role("button", name="Hang up").click()
            (record,) = await records(world.gateway)
            await browser.close()
        return way, record

    with coturn(tmp_path) as server:
        way, record = asyncio.run(scenario(server))
    assert (way, record["ending"]) == ("relay", "caller_hung_up")
