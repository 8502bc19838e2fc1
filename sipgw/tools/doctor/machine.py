"""Problems of this machine and its configuration: ports, ranges, limits, certificates, the public address."""

import asyncio
import resource
import secrets
import socket
from collections.abc import AsyncIterator

from media.fast import used
from media.process.engine import MediaOptions
from sipgw.config.config import GatewayConfig
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.stun import PORT as STUN_PORT
from sipgw.sip.stun import binding_request, mapped_address
from sipgw.sip.tls import Tls, TlsError
from sipgw.sip.uri import parse_host_port
from sipgw.tools.doctor.doctor_endpoint import DoctorTimeouts, is_free
from sipgw.tools.doctor.finding import Finding, bad, good

HERE = "this machine"
DESCRIPTORS = 8
"""Maximum open files of one call: two RTP sockets, provider connections, a recording."""
SAMPLED = 40
"""Number of RTP port pairs that are tried."""


async def examine(config: GatewayConfig, patience: DoctorTimeouts) -> AsyncIterator[Finding]:
    """Findings on this machine and its configuration, which need no trunk."""
    sip = config.sip
    if not is_free(sip.host, 0):
        yield bad("local.sip-host", HERE, f"nobody can listen on {sip.host}")
    elif sip.port and not is_free(sip.host, sip.port):
        yield bad("local.sip-port", HERE, f"{sip.host} port {sip.port} is in use")
    else:
        yield good("local.sip-port-free", HERE, f"{sip.host} port {sip.port}")
    calls = sum(trunk.max_calls for trunk in config.trunks) or 100
    for finding in _range(config.media, calls):
        yield finding
    yield good("local.packet-path", HERE, used(config.media.fast))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= soft < calls * DESCRIPTORS:
        evidence = f"open files are limited to {soft}; {calls} calls may come at once"
        yield bad("local.descriptors", HERE, evidence)
    try:
        Tls(sip.tls).check()
    except TlsError as error:
        yield bad("local.tls-files", HERE, str(error))
    if sip.stun_server:
        yield await _stun(sip, patience)


def _range(media: MediaOptions, calls: int) -> list[Finding]:
    first, last = media.port_range
    pairs = list(range(first + first % 2, last, 2))
    if len(pairs) < calls:
        return [bad("local.rtp-range", HERE, f"{first}-{last}", calls=calls, room=len(pairs))]
    tried = pairs[:: max(1, len(pairs) // SAMPLED)]
    taken = [port for port in tried if not _udp_free(media.bind_host, port)]
    if len(taken) * 2 > len(tried):
        return [bad("local.rtp-ports", HERE, f"{len(taken)} of {len(tried)} ports tried in {first}-{last} are in use")]
    return [good("local.rtp", HERE, f"UDP {first}-{last}: room for {len(pairs)} calls, {calls} may come")]


def _udp_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


async def _stun(sip: EndpointOptions, patience: DoctorTimeouts) -> Finding:
    """The finding on the STUN server, which is asked once or twice."""
    host, port = parse_host_port(sip.stun_server)
    transaction, loop, seen = secrets.token_bytes(12), asyncio.get_running_loop(), None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.setblocking(False)
        try:
            async with asyncio.timeout(patience.answer):
                (*_, place), *_ = await loop.getaddrinfo(host, port or STUN_PORT, family=socket.AF_INET)
                probe.connect(place)
                await loop.sock_sendall(probe, binding_request(transaction))
                seen = mapped_address(await loop.sock_recv(probe, 2048), transaction)
        except (OSError, TimeoutError) as error:
            return bad("stun.silent", HERE, f"{sip.stun_server}: {str(error) or 'no answer'}")
    if seen is None:
        return bad("stun.silent", HERE, f"{sip.stun_server}: the answer is not STUN")
    if sip.public_address and seen[0] != sip.public_address:
        evidence = f"public_address is {sip.public_address}; {sip.stun_server} sees {seen[0]}"
        return bad("stun.other", HERE, evidence, seen=seen[0])
    return good("stun.ok", HERE, f"{sip.stun_server} sees the gateway at {seen[0]}")
