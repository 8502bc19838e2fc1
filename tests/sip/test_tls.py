"""SIP over TLS: who is believed, what is refused, renewed certificates, and what a stranger can hold."""

import asyncio
import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from sipgw.sip import connection, streams
from sipgw.sip.endpoint import CallFailed, Endpoint, EndpointError
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.events import Phase
from sipgw.sip.leg import Leg
from sipgw.sip.tls import TlsOptions
from sipgw.sip.transports import Transports
from sipgw.sip.uri import Uri
from tests.sip.certificates import Authority
from tests.sip.test_endpoint import OPTIONS, admit_all, last, pick_up, run, taking
from tests.sip.wire import ANSWER, OFFER
from tests.waiting import until

ME = "<sip:me@127.0.0.1>"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def listening(tls: TlsOptions, host: str = "127.0.0.1") -> EndpointOptions:
    return EndpointOptions(host, 0, tls=tls)


def at(endpoint: Endpoint, host: str = "127.0.0.1", scheme: str = "sip") -> Uri:
    end = ";transport=tls" if scheme == "sip" else ""
    return Uri.parse(f"{scheme}:agent@{host}:{endpoint.tls_port}{end}")


@pytest.mark.parametrize(("scheme", "host"), [("sip", "127.0.0.1"), ("sips", "127.0.0.1"), ("sip", "localhost")])
def test_a_call_over_tls_and_its_bye_over_the_same_connection(authority: Authority, scheme: str, host: str) -> None:
    async def call() -> None:
        taken: list[Leg] = []

        async with (
            Endpoint(listening(authority.server()), taking(taken), admit_all) as agent,
            Endpoint(listening(authority.client()), pick_up, admit_all) as phone,
        ):
            leg, answer = await phone.invite(at(agent, host, scheme), ME, OFFER)
            assert answer == ANSWER
            assert taken[0].source.transport == "tls"
            assert taken[0].request.via.transport == "TLS"
            contact = taken[0].request.contact.uri  # type: ignore[union-attr]
            assert (contact.scheme, contact.transport) == (scheme, "tls")
            # The phone has no certificate and listens nowhere: only the connection that it opened leads to it.
            taken[0].hangup()
            assert (await last(leg)).how == "BYE"
            assert (await last(taken[0])).by == "gateway"
            assert len(agent._transports._streams._open) == 1

    run(call)


def refused(phone: TlsOptions, server: TlsOptions, reason: str, host: str = "127.0.0.1") -> None:
    """The call fails at once and says why."""

    async def call() -> None:
        async with (
            Endpoint(listening(server), pick_up, admit_all) as agent,
            Endpoint(listening(phone), pick_up, admit_all) as caller,
        ):
            with pytest.raises(CallFailed, match=reason) as failure:
                await caller.invite(at(agent, host), ME, OFFER)
            assert failure.value.ended.status == 503

    run(call)


def test_a_certificate_for_another_name_is_refused(authority: Authority) -> None:
    refused(authority.client(), authority.server("pbx.example"), "not valid for '127.0.0.1'")


def test_a_certificate_of_a_stranger_is_refused(authority: Authority, tmp_path: Path) -> None:
    refused(Authority(tmp_path).client(), authority.server(), "certificate not accepted")


def test_without_an_authority_the_systems_are_asked(authority: Authority) -> None:
    refused(TlsOptions(0), authority.server(), "certificate not accepted")


def test_a_pbx_with_a_certificate_for_another_name_is_accepted_if_its_authority_is_enough(authority: Authority) -> None:
    async def call() -> None:
        async with (
            Endpoint(listening(authority.server("pbx.example")), pick_up, admit_all) as agent,
            Endpoint(listening(authority.client(verify="authority")), pick_up, admit_all) as phone,
        ):
            leg, _ = await phone.invite(at(agent), ME, OFFER)
            leg.hangup()

    run(call)


