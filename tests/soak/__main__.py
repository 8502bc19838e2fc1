"""Runs one soak: ``python -m tests.soak media --minutes 60 --calls 100``."""

import argparse
import asyncio
import sys

from tests.soak import media

AREAS = {"media": media.run}


def main() -> int:
    """The exit status: 0 if nothing leaked and nothing was lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="Long runs that look for leaks.")
    parser.add_argument("area", choices=AREAS)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--calls", type=int, default=100, help="at a time")
    wanted = parser.parse_args()
    return asyncio.run(AREAS[wanted.area](wanted.minutes, wanted.calls))


if __name__ == "__main__":
    sys.exit(main())
