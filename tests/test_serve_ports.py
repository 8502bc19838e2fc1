"""`sipgw serve` tells wrong ports, all at once, before it runs an event loop, so before it loads any model."""

import contextlib
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sipgw.cli import serve
from sipgw.cli.main import app

CONFIG = """
[sip]
host = "{host}"
port = {sip}
[web]
port = {web}
[agent]
stt = "local"
llm = "local"
tts = "local"
"""


@pytest.fixture(autouse=True)
def no_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event loop that begins fails the test.

    asyncio closes the socket on which signals are noted before it takes its handlers back: a signal between the two
    is reported as "Bad file descriptor".
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(serve, "run_main", lambda work: (work.close(), pytest.fail("the loop runs before")))


def test_all_ports_of_other_programs_are_told_at_once_before_anything_is_loaded(tmp_path: Path) -> None:
    with (
        contextlib.closing(socket.create_server(("127.0.0.1", 0))) as web,
        contextlib.closing(socket.socket(type=socket.SOCK_DGRAM)) as sip,
    ):
        sip.bind(("127.0.0.1", 0))
        ports = {"sip": sip.getsockname()[1], "web": web.getsockname()[1]}
        (tmp_path / "sipgw.toml").write_text(CONFIG.format(host="127.0.0.1", **ports))
        ran = CliRunner().invoke(app, ["serve"], env={"COLUMNS": "300"})
    assert ran.exit_code == 1, ran.output
    where = f"error: cannot listen on 127.0.0.1 port {ports['sip']}: Address already in use"
    assert f"{where}; stop the other program or set [sip] port\n" in ran.output
    assert f"error: the dashboard cannot listen on 127.0.0.1:{ports['web']}: Address already in use" in ran.output


def test_a_port_that_is_free_for_udp_alone_is_told_too(tmp_path: Path) -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as sip:
        (tmp_path / "sipgw.toml").write_text(CONFIG.format(host="127.0.0.1", sip=0, web=0))
        ran = CliRunner().invoke(app, ["serve", "--port", str(sip.getsockname()[1])], env={"COLUMNS": "300"})
    assert ran.exit_code == 1 and "stop the other program or set [sip] port" in ran.output, ran.output


def test_an_address_of_another_machine_is_told_with_what_to_set(tmp_path: Path) -> None:
    (tmp_path / "sipgw.toml").write_text(CONFIG.format(host="192.0.2.1", sip=0, web=0))
    ran = CliRunner().invoke(app, ["serve"], env={"COLUMNS": "300"})
    assert ran.exit_code == 1 and "set [sip] host to an address of this machine" in ran.output, ran.output