def test_clients_must_show_a_certificate_if_that_is_asked_for(authority: Authority) -> None:
    async def call() -> None:
        server = authority.server(clients="verified")
        known = replace(authority.client(), certificate=str(authority.issue("phone.example", file="phone.pem")))
        async with Endpoint(listening(server), pick_up, admit_all) as agent:
            async with Endpoint(listening(known), pick_up, admit_all) as phone:
                leg, _ = await phone.invite(at(agent), ME, OFFER)
                leg.hangup()
                await last(leg)
            reader, writer = await opened(agent, authority)
            writer.write(over_tls())
            assert await received(reader) == b""
            # In TLS 1.3 a client learns only afterwards that it lacked a certificate: the connection is gone.
            async with Endpoint(listening(authority.client()), pick_up, admit_all) as unknown:
                with pytest.raises(CallFailed, match="unreachable"):
                    await unknown.invite(at(agent), ME, OFFER)

    run(call)


def over_tls(number: int = 1) -> bytes:
    return (
        OPTIONS.replace(b"/TCP", b"/TLS")
        .replace(b"z9hG4bK1", b"z9hG4bK%d" % number)
        .replace(b"Call-ID: x", b"Call-ID: %d" % number)
    )


async def opened(endpoint: Endpoint, authority: Authority) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    context = ssl.create_default_context(cafile=str(authority.ca))
    return await asyncio.open_connection("127.0.0.1", endpoint.tls_port, ssl=context, server_hostname="127.0.0.1")


async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int = 1) -> bool:
    writer.write(over_tls(number))
    return (await reader.readuntil(b"\r\n\r\n")).startswith(b"SIP/2.0 200")


def serial(writer: asyncio.StreamWriter) -> str:
    return writer.get_extra_info("peercert")["serialNumber"]


def test_a_renewed_certificate_is_shown_to_new_connections_and_old_ones_stay_up(authority: Authority) -> None:
    async def renew() -> None:
        async with Endpoint(listening(authority.server()), pick_up, admit_all) as endpoint:
            before = await opened(endpoint, authority)
            Path(endpoint.options.tls.certificate).write_text("half written")
            still = await opened(endpoint, authority)
            assert serial(still[1]) == serial(before[1]), "what cannot be used does not replace what can"
            authority.issue("127.0.0.1")
            after = await opened(endpoint, authority)
            assert serial(after[1]) != serial(before[1])
            for number, (reader, writer) in enumerate((before, still, after)):
                assert await answered(reader, writer, number)
                writer.close()

    run(renew)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_versions_before_1_2_are_refused(authority: Authority, version: ssl.TLSVersion) -> None:
    async def talk() -> None:
        async with Endpoint(listening(authority.server()), pick_up, admit_all) as endpoint:
            old = ssl.create_default_context(cafile=str(authority.ca))
            old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            old.maximum_version = version
            old.set_ciphers("DEFAULT:@SECLEVEL=0")
            with pytest.raises((ssl.SSLError, ConnectionResetError)):
                await asyncio.open_connection("127.0.0.1", endpoint.tls_port, ssl=old, server_hostname="127.0.0.1")

    with pytest.warns(DeprecationWarning):
        run(talk)


def test_files_that_cannot_be_used_are_one_clear_line(tmp_path: Path, authority: Authority) -> None:
    async def listen(options: TlsOptions) -> None:
        async with Endpoint(listening(options), pick_up, admit_all):
            pass

    missing = TlsOptions(certificate=str(tmp_path / "none.pem"))
    with pytest.raises(EndpointError, match=r"cannot use the TLS files: .*none.pem.*see \[sip.tls\]|No such file"):
        asyncio.run(listen(missing))
    other = authority.issue("x", file="other.pem")
    with pytest.raises(EndpointError, match="KEY_VALUES_MISMATCH"):
        asyncio.run(listen(TlsOptions(certificate=str(authority.issue("y")), key=str(other))))
    with pytest.raises(ValueError, match="needs 'certificate'"):
        TlsOptions(key="x")
    with pytest.raises(ValueError, match="needs 'ca'"):
        TlsOptions(certificate="x", clients="verified")


# Strangers


