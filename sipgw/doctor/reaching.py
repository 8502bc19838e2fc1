"""Is there anybody at the trunk's addresses?"""

from sipgw.doctor.asking import Exchange, Patience, connects, refuses_udp
from sipgw.doctor.finding import Finding, bad, good
from sipgw.sip.dialog import Peer


async def connect(hop: Peer, about: str, key: str, patience: Patience) -> Finding:
    """Open a connection to an address that is spoken to over TCP or TLS."""
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


async def of_silence(exchange: Exchange, hop: Peer, about: str, key: str, patience: Patience) -> Finding:
    """Why nothing came back to a request over UDP."""
    where = f"UDP {hop.host}:{hop.port}"
    if exchange.failure and exchange.failure != "no answer":
        return bad("reach.unreachable", about, f"{where}: {exchange.failure}", key=key)
    if await refuses_udp(hop.host, hop.port, min(patience.answer, 1.0)):
        return bad("reach.closed", about, f"{where}: the machine says that the port is closed (ICMP)", key=key)
    if not await connects(hop.host, hop.port, min(patience.answer, 2.0)):
        return bad("reach.udp-silent", about, f"{where}: {exchange.shown}; TCP connects", key=key)
    evidence = f"{where}: {exchange.shown}; TCP does not connect either"
    return bad("reach.filtered", about, evidence, transport="udp", port=hop.port)
