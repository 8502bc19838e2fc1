"""Stores the registered phones of accounts in a file beside the database, so that they survive a restart."""

import asyncio
import contextlib
import json
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import structlog

from sipgw.sip.boundaries import contained, lasting
from sipgw.sip.dialog import DEFAULT_PORT, Peer
from sipgw.sip.registrar import LONGEST, Binding, Registrar
from sipgw.sip.uri import Uri
from sipgw.state_file import StateFile

log = structlog.get_logger()

WRITTEN_EVERY = 5.0
"""Seconds between two writes; a killed gateway loses the changes after the last one."""


class KeptPhones:
    """Keeps the bindings of `registrar` in `file`. Use it as an async context manager.

    It restores the phones of `users` that have not expired. An unreadable or unwritable file is logged; only
    registrations are lost then, and phones renew them.
    """

    def __init__(self, registrar: Registrar, file: Path, users: Collection[str]) -> None:
        self._registrar = registrar
        self._file = StateFile(file, "registered phones not kept")
        self._users = users
        self._written = 0
        self._group = asyncio.TaskGroup()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        if self._users:
            self._read()
            self._task = self._group.create_task(lasting(self._keep, "registered phones not kept"))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            self._write()
            await self._file.settled()
        await self._group.__aexit__(None, None, None)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(WRITTEN_EVERY)
            with contained("registered phones not kept", file=str(self._file.path)):
                self._write()

    def _read(self) -> None:
        now, wall = asyncio.get_running_loop().time(), datetime.now(UTC).timestamp()
        try:
            lines = [json.loads(line) for line in (self._file.read() or b"").decode().splitlines()]
        except (OSError, ValueError) as error:
            log.warning("registered phones not read", file=str(self._file.path), cause=str(error)[:200])
            return
        for line in lines:
            with contextlib.suppress(KeyError, TypeError, ValueError):  # one spoilt line is one phone
                left = float(line["expires"]) - wall
                if line["user"] in self._users and 0 < left <= LONGEST:
                    self._registrar.restore(line["user"], _binding(line, now + left))

    def _write(self) -> None:
        if self._written == self._registrar.changes:
            return
        self._written = self._registrar.changes
        now, wall = asyncio.get_running_loop().time(), datetime.now(UTC).timestamp()
        lines = [
            json.dumps(_line(user, binding, wall + binding.expires - now)) + "\n"
            for user in self._users
            for binding in self._registrar.bindings(user, now)
        ]
        self._file.put("".join(lines))


def _line(user: str, binding: Binding, expires: float) -> dict[str, Any]:
    peer = binding.peer
    # Connections end with the process, and their source ports too: until the phone registers again, it is called at the
    # port of its Contact, but never at another address than its own, which might be a carrier's.
    port = (binding.contact.port or DEFAULT_PORT[peer.transport]) if peer.connection else peer.port
    return {
        "user": user, "contact": str(binding.contact), "peer": [peer.transport, peer.host, port], "expires": expires,
        "call_id": binding.call_id, "number": binding.number, "preference": binding.preference, "flow": binding.flow,
    }  # fmt: skip


def _binding(line: dict[str, Any], expires: float) -> Binding:
    """The binding in a line of the file. Raises `KeyError`, `TypeError` and `ValueError`."""
    transport, host, port = line["peer"]
    peer = Peer(str(transport), str(host), int(port))
    contact, number, preference = Uri.parse(line["contact"]), int(line["number"]), float(line["preference"])
    return Binding(contact, peer, expires, str(line["call_id"]), number, preference, str(line.get("flow", "")))
