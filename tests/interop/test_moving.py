"""An address that really goes, and another that comes, in network namespaces of the test's own."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.interop.moving import NEW, OLD
from tests.waiting import HANG

pytestmark = pytest.mark.programs("unshare", "iproute2")


def spaces() -> bool:
    """Whether this machine lets us make namespaces and pairs of interfaces."""
    command = ["unshare", "-n", "ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1"]
    return subprocess.run(command, capture_output=True, timeout=HANG, check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_registration_and_call_follow_an_address_that_changes(transport: str) -> None:
    if not spaces():
        pytest.skip("no rights for network namespaces")
    command = ["unshare", "-n", sys.executable, "-m", "tests.interop.moving", transport]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=HANG, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    told: list[tuple[str, Any]] = [tuple(json.loads(line)) for line in ran.stdout.splitlines() if line[:2] == '["']
    registered = [seen for what, seen in told if what == "registered"]
    assert registered[0] == [[OLD, OLD]]
    assert [[NEW, NEW]] in registered, "the flow has taken the place of the old one"
    assert [seen for what, seen in told if what == "up"] == [OLD]
    assert [seen for what, seen in told if what == "offered"] == [[NEW, NEW]]
    assert [seen for what, seen in told if what == "ended"] == ["BYE"]
