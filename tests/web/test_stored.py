"""A recording in object storage is played from there, by a link that ends."""

import asyncio
from pathlib import Path

import httpx
import pytest

from agent.authorities import tls
from media.recording.wav import header
from sipgw.records.artifacts.artifact import Artifacts
from sipgw.records.artifacts.uploader import Uploader
from sipgw.records.store.object_store import ObjectError, ObjectStore
from sipgw.tools.doctor.storing import examine
from sipgw.web.accounts import audit_entries
from tests.cdr_events import artifact
from tests.records.bucket import KEYS, client, keys, options, server
from tests.web.gateway_view import visit
from tests.web.test_one_call import NOW, hold


def refuse(key: str, name: str) -> str:
    raise ObjectError("no credentials")


def test_the_page_plays_a_recording_that_is_in_object_storage(tmp_path: Path) -> None:
    file = tmp_path / "call.wav"
    file.write_bytes(header(16_000) + b"\xff\xff" * 8_000)

    async def look(url: str) -> None:
        table = (
            f'[storage]\nurl = "s3://calls"\nendpoint = "{url}"\naccess_key = "${{KEY}}"\nsecret_key = "${{SECRET}}"\n'
        )
        secrets = {"KEY": KEYS["access_key"], "SECRET": KEYS["secret_key"]}
        async with visit(tmp_path, table, secrets) as visitor:
            evidence, store = visitor.gateway.evidence, visitor.gateway.store
            async with evidence.timelines.kept_in(tmp_path / "calls", Artifacts()):
                hold(visitor, "a@1", file=str(file))
                async with store.write() as session:
                    session.add(artifact("a@1", str(file)))
                assert store.objects
                assert await Uploader(store, store.objects).upload(NOW) == 1 and not file.exists()
                page = await visitor.browser.get("/calls/a@1")
                assert f"media-src 'self' blob: {url};" in page.headers["content-security-policy"]
                assert "data-audio" in page.text
                played = await visitor.browser.get("/calls/a@1/recording")
                assert played.status_code == 307
                async with httpx.AsyncClient(verify=tls()) as browser:
                    assert (await browser.get(played.headers["location"])).content[:4] == b"RIFF"
                saved = await visitor.browser.get("/calls/a@1/recording?save=1")
                assert "attachment" in saved.headers["location"]
                assert (await visitor.browser.get("/calls/a@1/waveform.json")).json()["seconds"] == 1.0
                # A link gives the whole, so whoever asks for a piece has heard it, too.
                part = await visitor.browser.get("/calls/a@1/recording", headers={"Range": "bytes=1-"})
                assert part.status_code == 307
                heard = [one.action for one in await audit_entries(store)]
                assert heard == ["heard the recording"] * 3
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(store.objects, "_link", refuse)
                    away = await visitor.browser.get("/calls/a@1/recording")
                assert (away.status_code, "object storage does not answer" in away.text) == (503, True)
                client(url).delete_object(Bucket="calls", Key=keys(url)[0])
                assert (await visitor.browser.get("/calls/a@1/waveform.json")).json()["seconds"] == 1.0, "no download"

    with server() as url:
        client(url).create_bucket(Bucket="calls")
        asyncio.run(look(url))


def test_the_doctor_says_whether_the_storage_can_be_used() -> None:
    with server() as url:
        assert asyncio.run(examine(options(url))).id == "storage.unusable"
        client(url).create_bucket(Bucket="calls")
        found = asyncio.run(examine(options(url)))
        assert found.id == "storage.ok" and keys(url) == []


@pytest.mark.parametrize("what", ["_abort", "_upload", "_fetch"])
def test_the_doctor_leaves_no_object_behind_when_it_lacks_a_right(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check of an upload reads, too; a second try of an upload looks for parts of the first."""
    real = getattr(ObjectStore, what)

    def refuse(*given: object) -> None:
        real(*given)
        raise ObjectError("403: Forbidden")

    with server() as url:
        client(url).create_bucket(Bucket="calls")
        monkeypatch.setattr(ObjectStore, what, refuse)
        found = asyncio.run(examine(options(url)))
        assert (found.id, "403: Forbidden" in found.evidence, keys(url)) == ("storage.unusable", True, [])
