"""The first commands of the README, letter by letter, from a fresh clone to a gateway that answers.

`make run` installs nothing here: the environment is that of these tests. `.ci/run` installs it in a fresh clone.
"""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from threading import Timer

import pytest

from agent.providers.local import models
from tests.interop.spaces import need_rights
from tests.waiting import HANG

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
FETCHED = "https://github.com/sipgw/sipgw"
pytestmark = [pytest.mark.slow, pytest.mark.programs("unshare", "iproute2")]


def test_the_first_commands_lead_to_a_gateway_that_says_how_to_call_it(
    tmp_path: Path,
) -> None:
    """In a network of its own, because the ports are the usual ones."""
    need_rights()
    if not (ROOT / ".git").exists() or models.missing():
        pytest.skip("no checkout of git, or no embedded models")
    block = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)[0]
    clone, run = (line.partition("#")[0].strip() for line in block.splitlines())
    assert FETCHED in clone and run == "make run"
    told = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "COLUMNS": "200", "GIT_CONFIG_COUNT": "2"}
    told |= {"GIT_CONFIG_KEY_0": f"url.{ROOT}.insteadOf", "GIT_CONFIG_VALUE_0": FETCHED}
    told |= {"GIT_CONFIG_KEY_1": "safe.directory", "GIT_CONFIG_VALUE_1": "*"}
    installed = f"mkdir .venv && ln -s {Path(sys.prefix) / 'bin'} .venv/bin && touch .venv/.installed"
    script = f"set -e; ip link set lo up; {clone}; {installed}; exec {run}"
    shown = ""
    with subprocess.Popen(
        ["unshare", "--net", "bash", "-c", script], cwd=tmp_path, env=told, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        hung = Timer(HANG, os.killpg, (process.pid, signal.SIGKILL))
        hung.start()
        try:
            for line in process.stdout or ():
                shown += line
                if "stop with Ctrl-C" in line:
                    os.killpg(process.pid, signal.SIGINT)
        finally:
            hung.cancel()
    assert re.search(r"sip:agent@127\.0\.0\.1$", shown, re.MULTILINE), shown
    assert re.search(r"http://127\.0\.0\.1:8080/phone$", shown, re.MULTILINE), shown
    assert "\nstopping ..." in shown, shown
    assert "rror" not in shown, shown
