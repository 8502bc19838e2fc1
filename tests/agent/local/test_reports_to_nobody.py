"""What comes inside packages must stay as quiet as what we write: nothing is reported, nothing is kept for it."""

import os
import subprocess
import sys
from pathlib import Path

LOADED = "from agent.hearing.silero import Silero; Silero()"


def test_the_models_keep_no_telemetry(tmp_path: Path) -> None:
    """ONNX Runtime would write a device's identity and a database of reports into the home."""
    quiet = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-c", LOADED], env=quiet | home, check=True)
    assert not list(tmp_path.rglob("*"))
