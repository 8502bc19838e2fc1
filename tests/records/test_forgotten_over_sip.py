"""What is left of a real call: its export, and after its caller is forgotten no file with anything of them."""

import asyncio
import gzip
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sipgw.cli.main import app
from sipgw.config.config import GatewayConfig
from sipgw.config.records import CaptureOptions, RecordingOptions, WebhookOptions
from sipgw.records.artifacts import audio_redactor
from tests.calls.test_cloud_call import records
from tests.cloud import cloud
from tests.fakes.assemblyai import Said
from tests.fakes.elevenlabs import sound_of
from tests.fakes.openai import Reply
from tests.phone import calling
from tests.records.webhooks.test_webhooks import SECRET, Target, ok

NUMBER = "+14155550123"
CARD = "four" + " one" * 15
SAYS = f"My parasol was paid with {CARD}."
SAID = "my parasol was paid with [card ••1111]"


def command(folder: Path, *arguments: str) -> str:
    text = f'[store]\npath = "{folder / "cloud.db"}"\n'
    text += f'[capture]\nfolder = "{folder / "packets"}"\nbundle_folder = "{folder / "bundles"}"\n'
    (folder / "sipgw.toml").write_text(text)
    ran = CliRunner().invoke(app, ["records", *arguments, "--config", str(folder / "sipgw.toml")])
    assert ran.exit_code == 0, ran.output
    return ran.stdout


def pieces(path: Path) -> Iterator[bytes]:
    """What stands in a file, unpacked."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as packed:
            yield from (packed.read(name) for name in packed.namelist())
    else:
        yield gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def with_(folder: Path, *texts: str) -> set[str]:
    """The files, by their endings, in which one of `texts` stands."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "sipgw.toml"]
    return {path.suffix for path in files if any(text.encode() in piece for text in texts for piece in pieces(path))}


@pytest.mark.slow
def test_a_caller_is_redacted_everywhere_exported_and_forgotten(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audio_redactor, "AFTER", 0.5)
    told: list[bytes] = []

    async def scenario() -> None:
        async with Target(ok) as server:
            hook = WebhookOptions("crm", server.url, SECRET, private_networks=True)

            def change(config: GatewayConfig) -> GatewayConfig:
                folder, bundles = str(tmp_path / "packets"), str(tmp_path / "bundles")
                capture = CaptureOptions(rtp="always", folder=folder, bundles="always", bundle_folder=bundles)
                return replace(config, webhooks=(hook,), capture=capture)

            recording = RecordingOptions(str(tmp_path / "calls"))
            fields = (("P-Asserted-Identity", f"<sip:{NUMBER}@127.0.0.1>"),)
            async with cloud(
                tmp_path, [Said(SAYS, 500, 1500)], [Reply(text=["Thank you."])], change=change, recording=recording
            ) as world:
                async with calling(world.target, lambda _: b"\x7f" * 160, fields) as phone:
                    await phone.hears(sound_of("Thank you."))
                await records(world.gateway)
            told.extend(exchange.body for exchange in server.exchanges)

    asyncio.run(scenario())
    (call,) = json.loads(command(tmp_path, "export", "--json"))
    assert (call["caller"], SAID in str(call["turns"]).lower()) == (NUMBER, True)
    assert SAID in b"".join(told).decode().lower()
    shown = "".join(capfd.readouterr()) + str(call) + b"".join(told).decode()
    assert CARD[:12] not in shown
    assert not with_(tmp_path, "four one one"), "the words of the card stand in no file"
    assert {".db", ".gz", ".zip"} <= with_(tmp_path, "parasol"), "the rest of it is there"
    assert {".db", ".pcap"} <= with_(tmp_path, NUMBER)
    assert list((tmp_path / "calls").glob("*.wav"))

    gone = command(tmp_path, "forget", NUMBER, "--yes")
    assert "deleted: 1 calls, 1 recordings" in gone
    assert with_(tmp_path, NUMBER[1:], "parasol") == set()
    assert [list((tmp_path / name).glob("[!.]*")) for name in ("calls", "packets", "bundles")] == [[], [], []]