def test_a_handshake_that_never_ends_is_cut_off(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    async def talk() -> None:
        async with Endpoint(listening(authority.server()), pick_up, admit_all) as endpoint:
            silent, _ = await asyncio.open_connection("127.0.0.1", endpoint.tls_port)
            half, writer = await asyncio.open_connection("127.0.0.1", endpoint.tls_port)
            writer.write(b"\x16\x03\x01\x02\x00\x01")
            plain, talking = await asyncio.open_connection("127.0.0.1", endpoint.tls_port)
            talking.write(over_tls())
            for reader in (silent, half, plain):
                assert not (await received(reader)).startswith(b"SIP")
            monkeypatch.undo()
            reader, writer = await opened(endpoint, authority)
            assert await answered(reader, writer)
            writer.close()

    monkeypatch.setattr(connection, "HANDSHAKE_LIMIT", 0.2)
    run(talk)


async def received(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except (ConnectionResetError, ssl.SSLError):
        return b""


def test_handshakes_that_have_not_ended_count_against_their_source(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def talk() -> None:
        async with Endpoint(listening(authority.server()), pick_up, admit_all) as endpoint:
            held = [await asyncio.open_connection("127.0.0.1", endpoint.tls_port) for _ in range(3)]
            assert await received(held[2][0]) == b""
            for _, writer in held:
                writer.close()

    monkeypatch.setattr(streams, "MAX_OF_ONE_SOURCE", 2)
    run(talk)


def test_who_is_silent_after_the_handshake_is_cut_off(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    async def talk() -> None:
        async with Endpoint(listening(authority.server()), pick_up, admit_all) as endpoint:
            reader, _ = await opened(endpoint, authority)
            assert await reader.read() == b""

    monkeypatch.setattr(connection, "PARTIAL_LIMIT", 0.2)
    run(talk)


def test_a_bye_reaches_a_carrier_by_its_name_when_its_connection_is_gone(authority: Authority) -> None:
    """It called us, so its address alone is known, and its certificate is for its name."""
    carrier = replace(authority.server(), certificate=str(authority.issue("carrier.example", file="carrier.pem")))

    async def call() -> None:
        taken: list[Leg] = []
        async with (
            Endpoint(listening(authority.server()), taking(taken), admit_all) as agent,
            Endpoint(listening(carrier), pick_up, admit_all) as calling,
        ):
            leg, _ = await calling.invite(at(agent), ME, OFFER)
            await until(lambda: taken[0].phase is Phase.CONFIRMED)
            taken[0].known_as(at(calling, "carrier.example"))
            for stream in list(agent._transports._streams._open.values()):
                stream.close()
            await until(lambda: not agent._transports._streams._open)
            taken[0].hangup()
            assert (await last(leg)).how == "BYE"

    run(call)


def test_a_server_of_many_names_is_told_whom_we_call(authority: Authority) -> None:
    """SNI (RFC 6066 §3); an address is not told."""

    async def call() -> None:
        asked: list[str | None] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.server().certificate)
        context.sni_callback = lambda _socket, name, _context: asked.append(name)

        def close(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        server = await asyncio.start_server(close, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        async with server, Endpoint(listening(authority.client()), pick_up, admit_all) as phone:
            for host in ("localhost", "127.0.0.1"):
                with pytest.raises(CallFailed):
                    await phone.invite(Uri.parse(f"sip:x@{host}:{port};transport=tls"), ME, OFFER)
        assert (asked[0], asked[-1]) == ("localhost", None)

    run(call)


def test_a_port_in_use_is_told_with_the_option_of_the_port_for_tls(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = list[Transports]()
    listen_once = Transports._listen

    async def counted(transports: Transports) -> None:
        tries.append(transports)
        await listen_once(transports)

    monkeypatch.setattr(Transports, "_listen", counted)

    async def listen() -> None:
        tls = authority.server()
        async with Endpoint(listening(tls), pick_up, admit_all) as first:
            taken = replace(tls, port=first.tls_port)
            with pytest.raises(EndpointError) as error:
                async with Endpoint(listening(taken), pick_up, admit_all):
                    pass
        assert str(error.value) == (
            f"cannot listen on 127.0.0.1 port {taken.port}: Address already in use; "
            "stop the other program or set [sip.tls] port"
        )
        assert len(tries) == 2, "the port of UDP is free, so another one changes nothing"

    run(listen)
