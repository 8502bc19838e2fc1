"""The support bundle: useful, and without a secret, a name, a number or a word of the callers."""

import dataclasses
import gzip
import io
import json
import socket
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from sipgw.cli.main import app
from sipgw.config.config import GatewayConfig, parse
from sipgw.config.masking import secrets_of
from sipgw.records.captures.support import LOG_BYTES, bundle

pytestmark = pytest.mark.slow

VARIABLES = {name: f"s3cret-{name.lower()}-42" for name in ("TRUNK", "PHONE", "AAI", "OPENAI", "ELEVEN", "WEB", "ODD")}
VARIABLES["ODD"] = 'a"b\\c<ß>'
TOML = """
[[trunks]]
name = "carrier"
mode = "register"
registrar = "sip:sip.example.com"
user = "100"
password = "${TRUNK}"
[[accounts]]
user = "desk"
password = "${PHONE}"
[assemblyai]
api_key = "${AAI}"
[openai]
api_key = "${OPENAI}"
[elevenlabs]
api_key = "${ELEVEN}"
[cartesia]
api_key = "${ODD}"
[web]
password = "${WEB}"
"""
CONFIG = parse(TOML, "sipgw.toml", VARIABLES)
SECRET_WORDS = "my card number is four one one one"
INVITE = (
    'INVITE sip:+15550109876@gw.example.com SIP/2.0\r\nFrom: "Ann Caller" <sip:+15550101234@example.com>;tag=1\r\n'
    'To: Bob Called <tel:+15550109876>\r\nP-Asserted-Identity: "Ann \\"x\\" Caller" <sip:5550101234@x;user=phone>\r\n'
    'Authorization: Digest username="100", response="deadbeef"\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\r\n'
    "v=0\r\no=- 1700000000 1700000000 IN IP4 192.0.2.1\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"
    "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n"
)
TURN = {
    "t": 3.0, "caller": SECRET_WORDS, "said": SECRET_WORDS, "heard": SECRET_WORDS, "interrupted": False,
    "tools": [{"name": "pay", "arguments": SECRET_WORDS, "result": SECRET_WORDS}], "latency_ms": {"total": 900},
}  # fmt: skip
CALL: dict[str, Any] = {
    "call": "1@+15550101234", "began": "2026-01-02T00:00:00+00:00", "caller": "+15550101234", "called": "+15550109876",
    "name": "Ann Caller", "answered": 1.0, "ending": {"kind": "silence", "cause": "the caller said nothing"},
    "turns": [TURN], "quality": [[5.0, 4.2, 0.0, 0.0, 0.0, 0.0]],
    "events": [{"t": 2.0, "kind": "tool", "text": SECRET_WORDS}, {"t": 9.0, "kind": "ended", "text": "silence"}],
    "media": {"mos": 4.2, "recording": {"file": "/var/private/+15550101234.wav"}},
    "sip": {"messages": [{"t": 0.0, "out": False, "peer": "192.0.2.1:5060", "transport": "udp", "start": "INVITE",
                          "text": INVITE}], "left_out": 0},
}  # fmt: skip


def inside(made: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(made)) as file:
        return {name: file.read(name).decode() for name in file.namelist()}


def everything(**more: Any) -> dict[str, str]:
    log = f"registration failed password={VARIABLES['TRUNK']} from +15550101234\n" + VARIABLES["WEB"]
    return inside(bundle({"sipgw": CONFIG, "sales": CONFIG}, [CALL], log=log, metrics="m 1", **more))


def test_no_secret_of_the_configuration_is_inside() -> None:
    secrets = secrets_of(CONFIG)
    assert secrets == set(VARIABLES.values())
    for name, text in everything().items():
        for secret in secrets:
            assert secret not in text and json.dumps(secret)[1:-1] not in text, name
        assert "deadbeef" not in text and "WVNfX19" not in text, name


def test_no_name_number_or_word_of_a_caller_is_inside() -> None:
    for name, text in everything().items():
        for private in ("Ann", "Bob Called", "5550101", "5550109", SECRET_WORDS, "/var/private"):
            assert private not in text, (name, private)


