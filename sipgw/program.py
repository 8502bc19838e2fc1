"""The command of this program on this machine. `make run` puts nothing on the PATH."""

import contextlib
import shutil
import sys
from pathlib import Path


def command() -> str:
    """The command that a reader of our output can type here."""
    beside = Path(sys.executable).with_name("sipgw")
    if shutil.which("sipgw") or not beside.exists():
        return "sipgw"
    with contextlib.suppress(ValueError):
        return str(beside.relative_to(Path.cwd()))
    return str(beside)
