"""Network namespaces of a test's own: computers that know each other only by the links between them.

A program that makes them runs in one itself: ``unshare -n python -m tests.interop.PROGRAM``.
"""

import contextlib
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.waiting import HANG, ran

_NUMBERS = itertools.count()


@dataclass(frozen=True)
class Space:
    """One of them."""

    pid: int
    """A process in it."""

    def inside(self, *command: str) -> list[str]:
        """`command` as it runs in there."""
        return ["nsenter", "--target", str(self.pid), "--net", *command]

    def run(self, command: str) -> None:
        """Run `command`, whose words are apart by spaces, in there."""
        subprocess.run(self.inside(*command.split()), check=True, timeout=HANG)

    def forward(self, outside: str) -> None:
        """Be a router with a NAT, whose far side is the interface `outside`: it changes the ports, too."""
        subprocess.run(
            self.inside("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"), check=True, timeout=HANG
        )  # fmt: skip
        self.run("nft add table ip nat")
        self.run("nft add chain ip nat out { type nat hook postrouting priority 100 ; }")
        self.run(f"nft add rule ip nat out oifname {outside} masquerade fully-random")


HERE = Space(os.getpid())


@contextlib.contextmanager
def space() -> Iterator[Space]:
    """A computer without links, as long as the block goes on."""
    command = ["unshare", "--net", "sh", "-c", "ip link set lo up && echo && exec cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        holder.stdout.readline()  # it is apart by now
        yield Space(holder.pid)
        holder.stdin.close()


def link(one: Space, address: str, other: Space, address_there: str) -> tuple[str, str]:
    """Join two computers, which have these addresses (with their networks) on the link; returns both interfaces."""
    number = next(_NUMBERS)
    ends = f"l{number}", f"r{number}"
    subprocess.run(
        ["ip", "link", "add", ends[0], "netns", str(one.pid), "type", "veth",
         "peer", "name", ends[1], "netns", str(other.pid)], check=True, timeout=HANG,
    )  # fmt: skip
    for at, name, own in zip((one, other), ends, (address, address_there), strict=True):
        at.run(f"ip addr add {own} dev {name}")
        at.run(f"ip link set {name} up")
    return ends


def need_rights() -> None:
    """Skip the test where this machine lets nobody make namespaces; in CI it fails."""
    trial = ["unshare", "--net", "ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1"]
    if (tried := ran(trial)).returncode:
        why = f"no rights for network namespaces: {tried.stderr.strip()}"
        pytest.fail(why) if "CI" in os.environ else pytest.skip(why)


def apart(program: str, *arguments: str) -> list[tuple[str, Any]]:
    """What `program` tells in a namespace of its own, line by line as JSON ``["what", seen]``; see `need_rights`."""
    need_rights()
    done = ran(["unshare", "--net", sys.executable, "-m", f"tests.interop.{program}", *arguments])
    assert done.returncode == 0, done.stdout + done.stderr
    return [tuple(json.loads(line)) for line in done.stdout.splitlines() if line.startswith('["')]
