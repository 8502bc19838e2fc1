"""As in the container of docker/Dockerfile: only the folder of the gateway can be written, nothing may be gained."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from sipgw.sip.uri import Uri
from tests.interop.served import served
from tests.interop.test_cluster import more_sound, quiet
from tests.phone import calling
from tests.programs import path

pytestmark = pytest.mark.programs("unshare")

ROOT = Path(__file__).parents[2]
WITHIN = """
set -e
mount --make-rprivate /
mount --bind "$1" "$1"
mount --bind "$2" "$2"
mount -o remount,bind,ro "$2"
mount -o remount,bind,ro /
mount -o remount,bind,rw "$1"
cd "$1"
! touch "$2/written" /usr/written 2>/dev/null
mkdir tmp
export TMPDIR="$1/tmp" HOME="$1" PYTHONPATH="$2" PYTHONDONTWRITEBYTECODE=1
shift 2
exec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
"""
"""A mount namespace in which all but the first folder is read-only, and a process without capabilities."""


def possible() -> bool:
    """Whether this machine lets us have a mount namespace."""
    if not path("unshare"):
        return False
    return subprocess.run(["unshare", "--mount", "mount", "--make-rprivate", "/"], capture_output=True).returncode == 0


@pytest.mark.skipif(not possible(), reason="a mount namespace needs root")
def test_a_gateway_writes_to_its_folder_only_and_needs_no_capability(tmp_path: Path) -> None:
    async def scenario(port: int) -> None:
        async with calling(Uri("sip", "agent", "127.0.0.1", port), quiet) as phone:
            await more_sound(phone)

    recorded = f'[recording]\nfolder = "{tmp_path}/recordings"\n'
    inside = ("unshare", "--mount", "sh", "-c", WITHIN, "sh", str(tmp_path), str(ROOT))
    with served(tmp_path, recorded, inside=inside) as gateway:
        asyncio.run(scenario(gateway.port))
        assert gateway.calls(1)[0]["ending"] == "caller_hung_up"
        status = Path(f"/proc/{gateway.process.pid}/status").read_text()
        assert "CapEff:\t0000000000000000\n" in status and "NoNewPrivs:\t1\n" in status
        assert not [line for line in gateway.log if "Read-only file system" in line or "Permission denied" in line]
    assert list((tmp_path / "recordings").glob("*.wav"))
