"""TLS with programs of others: baresip both ways, Linphone, OpenSSL's own client, and SIPp's calls."""

import asyncio
import contextlib
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest

from sipgw.sip.endpoint import CallFailed, Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.events import Ended
from sipgw.sip.offer_answer import LocalMedia, make_offer
from sipgw.sip.tls import TlsOptions
from sipgw.sip.uri import Uri
from tests.interop.baresip import Baresip
from tests.interop.linphone import Linphone
from tests.interop.served import served
from tests.interop.test_sipp import sipp
from tests.interop.test_srtp import TRUNK
from tests.ports import free_ports
from tests.sip.certificates import Authority
from tests.sip.test_endpoint import OPTIONS, admit_all
from tests.waiting import HANG


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@contextlib.contextmanager
def running(module: str, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen([sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(HANG)


@contextlib.contextmanager
def answering(authority: Authority, name: str = "127.0.0.1") -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Our user agent and its TLS port."""
    certificate = authority.issue(name)
    with running("tests.interop.autoanswer", "0", "90", str(certificate)) as process:
        assert process.stdout
        yield process, process.stdout.readline().split()[2]


def silence(folder: Path) -> Path:
    path = folder / "silence.wav"
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(bytes(16000 * 10))
    return path


@pytest.mark.programs("baresip")
def test_baresip_calls_over_tls(authority: Authority, tmp_path: Path) -> None:
    folder = tmp_path / "phone"
    folder.mkdir()
    with answering(authority) as (process, port):
        target = f"sip:agent@127.0.0.1:{port};transport=tls"
        phone = Baresip(folder, silence(folder), target, "tls", f"sip_cafile {authority.ca}\n")
        printed = phone.call(4)
        assert "Call established" in printed
        assert process.stdout
        assert process.stdout.readline().split() == ["call", "tls", "TLS"]


@pytest.mark.programs("linphone")
@pytest.mark.parametrize("trusted", [True, False])
def test_linphone_calls_over_tls_if_it_trusts_our_authority(
    authority: Authority, tmp_path: Path, trusted: bool
) -> None:
    """Linphone checks the name too; an address as a name it does not know."""
    folder = tmp_path / "phone"
    folder.mkdir()
    ca = authority.ca if trusted else Authority(folder).ca
    with answering(authority, "localhost") as (process, port):
        target = f"sip:agent@localhost:{port};transport=tls"
        printed = Linphone(folder, silence(folder), target, free_ports(), ca).call(3)
        assert ("connected." in printed) is trusted, printed
        assert ("Certificate verification failed" in printed) is not trusted
    assert process.stdout
    assert ("call tls TLS" in process.stdout.read()) is trusted


@pytest.mark.programs("baresip")
@pytest.mark.parametrize("trusted", [True, False])
def test_we_call_baresip_over_tls_if_its_certificate_is_good(
    authority: Authority, tmp_path: Path, trusted: bool
) -> None:
    folder = tmp_path / "phone"
    folder.mkdir()
    port = free_ports()
    certificate = (authority if trusted else Authority(folder)).issue("127.0.0.1")
    phone = Baresip(
        folder, silence(folder), "", "tls", f"sip_certificate {certificate}\n", ";answermode=auto", port=port
    )

    async def call() -> None:
        options = EndpointOptions("127.0.0.1", 0, tls=TlsOptions(0, ca=str(authority.ca)))
        target = Uri.parse(f"sip:caller@127.0.0.1:{port + 1};transport=tls")
        async with asyncio.timeout(HANG), Endpoint(options, lambda leg: None, admit_all) as endpoint:
            leg, answer = await endpoint.invite(
                target, "<sip:agent@127.0.0.1>", make_offer(LocalMedia("127.0.0.1", 4000, tls=False))
            )
            assert answer is not None
            assert b"PCMU" in answer
            leg.hangup()
            async for event in leg.events():
                assert event == Ended("gateway", "BYE") or isinstance(event, Ended)

    with phone.waiting():
        if trusted:
            asyncio.run(call())
        else:
            with pytest.raises(CallFailed, match="certificate not accepted"):
                asyncio.run(call())


@pytest.mark.programs("openssl")
@pytest.mark.parametrize(("version", "works"), [("-tls1_3", True), ("-tls1_2", True), ("-tls1_1", False)])
def test_openssl_speaks_to_us(authority: Authority, version: str, works: bool) -> None:
    with answering(authority) as (_, port):
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", str(authority.ca), version]
        command += ["-verify_return_error", "-verify_ip", "127.0.0.1", "-quiet", "-no_ign_eof"]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdin
        assert process.stdout
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(OPTIONS.replace(b"/TCP", b"/TLS"))
            process.stdin.flush()
        assert process.stdout.readline().startswith(b"SIP/2.0 200") is works
        process.kill()
        process.communicate()


@pytest.mark.programs("sipp")
def test_sipps_calls_through_one_tls_connection(authority: Authority, tmp_path: Path) -> None:
    """Debian's SIPp is built without OpenSSL, so its TCP connection is led through TLS."""
    with answering(authority) as (_, port), running("tests.interop.tls_bridge", port, str(authority.ca)) as bridge:
        assert bridge.stdout
        sipp(
            bridge.stdout.readline().split()[1],
            tmp_path,
            "-sn",
            "uac",
            "-t",
            "t1",
            "-r",
            "50",
            "-m",
            "200",
            "-d",
            "200",
        )


@pytest.mark.programs("baresip")
def test_a_gateway_with_tls_and_srtp_in_its_configuration_serves_baresip(authority: Authority, tmp_path: Path) -> None:
    folder, port = tmp_path / "phone", free_ports()
    folder.mkdir()
    certificate = authority.issue("127.0.0.1")
    tls = f'[sip.tls]\nport = {port}\ncertificate = "{certificate}"\n'
    with served(tmp_path, tls + TRUNK.format(policy="required")) as gateway:
        target = f"sip:agent@127.0.0.1:{port};transport=tls"
        more = f"sip_cafile {authority.ca}\nmodule srtp.so\n"
        phone = Baresip(folder, silence(folder), target, "tls", more, ";mediaenc=srtp-mand")
        printed = phone.call(5)
        assert "Call established" in printed
        (call,) = gateway.calls(1)
        assert call["ending"] == "caller_hung_up"
        assert call["media"]["unauthentic"] == 0
        assert any(phone.heard()), "the greeting was spoken"