NUMBERS = (
    "number:+14155550123", "+1 415 555 0123", "+1 (415) 555-0123", "(415) 555-0123", "415-555-0123.", "415.555.0123",
    "014155550123.", "tel:+1-415-555-0123", "<sip:+14155550123;npdi@x>", "0049 4155 550123", "caller=14155550123",
    "(415)5550123", "(415)555-0123", "415/555/0123", "030/41555123",
)  # fmt: skip


@pytest.mark.faults("C8")
@pytest.mark.parametrize("spelling", NUMBERS)
def test_a_number_is_masked_however_it_is_spelled(spelling: str) -> None:
    log = f"2026-01-02 18:22:55 [info] call began {spelling} 192.0.2.10:5060 mos 4.21"
    text = inside(bundle({}, [], log=log))["log.txt"]
    digits = "".join(one for one in text.partition("began")[2].partition("192")[0] if one.isdigit())
    assert digits == "123"
    assert "2026-01-02 18:22:55" in text and "192.0.2.10:5060 mos 4.21" in text


@pytest.mark.faults("C8")
def test_whom_callers_are_handed_over_to_and_who_took_part_is_not_inside() -> None:
    config = parse(
        """
        [[trunks]]
        name = "pbx"
        mode = "peer"
        networks = ["10.0.0.0/8"]
        transfer_to = "+14155550123"
        [[people]]
        name = "anna"
        about = "Anna Example"
        to = "+1 415 555 0123"
        [[people]]
        name = "bob"
        to = "sip:bob.example@10.0.0.9"
        """, "x", {},
    )  # fmt: skip
    log = (
        "call began caller='Ann Caller' called=agent who=bob.example\ncaller: John Smith <sip:john.smith@x> Ann Caller"
    )
    made = inside(bundle({"sipgw": config}, [CALL], log=log))
    for name, text in made.items():
        for private in (
            "415555012",
            "415 555 012",
            '"anna"',
            '"bob',
            "bob.example",
            "John",
            "Smith",
            "john.smith",
            "Ann",
        ):
            assert private not in text, (name, private)
    assert "10.0.0.0/8" in made["config/sipgw.json"]


@pytest.mark.faults("C8")
@pytest.mark.parametrize("name", ["e", "1", '"', "to", "sip", "kind", "began", "Lin"])
def test_a_callers_name_destroys_nothing_in_the_bundle(name: str) -> None:
    """Whoever calls chooses it."""
    log = "2026-01-02 18:22:55 [info] Linux line began"
    made = inside(bundle({"sipgw": CONFIG}, [CALL | {"name": name}], log=log, metrics="sipgw_calls 1"))
    plain = inside(bundle({"sipgw": CONFIG}, [CALL | {"name": ""}], log=log, metrics="sipgw_calls 1"))
    assert made.keys() == plain.keys()
    assert made["metrics.txt"] == "sipgw_calls 1" and made["config/sipgw.json"] == plain["config/sipgw.json"]
    assert json.loads(made["versions.json"])["packages"] == json.loads(plain["versions.json"])["packages"]
    assert json.loads(made["calls/00.json"]).keys() == json.loads(plain["calls/00.json"]).keys()
    assert "2026-01-02 18:22:55 [info] Linux line" in made["log.txt"]


@pytest.mark.faults("C8")
def test_names_without_quotes_and_what_trunks_tell_are_masked() -> None:
    log = "call began caller=Ann Smith called=agent mos=4.2\nname=Ann Mary O'Hara Reason=x"
    trunk = SimpleNamespace(name="carrier", problem="no answer for sip:+14155550123@x", seen=("(415)5550123",), up=True)
    made = inside(bundle({}, [], trunks=[trunk], log=log))
    for private in ("Ann", "Smith", "O'Hara"):
        assert private not in made["log.txt"]
    assert "mos=4.2" in made["log.txt"] and "Reason=x" in made["log.txt"]
    assert "5550" not in made["trunks.json"]
    assert json.loads(made["trunks.json"])[0]["up"] is True


