"""The child process for documents. With a folder as its argument it reads documents, without one it makes vectors. Here
the parsers of strangers' files have limits, and a long computation delays no call.

Each line of input is JSON, and is answered by a line of JSON. Name and digest of a file, and its seconds of processor
time, give ``{"chunks": [[heading, text], …]}``. A list of texts gives ``{"vectors": BASE64}``, float32 in rows. A
failure gives ``{"problem": …}``.
"""

import base64
import hashlib
import json
import resource
import sys
from math import ceil
from pathlib import Path
from typing import Any

from sipgw.agents.knowledge.documents import DocumentError, chunks_of
from sipgw.agents.knowledge.files import content_of

MEMORY = 1 << 30
"""Bytes of address space for reading."""


def _answer(folder: str, asked: Any) -> dict[str, Any]:
    if folder:
        name, digest, seconds = asked
        used = resource.getrusage(resource.RUSAGE_SELF)
        # Its signal ends this process, also within a regular expression.
        resource.setrlimit(resource.RLIMIT_CPU, (ceil(used.ru_utime + used.ru_stime) + seconds, resource.RLIM_INFINITY))
        content = content_of(Path(folder), name)
        if hashlib.sha256(content).hexdigest() != digest:
            raise DocumentError("it has just changed: the next reload reads it")
        return {"chunks": chunks_of(name, content)}
    from agent.providers.local.brain.intents import load_encoder

    return {"vectors": base64.b64encode(load_encoder()(asked).astype("<f4").tobytes()).decode()}


def main() -> None:
    """Answer until the input ends."""
    folder = "".join(sys.argv[1:])
    if folder:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in sys.stdin:
        try:
            told = _answer(folder, json.loads(line))
        except DocumentError as error:
            told = {"problem": str(error)}
        except MemoryError:
            told = {"problem": "reading it takes too much memory"}
        except Exception as error:  # noqa: BLE001  a parser of others raises what it likes at what strangers wrote
            told = {"problem": f"it cannot be read ({type(error).__name__}: {str(error)[:200]})"}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
