"""Names of the files that belong to calls."""

import hashlib
import re
from pathlib import Path

from agent.pool import Pool

ENDING = ".json.gz"
"""Of the timeline of a call."""
PACKETS = ".pcap"
"""Of its capture file."""
BUNDLE = ".call.zip"
"""Of its bundle: see `sipgw.tools.replay`."""
KEEPING = Pool("the files of calls", workers=4, waiting=1024)
"""The pool of threads for these files; at the end of a drain it has the files of all calls at once."""


def file_name(call: str) -> str:
    """A file name for a call, for any Call-ID of the other side: two calls never share one."""
    readable = re.sub(r"[^A-Za-z0-9@+_-]+", "_", call)[:80]
    return f"{readable}-{hashlib.sha256(call.encode('utf-8', 'replace')).hexdigest()[:12]}"


def absolute(folder: str | Path) -> Path:
    """The absolute path of a folder, because rows of artifacts have absolute paths."""
    return Path(folder).absolute()
