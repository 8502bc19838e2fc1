"""Starts a media process: ``python -m media.process.start FD PATH``, where PATH is ``c`` or ``python``.

Which packet path it has is settled before any class of the path is imported.
"""

import contextlib
import sys

from media import fast


def main() -> None:
    """Run the worker on the inherited socket whose descriptor is the first argument."""
    if sys.argv[2] == "c":
        fast.use_c()
    from media.process import worker

    with contextlib.suppress(ImportError):  # without it, a gateway whose trunks use SRTP does not start
        import pylibsrtp  # noqa: F401  the first keys come during calls, whose sound would wait for this import
    worker.main(int(sys.argv[1]))


if __name__ == "__main__":
    main()
