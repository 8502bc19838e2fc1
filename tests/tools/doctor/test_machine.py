# mypy: disable-error-code="arg-type"
"""What is wrong with this machine, the STUN server, and that no secret is ever shown."""

import asyncio
import json
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from media.process.engine import MediaOptions
from sipgw.cli.main import app
from sipgw.config.config import GatewayConfig, parse
from sipgw.config.masking import secrets_of
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.tls import TlsOptions
from sipgw.tools.doctor import machine, run
from sipgw.tools.doctor.audio import signal, tonality
from sipgw.tools.doctor.catalogue import CATALOGUE
from sipgw.tools.doctor.finding import bad, masked
from tests.tools.doctor.broken import PASSWORD, SHORT, SIP, Faults, broken, ids, on_loop, peer


async def examined(**more: Any) -> set[str]:
    config = GatewayConfig(**({"sip": SIP, "media": MediaOptions("127.0.0.1", (41000, 43000))} | more))
    return {one.id async for one in machine.examine(config, SHORT) if one.verdict != "ok"} - {"local.descriptors"}


@on_loop
async def test_a_sound_machine() -> None:
    assert await examined() == set()


@on_loop
async def test_ports_that_are_taken_and_ranges_that_are_too_small() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert await examined(sip=EndpointOptions("127.0.0.1", port)) == {"local.sip-port"}
        few = replace(peer("127.0.0.1"), max_calls=1)
        media = MediaOptions("127.0.0.1", (port - port % 2, port - port % 2 + 1))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as even:
            if port % 2:
                even.bind(("127.0.0.1", port - 1))
            assert await examined(trunks=(few,), media=media) == {"local.rtp-ports"}
    assert await examined(media=MediaOptions("127.0.0.1", (41000, 41009))) == {"local.rtp-range"}


@on_loop
async def test_an_address_that_is_not_of_this_machine() -> None:
    assert await examined(sip=EndpointOptions("192.0.2.77", 5060)) == {"local.sip-host"}
    config = GatewayConfig(sip=EndpointOptions("192.0.2.77", 5060), trunks=(peer("127.0.0.1"),))
    found = [one async for one in run.examine(config, run.ExaminationOptions(providers=False, patience=SHORT))]
    assert "local.sip-host" in {one.id for one in found}, "and the trunks are not asked from nowhere"


@on_loop
async def test_tls_files_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "x.pem").write_text("nothing")
    tls = TlsOptions(0, certificate=str(tmp_path / "x.pem"))
    assert await examined(sip=EndpointOptions("127.0.0.1", 0, tls=tls)) == {"local.tls-files"}


class Stun(asyncio.DatagramProtocol):
    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        value = b"\0\1" + addr[1].to_bytes(2, "big") + bytes([203, 0, 113, 9])
        self.transport.sendto(b"\1\1\0\x0c" + data[4:20] + b"\0\1\0\x08" + value, addr)


@on_loop
async def test_stun() -> None:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Stun, ("127.0.0.1", 0))
    server = f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"
    assert await examined(sip=replace(SIP, stun_server=server)) == set()
    assert await examined(sip=replace(SIP, stun_server=server, public_address="198.51.100.1")) == {"stun.other"}
    transport.close()
    assert await examined(sip=replace(SIP, stun_server=server)) == {"stun.silent"}


def test_secrets_of_a_configuration_are_masked_wherever_they_turn_up() -> None:
    trunk = '[[trunks]]\nname="t"\nmode="peer"\nnetworks=["127.0.0.0/8"]\npassword="${P}"\n'
    text = trunk + '[openai]\napi_key="${K}"\n'
    secrets = secrets_of(parse(text, "x", {"P": PASSWORD, "K": "sk-hush"}))
    assert {PASSWORD, "sk-hush"} <= secrets
    told = masked(bad("options.down", "t", f"503 {PASSWORD} and sk-hush"), secrets)
    assert told.evidence == "503 *** and ***"


def test_our_own_signal_is_known_and_nothing_else_is() -> None:
    ours = b"".join(signal(frame) for frame in range(8))
    assert tonality(ours) > 0.95
    assert tonality(b"\xff" * 1280) == 0
    assert tonality(bytes(range(256)) * 5) < 0.25


def config_of(place: str) -> str:
    return (
        '[sip]\nhost = "127.0.0.1"\nport = 0\n[[trunks]]\nname = "t"\nmode = "register"\n'
        f'registrar = "{place}"\nuser = "acme"\npassword = "${{P}}"\n'
    )


@pytest.mark.parametrize(("fault", "status"), [("ok", 0), ("forbidden", 1)])
@on_loop
async def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, status: int) -> None:
    monkeypatch.setenv("P", PASSWORD)
    async with broken(Faults(register=fault)) as carrier:
        file = tmp_path / "x.toml"
        file.write_text(config_of(carrier.place))
        ran = await asyncio.to_thread(CliRunner().invoke, app, ["doctor", "t", "-c", str(file), "--json"])  # noqa: TID251
    assert ran.exit_code == status, ran.output
    assert PASSWORD not in ran.output
    found = json.loads(ran.output)
    assert {"id", "verdict", "about", "evidence", "cause", "fix"} == set(found[0])
    assert ("register.refused" in {one["id"] for one in found}) == bool(status)


def test_without_a_trunk_that_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text('[sip]\nhost = "127.0.0.1"\nport = 0\n[agent]\nstt = "local"\nllm = "local"\n')
    ran = CliRunner().invoke(app, ["doctor", "-c", str(tmp_path / "x.toml"), "--no-providers"])
    assert ran.exit_code == 0
    assert "trunk.none" in ran.output and "sipgw init" in ran.output


def test_bad_input_is_one_line_and_status_2(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text(config_of("127.0.0.1").replace("${P}", ""))
    for arguments in (["nobody"], ["--call", "600"]):
        ran = CliRunner().invoke(app, ["doctor", *arguments, "-c", str(file)])
        assert ran.exit_code == 2
        assert len(ran.output.strip().splitlines()) == 1
    assert ids([]) == set()


def test_the_page_lists_every_finding() -> None:
    page = Path("docs/doctor.md").read_text()
    assert [id_ for id_ in CATALOGUE if f"| `{id_}` |" not in page] == []