@pytest.mark.faults("C8")
@pytest.mark.parametrize("name", ["Alice Smith 4930123456", "+49 30 123456 Alice Smith", "sip", "From", "caller"])
def test_a_name_with_a_number_in_it_is_masked_whole_and_one_that_is_a_word_of_sip_unmasks_nobody(name: str) -> None:
    log = f"call began {name}\nsip:john.smith@x\nFrom: Alice Smith <sip:1@x>\ncaller: Alice Smith"
    text = inside(bundle({}, [CALL | {"name": name}], log=log))["log.txt"]
    for private in ("Alice", "Smith", "smith", "493012", "49 30"):
        assert private not in text


@pytest.mark.faults("C8")
def test_a_secret_with_a_number_in_it_is_masked_whole() -> None:
    config = parse(TOML, "x", VARIABLES | {"WEB": "hunter/+4930123456"})
    text = inside(bundle({"sipgw": config}, [], log="wrong: hunter/+4930123456"))["log.txt"]
    assert text == "wrong: ***"


@pytest.mark.faults("C8")
def test_what_is_said_in_a_call_that_goes_on_is_not_inside() -> None:
    made = inside(bundle({}, [CALL | {"going": [TURN | {"t": 9.0}]}]))
    assert SECRET_WORDS not in "".join(made.values())
    (going,) = json.loads(made["calls/00.json"])["going"]
    assert going["t"] == 9.0 and going["said_length"] == len(SECRET_WORDS)


LINE = {
    "event": "call began Jürgen Möller caller=ann.smith 192.0.2.10:5060", "level": "info", "mos": 4.2,
    "timestamp": "2026-01-02T18:22:55.123456Z", "to": "Alice Smith", "who": "bob", "target": "alice", "trunk": "pbx",
    "called": 14155550123, "from": ["carol", {"x": "dan"}], "callee": None, "deep": {"name": "Eve", "+14155550123": 1},
    "number": 14155550123, "packets": 1500, "up": True, "Caller": "zoë",
    "exception": "Traceback\n  who='frank o\"hara'\nTo: Grace <sip:1@x>",
}  # fmt: skip


@pytest.mark.faults("C8")
@pytest.mark.parametrize("escaped", [True, False])
@pytest.mark.parametrize("head", ["", "gateway-1  | "])
def test_a_log_in_json_tells_no_name_and_no_number_and_is_still_json(head: str, escaped: bool) -> None:
    log = f"{head}{json.dumps(LINE, ensure_ascii=escaped)}\n{head}{{}}\nplain line\n"
    text = inside(bundle({}, [CALL | {"name": "Jürgen Möller"}], log=log))["log.txt"]
    lines = text.split("\n")
    assert lines[1:] == [f"{head}{{}}", "plain line", ""]
    told = json.loads(lines[0].removeprefix(head))
    whole = json.dumps(told, ensure_ascii=False)
    for name in (
        "rgen",
        "ller ",
        "smith",
        "Smith",
        "bob",
        "lice",
        "zo",
        "carol",
        "dan",
        "Eve",
        "4155550",
        "hara",
        "Grace",
    ):
        assert name not in whole, name
    assert told["event"] == "call began *** caller=*** 192.0.2.10:5060"
    assert (told["called"], told["number"], told["callee"]) == ("***123", "***123", None)
    same = "level", "timestamp", "mos", "trunk", "packets", "up"
    assert {name: told[name] for name in same} == {name: LINE[name] for name in same}


@pytest.mark.faults("C8")
def test_a_line_of_json_that_is_cut_tells_no_name_either() -> None:
    """The log is read while it is written, and from the middle."""
    line = json.dumps({"event": "call began", "to": "alice smith", "who": "bob jones"})
    text = inside(bundle({}, [], log=f"{line}\n{line[:-4]}\n{line[:-2]}"))["log.txt"]
    assert "alice" not in text and "bob" not in text
    cut = inside(bundle({}, [], log=f"{line}\n{'x' * (LOG_BYTES - 30)}"))["log.txt"]
    assert cut.strip("x") == "", "a line whose beginning is cut off is left out"


