"""Checks the TLS of a trunk, and names its fault."""

import socket
import ssl
from typing import NamedTuple

from agent.pool import Pool
from sipgw.sip.dialog import Peer
from sipgw.sip.tls import Tls, TlsOptions
from sipgw.tools.doctor.doctor_endpoint import DoctorTimeouts
from sipgw.tools.doctor.finding import Finding, bad, good

EXPIRED, NOT_YET, LEAF_SELF_SIGNED, SELF_SIGNED_IN_CHAIN = 10, 9, 18, 19
NO_ISSUER, NO_ISSUER_OF_LEAF, WRONG_NAME, WRONG_ADDRESS = 20, 21, 62, 64
"""Verification results of OpenSSL (``x509_vfy.h``)."""
ALERT_LIMIT = 1.0
"""Seconds to wait for the server's refusal of our missing certificate. With TLS 1.3 it may come after the handshake."""

SHAKES = Pool("the doctor's handshakes", workers=4, waiting=64)


class Handshake(NamedTuple):
    """The result of a TLS handshake."""

    error: Exception | None
    version: str = ""
    alert: str = ""


async def examine(peer: Peer, about: str, key: str, options: TlsOptions, patience: DoctorTimeouts) -> Finding:
    """The finding on a TLS handshake with `peer`, which is made as the gateway makes it."""
    context = Tls(options).client()
    name = peer.name or peer.host
    shake = await SHAKES.run(_shake, peer, context, name, patience.answer)
    where = f"{peer.host}:{peer.port} as {name}"
    if shake.alert:
        return bad("tls.client-certificate", about, f"{where}: after the handshake: {shake.alert}")
    if shake.error is None:
        return good("tls.ok", about, f"{where}: {shake.version}, certificate verified")
    if isinstance(shake.error, ssl.SSLCertVerificationError):
        evidence = f"{where}: {shake.error.verify_message}"
        return bad(await _of_certificate(shake.error.verify_code, peer, name, patience), about, evidence, key=key)
    return bad(_of_handshake(shake.error), about, f"{where}: {_words(shake.error)}", key=key)


def _shake(peer: Peer, context: ssl.SSLContext, name: str, limit: float) -> Handshake:
    """Make a handshake in a blocking socket, in a separate thread: asyncio does not expose the alerts of the other
    side."""
    try:
        with (
            socket.create_connection((peer.host, peer.port), limit) as plain,
            context.wrap_socket(plain, server_hostname=name) as secure,
        ):
            shake = Handshake(None, str(secure.version()))
            secure.settimeout(min(limit, ALERT_LIMIT))
            try:
                secure.sendall(b"\r\n\r\n")
                secure.recv(16)
            except ssl.SSLError as error:
                return shake._replace(alert=_words(error))
            except OSError:
                pass
            return shake
    except OSError as error:
        return Handshake(error)


async def _of_certificate(code: int, peer: Peer, name: str, patience: DoctorTimeouts) -> str:
    match code:
        case _ if code == EXPIRED:
            return "tls.expired"
        case _ if code == NOT_YET:
            return "tls.not-yet-valid"
        case _ if code in (WRONG_NAME, WRONG_ADDRESS):
            return "tls.wrong-host"
        case _ if code == LEAF_SELF_SIGNED:
            return "tls.self-signed"
        case _ if code in (NO_ISSUER, NO_ISSUER_OF_LEAF):
            alone = await SHAKES.run(_chain_length, peer, name, patience.answer) == 1
            return "tls.missing-intermediate" if alone else "tls.unknown-authority"
        case _:
            return "tls.unknown-authority"


def _chain_length(peer: Peer, name: str, limit: float) -> int:
    """The number of certificates from the server; 0 if unknown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection((peer.host, peer.port), limit) as plain,
            context.wrap_socket(plain, server_hostname=name) as secure,
        ):
            # Public since Python 3.13; it exists in earlier versions too.
            told = getattr(secure, "get_unverified_chain", None) or getattr(
                getattr(secure, "_sslobj", None), "get_unverified_chain", None
            )
            return len(told() or ()) if told else 0
    except OSError:
        return 0


def _of_handshake(error: Exception) -> str:
    words = _words(error).upper()
    if any(hint in words for hint in ("CERTIFICATE_REQUIRED", "BAD_CERTIFICATE", "HANDSHAKE_FAILURE")):
        return "tls.client-certificate"
    if "UNSUPPORTED_PROTOCOL" in words or "PROTOCOL_VERSION" in words or "PROTOCOL VERSION" in words:
        return "tls.old-protocol"
    if "WRONG_VERSION" in words or "RECORD" in words or "HTTP_REQUEST" in words or "PACKET_LENGTH" in words:
        return "tls.not-tls"
    return "tls.failed"


def _words(error: Exception) -> str:
    return str(getattr(error, "reason", None) or error or type(error).__name__)
