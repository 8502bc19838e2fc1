"""``python -m tests.bench.turns``: the bench of turn-taking, quick or whole; exit status 1 if a bar is missed."""

import argparse
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.bench.turns.agent_side import judges_turns
from tests.bench.turns.bars import ALL, AREA, FAKES, PARTS, SINGLE, Step, gates, judged, measured, over_rtp
from tests.bench.turns.bench import Figures
from tests.bench.turns.cpu import call_second
from tests.bench.turns.recognisers import KINDS, Embedded, Voted


def kept(steps: Iterator[Step], file: Path) -> Iterator[Step]:
    """The same, written to a file when all have come."""
    columns: dict[str, Figures] = {}
    for column, found in steps:
        columns.setdefault(column, {}).update(found)
        yield column, found
    lines = ["[about]", f'machine = "{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"']
    lines += [f'command = "python -m tests.bench.turns {" ".join(sys.argv[1:])}"']
    for column, found in (("cpu", {"ms per call-second": call_second()}), *columns.items()):
        lines += ["", f'["{column}"]', *(f'"{name}" = {value:.4g}' for name, value in found.items())]
    file.write_text("\n".join(lines) + "\n")


def main() -> int:
    """Read the options and print the lines."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.turns", description=__doc__)
    parser.add_argument("--whole", action="store_true", help="every recogniser, both parts of the corpora")
    parser.add_argument("--scale", type=float, default=1.0, help="so many times as many of everything, or a part of it")
    parser.add_argument("--part", choices=PARTS, help="one part of the corpora")
    parser.add_argument("--recogniser", choices=list(KINDS), action="append", help="one, or several")
    parser.add_argument("--set", choices=list(ALL), action="append", help="one, or several")
    parser.add_argument("--calls", action="store_true", help="the eight single calls alone")
    parser.add_argument("--rtp", action="store_true", help="in real time through a gateway, over SIP and RTP")
    parser.add_argument(
        "--decoding",
        type=float,
        metavar="SECONDS",
        help="charge `embedded` this for each decoding, instead of its CPU time",
    )
    parser.add_argument("--keep", type=Path, help="write the figures to this TOML file")
    told = parser.parse_args()
    if told.rtp and told.keep:
        parser.error("--keep: only figures on virtual time are kept, not those of --rtp")
    if told.rtp and told.decoding is not None:
        parser.error("--decoding: it is for virtual time alone, not for --rtp")
    Embedded.decoding = told.decoding
    kinds = told.recogniser or (list(KINDS) if told.whole else list(FAKES))
    without = "only on virtual time" if told.rtp else "" if judges_turns(Voted.turn_model) else "not installed"
    if without and Voted.name in kinds:
        if told.recogniser:
            parser.error(f"--recogniser {Voted.name}: {without} ({Voted.turn_model})")
        print(f"{AREA}\t{without}, left out: {Voted.turn_model}", flush=True)
        kinds.remove(Voted.name)
    parts = [told.part] if told.part else list(PARTS) if told.whole else ["dev"]
    scale, sets = told.scale, told.set or list(SINGLE if told.calls else ALL)
    if told.rtp:
        found = over_rtp(kinds, parts, scale, sets)
    elif told.keep:
        found = judged(kept(measured(kinds, parts, scale, sets), told.keep))
    else:
        found = gates(kinds, parts, scale, sets)
    missed = 0
    for gate in found:
        print(gate, flush=True)
        missed += not gate.met
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