@pytest.mark.faults("C8")
@pytest.mark.parametrize(
    "line",
    [
        "signed in user=alice mos=4.2",
        "signed in account='alice' mos=4.2",
        """call began identity={'name': 'alice', 'number': None, 'user': "o'alice", 'mos': 4.2}""",
        """call began identity={'who': {'x': 'alice'}, 'from': ['b', 'alice'], "user": 'al\\'alice'} mos=4.2""",
        """{"event": "began {'caller': 'alice'", "user": "alice", "deep": {"username": ["alice"]}, "mos": 4.2}""",
        """cut off mos=4.2 {'user': 'alice smi""",
    ],
)
def test_names_in_dictionaries_as_python_shows_them_and_of_users_are_masked(line: str) -> None:
    text = inside(bundle({}, [], log=line))["log.txt"]
    assert "alice" not in text and "4.2" in text


def test_what_helps_is_inside() -> None:
    files = everything()
    assert json.loads(files["config/sipgw.json"])["trunks"][0]["registrar"] == "sip:sip.example.com"
    assert json.loads(files["config/sipgw.json"])["trunks"][0]["password"] == "***"
    assert "config/sales.json" in files and files["metrics.txt"] == "m 1"
    assert json.loads(files["versions.json"])["packages"]["structlog"]
    call = json.loads(files["calls/00.json"])
    assert call["turns"][0]["latency_ms"] == {"total": 900} and call["turns"][0]["said_length"] == len(SECRET_WORDS)
    assert "said nothing" in call["explained"][0]["what"]
    ladder = files["calls/00.sip.txt"]
    assert "INVITE sip:***876@gw.example.com SIP/2.0" in ladder and "<sip:***234@example.com>;tag=1" in ladder
    assert "CSeq: 1 INVITE" in ladder and "IN IP4 192.0.2.1" in ladder


@pytest.mark.parametrize(
    "call", [{}, {"sip": {"messages": [{}]}}, {"turns": [{}], "events": [{}]}, {"ending": {}, "began": ""}]
)
def test_calls_that_are_odd_are_no_fault(call: dict[str, Any]) -> None:
    assert "calls/00.json" in inside(bundle({"sipgw": GatewayConfig()}, [call]))


def test_only_so_much_of_calls_and_log() -> None:
    files = inside(bundle({"sipgw": GatewayConfig()}, [CALL] * 500, log="x" * 10_000_000))
    assert len(files) < 120 and len(files["log.txt"]) <= 2 << 20


def test_the_command_needs_no_gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "sipgw.toml").write_text(TOML.replace("[web]", "[web]\nport = 1"))
    calls = tmp_path / "sipgw.db.calls"
    calls.mkdir()
    (calls / "a.json.gz").write_bytes(gzip.compress(json.dumps(CALL).encode()))
    (calls / "b.json.gz").write_bytes(b"broken")
    (tmp_path / "log").write_text("a line\n")
    ran = CliRunner().invoke(app, ["support", "--log", "log"])
    assert ran.exit_code == 0, ran.output
    files = inside((tmp_path / "sipgw-support.zip").read_bytes())
    assert "calls/00.sip.txt" in files and "calls/01.json" not in files and files["log.txt"] == "a line\n"
    assert not [text for text in files.values() for secret in VARIABLES.values() if secret in text]


def test_another_program_at_the_port_of_the_dashboard_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as other, ThreadPoolExecutor() as threads:
        (tmp_path / "sipgw.toml").write_text(f"[web]\nport = {other.getsockname()[1]}\n")
        threads.submit(greet, other)
        ran = CliRunner().invoke(app, ["support"])
    assert ran.exit_code == 0, ran.exception
    assert not inside((tmp_path / "sipgw-support.zip").read_bytes())["metrics.txt"]


def greet(listening: socket.socket) -> None:
    """Take one connection as an SSH server does."""
    connection, _ = listening.accept()
    with connection:
        connection.recv(4096)
        connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")


def test_every_secret_option_is_hidden_by_its_dataclass() -> None:
    """The masks rest on this: an option whose name says that it is secret is hidden from the repr."""

    def look(options: Any) -> None:
        for one in dataclasses.fields(options):
            if one.name in ("password", "api_key", "secret_key", "session_token", "token"):
                assert not one.repr, (type(options), one.name)
            value = getattr(options, one.name)
            for item in value if isinstance(value, tuple) else (value,):
                if dataclasses.is_dataclass(item):
                    look(item)

    look(CONFIG)
