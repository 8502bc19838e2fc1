"""Checks whether a trunk's addresses can be reached."""

import asyncio
from collections.abc import Sequence

from sipgw.sip.dialog import Peer
from sipgw.tools.doctor.doctor_endpoint import DoctorTimeouts, SipExchange, connects, refuses_udp
from sipgw.tools.doctor.finding import Finding, bad, good

CONNECTING = 2.0
"""Time limit in seconds of a connection attempt that is only a test."""


async def transports(hop: Peer, about: str, patience: DoctorTimeouts) -> Finding:
    """The finding on the transports that the machine at `hop` accepts besides the configured one."""
    ports = {"tcp": 5060, "tls": 5061}
    ports |= {kind: hop.port for kind in ("tcp", "tls") if kind == hop.transport}
    ports |= {"tcp": hop.port} if hop.transport == "udp" else {}
    limit = min(patience.answer, CONNECTING)
    async with asyncio.TaskGroup() as group:
        tried = {kind: group.create_task(connects(hop.host, port, limit)) for kind, port in ports.items()}
    shown = [f"{kind} {ports[kind]}: {one.result() or 'connects'}" for kind, one in tried.items()]
    return good("reach.transports", about, f"{hop.host}: {', '.join(shown)} ({hop.transport} {hop.port} is configured)")


def backups(others: Sequence[tuple[Peer, SipExchange]], about: str) -> Finding | None:
    """The finding on the backup servers: whether they answer too. None if there are none."""
    if not others:
        return None
    shown = ", ".join(f"{hop.transport} {hop.host}:{hop.port}: {exchange.shown}" for hop, exchange in others)
    if all(exchange.response for _, exchange in others):
        return good("reach.backups", about, shown)
    return bad("reach.backup", about, shown)


async def connect(hop: Peer, about: str, key: str, patience: DoctorTimeouts) -> Finding:
    """The finding on opening a TCP or TLS connection to `hop`."""
    where = f"{hop.transport.upper()} {hop.host}:{hop.port}"
    match await connects(hop.host, hop.port, patience.answer):
        case "":
            return good("reach.ok", about, f"{where} connects")
        case "refused":
            return bad("reach.closed", about, f"{where}: connection refused", key=key)
        case "timeout":
            return bad("reach.filtered", about, f"{where}: no answer", transport=hop.transport, port=hop.port)
        case cause:
            return bad("reach.unreachable", about, f"{where}: {cause}", key=key)


async def of_silence(exchange: SipExchange, hop: Peer, about: str, key: str, patience: DoctorTimeouts) -> Finding:
    """The finding on a request over UDP that got no response: why none came."""
    where = f"UDP {hop.host}:{hop.port}"
    if exchange.failure and exchange.failure != "no answer":
        return bad("reach.unreachable", about, f"{where}: {exchange.failure}", key=key)
    if await refuses_udp(hop.host, hop.port, min(patience.answer, 1.0)):
        return bad("reach.closed", about, f"{where}: the machine says that the port is closed (ICMP)", key=key)
    if not await connects(hop.host, hop.port, min(patience.answer, 2.0)):
        return bad("reach.udp-silent", about, f"{where}: {exchange.shown}; TCP connects", key=key)
    evidence = f"{where}: {exchange.shown}; TCP does not connect either"
    return bad("reach.filtered", about, evidence, transport="udp", port=hop.port)
