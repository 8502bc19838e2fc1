"""Random packets and orders for the packet path in C: ``python -m tests.media.fuzz_fast SECONDS [MODULE]``.

The path without C gets the same. The first difference ends it, and so does what the sanitizers find in MODULE, a build
of `media.fast._fast` that takes the place of the installed one (``make fuzz-fast``).
"""

import importlib.util
import random
import sys
import time

from media import fast

SEQUENCE = 200
"""Steps with the same calls."""
LEAST = 20
"""Packets of a second, on the busiest machine; with fewer the fuzzer itself is broken."""


def load(path: str) -> None:
    """Let `media.fast` find this build."""
    spec = importlib.util.spec_from_file_location("media.fast._fast", path)
    assert spec and spec.loader
    sys.modules["media.fast._fast"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


def main() -> None:
    until = time.monotonic() + float(sys.argv[1])
    if len(sys.argv) > 2:
        load(sys.argv[2])
    if why := fast.why_not():
        sys.exit(f"the path in C cannot be used: {why}")
    fast.use_c()
    from tests.media.twins import KEYS, ROUTES, STEPS, WEIGHTS, Twins

    hosts, packets, rounds, left = ("127.0.0.1", "::", "::1"), 0, 0, [0, 0]
    while time.monotonic() < until:
        seed = random.SystemRandom().getrandbits(32)
        chance, both = random.Random(seed), Twins(host=hosts[rounds % 3], begin=seed % len(KEYS))
        try:
            if seed % 3 == 0:
                both.bridge()
            elif seed % 3 == 1:
                both.confer(ROUTES[seed // 3 % len(ROUTES)])
            for _ in range(SEQUENCE):
                for _ in range(chance.randrange(6)):
                    both.packet(chance.randrange(2), 0, 0, 0, 0, 0, 0x80)
                    both.step("slot", 2)
                both.step(chance.choices(STEPS, WEIGHTS)[0], chance.getrandbits(16))
                if chance.random() < 0.5:
                    both.judge()
            both.judge()
        except BaseException:
            print(f"seed {seed} after {packets} packets", flush=True)
            raise
        finally:
            both.close()
        packets, rounds = packets + both.packets, rounds + 1
        left = [before + side.left for before, side in zip(left, both.sides, strict=True)]
    if packets < LEAST * float(sys.argv[1]):
        sys.exit(f"only {packets} packets in {sys.argv[1]} s")
    if left[0] > 0.95 * left[1]:
        sys.exit(f"C took hardly anything: it left {left[0]} of {left[1]} to Python")
    shares = f"C left {left[0]} of {left[1]} that came to a socket to Python"
    print(f"{packets} packets in {rounds} sequences, each to both: no difference; {shares}")


if __name__ == "__main__":
    main()
