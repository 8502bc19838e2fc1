"""Runs one soak: ``python -m tests.soak media --minutes 60 --calls 100``, ``python -m tests.soak sip --minutes 30``."""

import argparse
import asyncio
import sys

from tests.soak import media, sip


def main() -> int:
    """The exit status: 0 if nothing leaked, nothing was lost and no call broke."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="Long runs, too long for CI.")
    parser.add_argument("area", choices=("media", "sip"))
    parser.add_argument("--minutes", type=float, help="by default 60 for media, 30 for sip")
    parser.add_argument("--calls", type=int, default=100, help="at a time, for media; of sip there are two")
    wanted = parser.parse_args()
    if wanted.area == "sip":
        return int(bool(asyncio.run(sip.sip(wanted.minutes or 30.0))))
    return asyncio.run(media.run(wanted.minutes or 60.0, wanted.calls))


if __name__ == "__main__":
    sys.exit(main())
