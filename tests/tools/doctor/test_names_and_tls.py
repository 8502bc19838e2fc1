"""Names that lead nowhere, and TLS that is broken in every way; servers and certificates are real ones."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from sipgw.config.trunks import TrunkOptions
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.tls import TlsOptions
from sipgw.tools.doctor.finding import Finding
from tests.fakes.dns import DnsServer
from tests.tools.doctor.broken import SHORT, SOME, Faults, broken, diagnosed, ids, on_loop, peer, trunk

ZONE = """
lone 300 IN A 127.0.9.41
six 300 IN AAAA 2001:db8::7
nap 300 IN NAPTR 10 10 "s" "SIP+D2U" "" _sip._udp.nap
_sip._udp.none 300 IN SRV 0 0 0 .
_sip._tcp.none 300 IN SRV 0 0 0 .
_sip._udp.dangling 300 IN SRV 0 0 5060 nowhere
"""
SERVED = "_sip._udp.nap 300 IN SRV 7 0 {port} lone\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("missing.example", {"resolve.no-name"}),
        ("none.example", {"resolve.no-service"}),
        ("dangling.example", {"resolve.dangling"}),
        ("six.example", {"resolve.family"}),
    ],
)
@on_loop
async def test_a_name_that_leads_nowhere(name: str, expected: set[str]) -> None:
    async with DnsServer(ZONE) as dns:
        assert ids(await diagnosed(peer(name), sip=EndpointOptions("127.0.0.1", 0, dns=(dns.address,)))) == expected


@pytest.mark.slow
@on_loop
async def test_a_dns_server_that_does_not_answer() -> None:
    async with DnsServer(ZONE) as dns:
        dns.silent = True
        sip = EndpointOptions("127.0.0.1", 0, dns=(dns.address,))
        assert ids(await diagnosed(peer("lone.example"), sip=sip, patience=SHORT)) == {"resolve.dns-silent"}


@on_loop
async def test_a_name_that_leads_somewhere_is_shown_with_its_records() -> None:
    async with DnsServer(ZONE) as dns, broken(Faults()) as carrier:
        sip = EndpointOptions("127.0.0.1", 0, dns=(dns.address,))
        found = await diagnosed(peer(f"lone.example:{carrier.port}"), sip=sip)
        assert not ids(found)
        assert any("A lone.example = 127.0.9.41" in one.evidence for one in found)
    async with broken(Faults()) as carrier, DnsServer(ZONE + SERVED.format(port=carrier.port)) as dns:
        found = await diagnosed(peer("nap.example"), sip=EndpointOptions("127.0.0.1", 0, dns=(dns.address,)))
    assert not ids(found)
    (resolved,) = [one.evidence for one in found if one.id == "resolve.ok"]
    assert "NAPTR nap.example = SIP+D2U _sip._udp.nap.example" in resolved
    assert f"SRV _sip._udp.nap.example = lone.example:{carrier.port} (priority 7)" in resolved
    assert f"tried in this order: udp 127.0.9.41:{carrier.port}" in resolved


async def of_two(first: Faults, second: Faults, options: Callable[..., TrunkOptions]) -> tuple[list[Finding], int]:
    """What is found at two servers behind one name, and the port of the first."""
    async with broken(first) as one, broken(second) as other:
        records = (f"_sip._udp.two 300 IN SRV {at} 0 {each.port} lone\n" for at, each in enumerate((one, other)))
        async with DnsServer(ZONE + "".join(records)) as dns:
            sip = EndpointOptions("127.0.0.1", 0, dns=(dns.address,))
            found = await diagnosed(options("two.example"), sip=sip, patience=SOME)
            return found, one.port


@pytest.mark.slow
@pytest.mark.parametrize(("second", "expected"), [(200, set()), (None, {"reach.backup"})])
@on_loop
async def test_servers_that_stand_in_for_the_first_one_are_asked_too(second: int | None, expected: set[str]) -> None:
    found, _ = await of_two(Faults(), Faults(options=second), peer)
    assert ids(found) == expected, found


@pytest.mark.slow
@on_loop
async def test_servers_that_answer_no_options_are_not_called_gone() -> None:
    found, _ = await of_two(Faults(options=None), Faults(options=None), trunk)
    assert ids(found) == {"options.silent"}, found


@pytest.mark.slow
@on_loop
async def test_a_first_server_that_is_gone_is_told_and_the_next_one_examined() -> None:
    found, gone = await of_two(Faults(options=None, register="silent"), Faults(register="gone"), trunk)
    assert ids(found) == {"register.unknown-user", "reach.backup"}, found
    assert str(gone) in next(one.evidence for one in found if one.id == "reach.backup")


class Certificates:
    """An authority, one below it, and what they issue."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.root = folder, trustme.CA()
        self.middle = self.root.create_child_ca()
        self.ca = folder / "ca.pem"
        self.root.cert_pem.write_to_path(self.ca)

    def context(self, kind: str) -> ssl.SSLContext:
        now, day = datetime.now(UTC), timedelta(days=1)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        when: dict[str, Any] = {"expired": {"not_before": now - 9 * day, "not_after": now - day}}.get(kind, {})
        if kind == "early":
            when = {"not_before": now + day, "not_after": now + 9 * day}
        name = "other.example" if kind == "name" else "pbx.example"
        authority = {"short chain": self.middle, "stranger": trustme.CA()}.get(kind, self.root)
        leaf = authority.issue_cert(name, **when)
        chain = leaf.cert_chain_pems[:1] if kind == "short chain" else leaf.cert_chain_pems
        if kind == "stranger":
            chain = [*chain, authority.cert_pem]
        pem = self.folder / "server.pem"
        pem.write_bytes(leaf.private_key_pem.bytes() + b"".join(one.bytes() for one in chain))
        if kind == "self":
            pem.write_bytes(self.root.private_key_pem.bytes() + self.root.cert_pem.bytes())
        context.load_cert_chain(pem)
        if kind == "old":
            context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
            context.set_ciphers("ALL:@SECLEVEL=0")
        if kind in ("client", "client 1.2"):
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.ca)
        if kind == "client 1.2":
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        return context


