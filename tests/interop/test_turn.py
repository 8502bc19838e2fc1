"""A browser that reaches nobody but a TURN server calls through that: coturn, and Chromium that uses nothing else."""

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.chromium import address, browsing, microphone, needed
from tests.interop.served import free_port, served
from tests.interop.test_story import until_loud

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
    program, host, port = shutil.which("turnserver"), own_address(), free_port()
    if not program:
        pytest.skip("coturn is not installed: apt-get install coturn")
    command = [program, "-n", "-L", host, "-p", str(port), "--use-auth-secret", f"--static-auth-secret={SECRET}",
               "--realm=test", "--no-cli", "--no-tls", "--no-dtls", f"--pidfile={folder / 'turn.pid'}",
               f"--log-file={folder / 'turn.log'}", "--simple-log"]  # fmt: skip
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"turn:{host}:{port}"
    finally:
        process.kill()
        process.wait()


def test_a_call_through_a_turn_server(tmp_path: Path) -> None:
    from playwright.sync_api import expect

    needed()
    with coturn(tmp_path) as server:
        more = f'[browser]\nturn = ["{server}"]\nturn_secret = "${{TURN_SECRET}}"'
        with (
            served(tmp_path, more, variables={"TURN_SECRET": SECRET}) as gateway,
            browsing(microphone(tmp_path, 60.0)) as context,
        ):
            context.add_init_script(RELAYED)
            page = context.new_page()
            page.goto(f"{address(gateway)}/phone")
            page.get_by_role("button", name="Call", exact=True).click()
            expect(page.locator("[data-state]")).to_contain_text("Talking", timeout=20_000)
            until_loud(page, "[data-heard]")
            assert page.evaluate(WAY) == "relay"
            page.get_by_role("button", name="Hang up").click()
            (record,) = gateway.calls(1)
    assert record["ending"] == "caller_hung_up"
