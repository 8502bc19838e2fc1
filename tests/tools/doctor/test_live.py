# mypy: disable-error-code="arg-type"
"""What providers and services say is recorded without what is private, and the fakes are held against recordings."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agent.providers.openai import LLM
from agent.providers.openai_client import OpenAIOptions
from agent.providers.provider import Provider
from sipgw.cli.main import app
from sipgw.config.agent import AgentOptions
from sipgw.config.config import GatewayConfig
from sipgw.config.registry import every
from sipgw.tools.doctor import providers
from sipgw.tools.doctor.live import LoopbackProxy, _Connection, _stream, redacted, taken_down
from tests.fakes.servers import KEY, VARIANTS, server_of
from tests.fakes.shapes import deviations

FIXTURES = Path(__file__).parents[2] / "data" / "live"
"""Recordings of the real services; whoever has keys adds some (docs/providers/own.md)."""
SERVICES = [one for one in every() if not one.embedded and one.name != "openai_backup"]


def recorded(record: Provider, folder: Path, variant: str = "") -> dict[str, Any]:
    """Of the fake of a provider, or of the one of its other protocol `variant`."""

    async def run() -> list[str]:
        server = server_of(record, variant)
        assert server is not None
        async with server() as told:
            chosen = {record.part: record.name}
            embedded = dict.fromkeys(("stt", "llm", "tts"), "local")
            config = GatewayConfig().having(
                **{record.section: record.having(record.options(), **told)}, agent=AgentOptions(**embedded | chosen)
            )
            return [one.evidence async for one in providers.examine(config, folder)]

    evidence = asyncio.run(run())
    path = folder / f"{record.section}.json"
    assert path.exists(), evidence
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@pytest.mark.slow
@pytest.mark.parametrize("record", SERVICES, ids=lambda one: f"{one.part}-{one.name}")
def test_what_is_said_is_recorded_without_what_is_private(record: Provider, tmp_path: Path) -> None:
    found = recorded(record, tmp_path)
    text = json.dumps(found)
    for private in (KEY, "on its way", "is my", "telephone", "127.0.0.1", "thalia"):
        assert private not in text
    said = found["messages"]
    assert said[0]["what"] == "request" and {one["from"] for one in said} == {"client", "server"}
    assert any(one["what"] in ("event", "text", "binary", "body") and one["from"] == "server" for one in said)
    assert not [one for one in said if one.get("status") in (401, 403)], "a signature names the service"
    assert len(said) < 60, "one of each shape"
    assert found["provider"] == f"{record.part}:{record.name}"
    assert deviations(said, said) == []


def held_against(real: dict[str, Any], folder: Path) -> list[str]:
    """The deviations of the fake of that protocol: the one that fits best."""
    record = next(one for one in SERVICES if f"{one.part}:{one.name}" == real["provider"])
    fakes = [recorded(record, folder, variant)["messages"] for variant in ("", *VARIANTS.get(record.section, ()))]
    return min((deviations(one, real["messages"]) for one in fakes), key=len)


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.json")), ids=lambda one: one.stem)
def test_a_fake_says_what_the_service_said(path: Path, tmp_path: Path) -> None:
    assert held_against(json.loads(path.read_text()), tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize(("section", "variant"), [(name, one) for name, more in VARIANTS.items() for one in more])
def test_a_recording_is_held_against_the_fake_of_its_protocol(section: str, variant: str, tmp_path: Path) -> None:
    record = next(one for one in SERVICES if one.section == section)
    real = recorded(record, tmp_path, variant)
    assert held_against(real, tmp_path) == []
    said = next(
        one for one in reversed(real["messages"]) if one["from"] == "server" and isinstance(one.get("body"), dict)
    )
    assert held_against(real | {"messages": [one for one in real["messages"] if one is not said]}, tmp_path) != []


@pytest.mark.slow
def test_a_fake_that_deviates_is_found(tmp_path: Path) -> None:
    record = next(one for one in SERVICES if one.section == "deepgram")
    real = recorded(record, tmp_path)["messages"]
    turn = next(one for one in real if one.get("body", {}).get("type") == "TurnInfo")
    others = [one for one in real if one.get("body", {}).get("type") != "TurnInfo"]

    def of(**changed: Any) -> list[str]:
        body = {name: value for name, value in (turn["body"] | changed).items() if value != "left out"}
        return deviations([*others, {**turn, "body": body}], real)

    assert of() == []
    assert any("transcript is missing" in one for one in of(transcript="left out"))
    assert any("there is no speaker" in one for one in of(speaker=1))
    assert any("transcript is a text and not a number" in one for one in of(transcript=1))
    assert any("has sent no text Turn" in one for one in of(type="Turn"))


def test_texts_numbers_and_odd_names_do_not_stay() -> None:
    said = {"type": "Turn", "text": "Łódź", "at": 1.5, "n": 7, "ok": True, "none": None, "type2": {"Ann Lee": "x"}}
    assert redacted(said) == {
        "type": "Turn",
        "text": "<4 characters>",
        "at": 0.0,
        "n": 0,
        "ok": True,
        "none": None,
        "type2": {"<name>": "<1 characters>"},
    }
    assert redacted({"type": "my name is Ann"}) == {"type": "<14 characters>"}
    assert redacted([{"a": "x"}, {"a": "yy"}, {"b": 1}]) == [{"a": "<2 characters>"}, {"b": 0}]


def test_a_service_that_is_not_there_is_told_and_nothing_hangs() -> None:
    async def run() -> bytes:
        tap = LoopbackProxy("http://127.0.0.1:9/v1")
        async with tap.listening():
            reader, writer = await asyncio.open_connection("127.0.0.1", int(tap.url.split(":")[2].split("/")[0]))
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            try:
                return await reader.read()
            except ConnectionError:
                return b""
            finally:
                writer.close()

    assert asyncio.run(run()) == b""


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    (file := tmp_path / "file").touch()
    told = CliRunner().invoke(app, ["doctor", "providers", "--live", str(file / "folder")])
    assert told.exit_code == 2 and "cannot be made" in told.output


@pytest.mark.parametrize("name", ["JBFqnCBsd6RMkjVDRZzb", "JBFqnCBsdxRMkjVDRZzb", "0123456789abcdef"])
def test_the_name_of_a_voice_does_not_stay_in_a_path(name: str) -> None:
    (found,) = _stream(f"POST /v1/text-to-speech/{name}/stream-input HTTP/1.1\r\n\r\n".encode(), "client")
    assert found["path"] == "/v1/text-to-speech/<id>/stream-input"


def test_json_in_a_binary_message_is_recorded_and_sound_is_not() -> None:
    def binary(load: bytes) -> bytes:
        return bytes((0x82, len(load))) + load

    head = b"HTTP/1.1 101 x\r\nupgrade: websocket\r\n\r\n"
    frames = binary(b'{"setupComplete": {}}') + binary(b"{{{sound") + binary(b"\xff\xff")
    *_, setup, first, second = _stream(head + frames, "server")
    assert setup == {"from": "server", "what": "binary", "body": {"setupComplete": {}}}
    assert first == second == {"from": "server", "what": "binary"}


@pytest.mark.parametrize(("line", "side"), [("HTTP/1.1 OK", "server"), ("nonsense", "server"), ("GET", "client")])
def test_what_is_no_http_ends_nothing(line: str, side: str) -> None:
    assert len(list(_stream(f"{line}\r\n\r\n".encode(), side))) == 1


def test_a_response_without_a_length_ends_with_its_connection() -> None:
    connection = _Connection(
        bytearray(), bytearray(b"HTTP/1.1 204 No\r\n\r\nHTTP/1.1 200 OK\r\n\r\nsound\r\n\r\nsound")
    )
    assert list(connection.messages()) == [
        {"from": "server", "what": "response", "status": 204},
        {"from": "server", "what": "response", "status": 200},
        {"from": "server", "what": "binary"},
    ]


def test_openai_is_asked_as_in_a_call_although_the_tap_has_another_address(tmp_path: Path) -> None:
    async def name(url: str) -> str:
        async with taken_down(LLM, OpenAIOptions(url=url), tmp_path) as options:
            assert options.url.startswith("http://127.0.0.1:")
            return str(options.max_tokens_name)

    assert asyncio.run(name(OpenAIOptions.url)) == "max_completion_tokens"
    assert asyncio.run(name("http://localhost:8000/v1")) == "max_tokens"


def test_live_needs_the_word_providers(tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["doctor", "--live", str(tmp_path)])
    assert told.exit_code == 2
