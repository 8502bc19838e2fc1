"""Runs the benchmarks of one area, or of all."""

import importlib
import sys

AREAS = {
    "sip": ("sip",),
    "media": ("media", "exact", "jitter", "plc", "words", "recording", "srtp", "keys"),
    "fast": ("fast",),
    "conference": ("conference",),
    "conversation": ("conversation",),
    "hearing": ("hearing",),
    "browser": ("browser",),
    "calls": ("admission", "records", "screening", "menus", "knowledge", "forms"),
    "dashboard": ("dashboard", "call_page", "watched", "million"),
    "cluster": ("deploy", "takeover", "two_gateways"),
    "start": ("start",),
    "tools": ("replay",),
    "turns": ("turns",),
    "production": (),
}
"""The modules that measure each area."""


def main() -> int:
    """Print one line per gate; exit status 1 if a gate was missed, 2 on an unknown area."""
    chosen = [name for name in sys.argv[1:] if name]
    if unknown := [name for name in chosen if name not in AREAS]:
        print(f"unknown area {unknown[0]!r}; areas: {', '.join(AREAS)}", file=sys.stderr)
        return 2
    missed = 0
    for area in chosen or AREAS:
        if chosen and not AREAS[area]:
            print(f"no gates in {area!r} yet", file=sys.stderr)
        for name in AREAS[area]:
            for gate in importlib.import_module(f"tests.bench.{name}").gates():
                print(gate, flush=True)
                missed += not gate.met
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
