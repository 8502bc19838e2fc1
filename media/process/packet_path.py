"""Whether the next start of a media process has its packet path in C. Sans-IO."""

import signal

FAULTS = frozenset({signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT})
"""Signals by which a fault in C ends a process; one in Python raises an exception."""
CRASHES_MAX = 2
"""After so many crashes with it Python takes over, until the gateway is started again."""


class PacketPath:
    """The path of one media process over its restarts."""

    def __init__(self, *, in_c: bool) -> None:
        """`in_c`: it is wanted and was built."""
        self.crashes = 0
        """With the path in C."""
        self._in_c = in_c

    @property
    def name(self) -> str:
        """As `media.process.start` takes it."""
        return "c" if self._in_c and self.crashes < CRASHES_MAX else "python"

    def ended(self, status: int, *, ready: bool) -> str:
        """The process has ended; it had been `ready` or not. What to say of its path, if anything."""
        if self.name == "python" or (ready and -status not in FAULTS) or status == 0:
            return ""
        self.crashes += 1
        if self.name == "c":
            return "; its packet path was in C"
        return f"; its packet path was in C, and crashed {self.crashes} times: from now on it is in Python"