@contextlib.contextmanager
def serving(context: ssl.SSLContext | None) -> Iterator[int]:
    """A server in a thread: unlike asyncio's it sends the alerts that a handshake ends with."""
    listening = socket.create_server(("127.0.9.41", 0))

    def serve() -> None:
        while True:
            try:
                plain, _ = listening.accept()
            except OSError:
                return
            with plain, contextlib.suppress(OSError):
                plain.settimeout(5)
                if context is None:
                    plain.recv(4096)
                    plain.sendall(b"SIP/2.0 400 Bad Request\r\n\r\n")
                    continue
                with context.wrap_socket(plain, server_side=True) as secure:
                    secure.recv(4096)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield int(listening.getsockname()[1])
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("expired", "tls.expired"),
        ("early", "tls.not-yet-valid"),
        ("name", "tls.wrong-host"),
        ("short chain", "tls.missing-intermediate"),
        ("stranger", "tls.unknown-authority"),
        ("self", "tls.self-signed"),
        ("old", "tls.old-protocol"),
        ("client", "tls.client-certificate"),
        ("client 1.2", "tls.client-certificate"),
        ("plain", "tls.not-tls"),
    ],
)
@on_loop
async def test_broken_tls(tmp_path: Path, kind: str, expected: str) -> None:
    certificates = Certificates(tmp_path)
    context = None if kind == "plain" else certificates.context(kind)
    believed = TlsOptions(0, ca=str(certificates.ca)) if kind != "self" else TlsOptions(0)
    with serving(context) as port:
        async with DnsServer("pbx 300 IN A 127.0.9.41\n") as dns:
            sip = EndpointOptions("127.0.0.1", 0, dns=(dns.address,), tls=believed)
            found = await diagnosed(peer(f"sip:pbx.example:{port};transport=tls"), sip=sip)
    assert ids(found) == {expected}, found


@on_loop
async def test_a_trunk_is_examined_although_our_own_tls_files_are_missing(tmp_path: Path) -> None:
    with serving(Certificates(tmp_path).context("name")) as port:
        missing = TlsOptions(0, ca=str(tmp_path / "nowhere.pem"))
        found = await diagnosed(
            peer(f"sip:127.0.9.41:{port};transport=tls"), sip=EndpointOptions("127.0.0.1", 0, tls=missing)
        )
    assert "local.tls-files" in {one.id for one in found}
    assert any(one.startswith("tls.") for one in ids(found)), found
