"""The packet path in C, if it was built, and the state that it shares with the Python classes of the path.

`base` is the module that those classes inherit from: Python, which is the reference, unless the process has called
`use_c` before it imported any of these classes. `media.process.start` calls `use_c`.
"""

from hashlib import sha256
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Literal

from media.fast import fallback

Wanted = bool | Literal["auto"]
"""`[media] fast`."""

base = fallback


def why_not() -> str:
    """Why the path in C cannot be used here; empty if it can."""
    try:
        digest = getattr(_module(), "SOURCES", "")  # modules of earlier releases have no SOURCES
    except ImportError as error:
        return f"it was not built: {error}"
    sources = sorted(Path(__file__).parent.glob("*.[ch]"))  # in a checkout they may be newer
    if sources and digest != sha256(b"".join(one.read_bytes() for one in sources)).hexdigest():
        return "it was built of other sources: run make install"
    return ""


def use_c() -> None:
    """Take the path in C in this process from now on. Raises ImportError if it was not built."""
    if fallback.Source.__subclasses__():
        raise RuntimeError("classes of the packet path inherit from Python already")
    globals()["base"] = _module()


def _module() -> ModuleType:
    return import_module("media.fast._fast")


def used(wanted: Wanted) -> str:
    """Which packet path the media processes have with `[media] fast`, in words."""
    if not wanted:
        return "the packet path is in Python: [media] fast is false"
    if why := why_not():
        return f"the packet path is in Python, the one in C cannot be used: {why}"
    return "the packet path is in C"
