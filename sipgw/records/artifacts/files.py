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
"""Reads and writes them; at the end of a drain that is each call's at once."""


def file_name(call: str) -> str:
    """A name for the files of a call whatever the other side chose as Call-ID: two calls never share one."""
    readable = re.sub(r"[^A-Za-z0-9@+_-]+", "_", call)[:80]
    return f"{readable}-{hashlib.sha256(call.encode('utf-8', 'replace')).hexdigest()[:12]}"


def absolute(folder: str | Path) -> Path:
    """A folder whatever the working directory is later: rows of artifacts name whole paths."""
    return Path(folder).absolute()
