"""``python -m tests.images [pytest's arguments]``: build the images, then run them in a network of their own."""

import os
import sys

from tests.images.engine import BASES, IMAGES, build, make_base, missing, podman

NETWORK = """
ip link set lo up
ip link add eth0 type veth peer name far
ip address add 192.0.2.10/24 dev eth0
ip link set eth0 up
ip link set far up
ip route add default via 192.0.2.1
exec "$@"
"""
"""An interface, for softphones do not like to be alone with the loopback."""


def main() -> None:
    """Build all, say how large they are, test them."""
    if why := missing():
        sys.exit(why)
    for name in BASES:
        print(name, flush=True)
        make_base(name)
    for image in IMAGES:
        print(*image, flush=True)
        build(*image)
    print(podman("images", "--filter", "reference=sipgw*").stdout, flush=True)
    tests = [sys.executable, "-m", "pytest", "tests/images", *sys.argv[1:]]
    os.execvp("unshare", ["unshare", "--net", "sh", "-ec", NETWORK, "sh", *tests])  # noqa: S606


if __name__ == "__main__":
    main()
