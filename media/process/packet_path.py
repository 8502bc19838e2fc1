"""Whether the next start of a media process has its packet path in C. Sans-IO."""

import signal

FAULTS = frozenset({signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT})
"""Signals by which a fault in C ends a process; a fault in Python raises an exception instead."""
CRASHES_MAX = 2
"""After so many crashes with it Python takes over, until the gateway is started again."""


class PacketPath:
    """The path of one media process over its restarts."""

    def __init__(self, *, in_c: bool) -> None:
        """`in_c`: whether the path in C is wanted and was built."""
        self.crashes = 0
        """Number of crashes with the path in C."""
        self._in_c = in_c

    @property
    def name(self) -> str:
        """The name of the path (``c`` or ``python``) for `media.process.start`."""
        return "c" if self._in_c and self.crashes < CRASHES_MAX else "python"

    def ended(self, status: int, *, ready: bool) -> str:
        """Note that the process has ended with exit `status`, after or before it was `ready`. Returns a remark on its
        path for the log; empty for none."""
        if self.name == "python" or (ready and -status not in FAULTS) or status == 0:
            return ""
        self.crashes += 1
        if self.name == "c":
            return "; its packet path was in C"
        return f"; its packet path was in C, and crashed {self.crashes} times: from now on it is in Python"
