"""``sipgw call`` as a person types it: baresip answers as a human, SIPp as a carrier that says why not."""

import subprocess
import sys
import wave
from pathlib import Path

import pytest

from media.g711 import to_linear
from tests.bench.answering import silence, tone
from tests.interop.baresip import Baresip
from tests.interop.scenario import reply, scenario, wanted
from tests.interop.served import CONFIG, GATE
from tests.outbound.test_machine_detection import talk
from tests.ports import free_ports, ports_of_sound
from tests.waiting import HANG, SIPP_LIMIT

VOICE = Path(__file__).parent.parent.parent / "sipgw" / "demo_voice"
TRUNK = """
[[trunks]]
name = "carrier"
mode = "register"
registrar = "127.0.0.1:{port}"
user = "gateway"
password = "${{SECRET}}"
caller_id = "+14155550199"
"""


def configured(folder: Path, port: int, more: str = "") -> None:
    more = TRUNK.format(port=port) + more
    sound = ports_of_sound()
    text = CONFIG.format(
        stt="local", llm="local", tts="local", port=free_ports(), first=sound[0], last=sound[-1],
        database=folder / "gateway.db", more=more,
    )  # fmt: skip
    (folder / "sipgw.toml").write_text(text + GATE)
    (folder / ".env").write_text("SECRET=s3cret-word\n")


def sipgw_call(folder: Path, *arguments: str, number: str = "+14155550100") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sipgw", "call", number, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=HANG, check=False)


def padded(source: Path, target: Path, before: int, after: int) -> None:
    subprocess.run(["sox", source, "-e", "signed", "-b", "16", target, "pad", str(before), str(after)], check=True)


@pytest.mark.programs("baresip", "sox")
def test_baresip_is_called_listens_and_says_goodbye(tmp_path: Path) -> None:
    port = free_ports()
    configured(tmp_path, port, 'number_format = "as_dialled"\n')
    padded(VOICE / "goodbye.wav", tmp_path / "said.wav", 5, 20)
    (tmp_path / "phone").mkdir()
    phone = Baresip(tmp_path / "phone", tmp_path / "said.wav", "", account=";answermode=auto", port=port)
    with phone.waiting():
        ran = sipgw_call(tmp_path, number="caller")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    said = [line.split(maxsplit=1) for line in ran.stdout.splitlines()]
    milestones = ["calling", "answered", "ended"]
    assert [line[0] for line in said if line[0] in milestones] == milestones
    assert said[0] == ["calling", "caller through carrier"]
    assert ["agent", "Hello, this is Acme Store. Do you have a moment?"] in said
    assert any(line[0] == "person" for line in said)
    assert said[-1][1].startswith("agent hung up"), ran.stdout


@pytest.mark.programs("baresip", "sox")
def test_baresip_as_an_answering_machine_gets_a_message(tmp_path: Path) -> None:
    """A long greeting and a beep; then it listens."""
    port = free_ports()
    configured(tmp_path, port, 'number_format = "as_dialled"\n')
    text = (tmp_path / "sipgw.toml").read_text().replace("[agent]", '[agent]\nanswering_machines = "message"')
    (tmp_path / "sipgw.toml").write_text(text)
    sound = silence(0.5) + talk(4.0) + silence(0.6) + tone(1000, 0.4, 8000) + silence(120)
    with wave.open(str(tmp_path / "said.wav"), "wb") as said:
        said.setparams((1, 2, 8000, 0, "NONE", ""))
        said.writeframes(to_linear(sound))
    (tmp_path / "phone").mkdir()
    phone = Baresip(tmp_path / "phone", tmp_path / "said.wav", "", account=";answermode=auto", port=port)
    with phone.waiting():
        ran = sipgw_call(tmp_path, number="caller")
    assert ran.returncode == 18, ran.stdout + ran.stderr
    assert "it is     a machine" in ran.stdout
    assert "agent     Hello, this is Acme Store. We could not reach you." in ran.stdout


@pytest.mark.programs("sipp")
@pytest.mark.parametrize(
    ("status", "reason", "code", "says"),
    [(486, "Busy Here", 10, "busy"), (480, "Temporarily Unavailable", 11, "no answer"),
     (603, "Decline", 12, "declined"), (404, "Not Found", 13, "wrong number"), (500, "Oops", 20, "failed")],
)  # fmt: skip
def test_sipp_tells_why_not(tmp_path: Path, status: int, reason: str, code: int, says: str) -> None:
    port = free_ports()
    configured(tmp_path, port)
    steps = (
        wanted("INVITE", P_Asserted_Identity="14155550199"),
        reply(180, "Ringing"),
        reply(status, reason),
        wanted("ACK"),
    )
    (tmp_path / "uas.xml").write_text(scenario(*steps).replace("[last_To:]", "[last_To:];tag=[pid]T[call_number]"))
    command = [
        "sipp",
        "-sf",
        "uas.xml",
        "-i",
        "127.0.0.1",
        "-p",
        str(port),
        "-m",
        "1",
        "-nostdin",
        "-timeout",
        SIPP_LIMIT,
    ]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as sipp:
        ran = sipgw_call(tmp_path)
        assert sipp.wait(HANG) == 0, ran.stdout + ran.stderr
    assert ran.returncode == code, ran.stdout + ran.stderr
    assert "ringing" in ran.stdout
    assert f"ended     {says}: callee: {status} ({reason})" in ran.stdout


def test_wrong_commands_are_told(tmp_path: Path) -> None:
    configured(tmp_path, free_ports())
    for arguments, code, problem in (
        (["--var", "name"], 2, "write it as name=value"),
        (["--var", "name=Ann"], 2, "the agent has no variable 'name'"),
        (["--trunk", "moon"], 2, "there is no trunk 'moon'"),
        (["--agent", "nobody"], 2, "there is no agent 'nobody'"),
        (["--config", "missing.toml"], 1, "cannot read missing.toml"),
    ):
        ran = sipgw_call(tmp_path, *arguments)
        assert ran.returncode == code
        assert problem in ran.stderr
