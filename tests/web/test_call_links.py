"""Each address of a call leads to that call and its files, and no page links to a file that does not exist."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest

from sipgw.calls.registry import CallRegistry
from sipgw.config.records import CaptureOptions
from sipgw.events import CallKey
from sipgw.records.evidence import CallEvidence
from sipgw.records.store.artifact_states import ArtifactKind, ArtifactState
from sipgw.records.store.tables import ArtifactRecord, CallRecord
from sipgw.web.found_call import link
from sipgw.web.principal import Principal
from tests.cdr_events import artifact
from tests.web.gateway_view import Visit, visit

NOW = datetime(2026, 1, 2, tzinfo=UTC)
SLASHED = "a/pcap"
REASON = "No bundle: nothing of this call is in memory"


def record(call: str, caller: str) -> CallRecord:
    return CallRecord(
        id=call, trunk="office", agent="agent", caller=caller, called="2", began=NOW, answered=NOW, ended=NOW,
        ending="caller_hung_up", media={},
    )  # fmt: skip


def looking(folder: Path, look: Callable[[Visit], Awaitable[None]]) -> None:
    async def scenario() -> None:
        async with visit(folder) as there:
            await look(there)

    asyncio.run(scenario())


def test_a_slash_in_a_call_id_does_not_lead_to_another_call(tmp_path: Path) -> None:
    async def look(there: Visit) -> None:
        async with there.gateway.store.write() as session:
            session.add_all([record("a", "+1555"), record(SLASHED, "+1777"), record("50%2F", "+1999")])
        listed = (await there.browser.get("/calls")).text
        addresses = re.findall(r'href="(/calls/[^"?]+)"', listed)
        assert sorted(addresses) == ["/calls/50%252F", "/calls/a", "/calls/a%2Fpcap"]
        for address, caller in (("/calls/a", "+1555"), ("/calls/a%2Fpcap", "+1777"), ("/calls/50%252F", "+1999")):
            page = await there.browser.get(address)
            assert page.status_code == 200 and f"Call from {caller}" in page.text
            (data,) = re.findall(r'data-url="([^"]+)"', page.text)
            assert data == address
            assert (await there.browser.get(f"{data}/timeline.json")).json()["caller"] == caller
        refused = await there.browser.get("/calls/a/pcap")
        assert refused.status_code == 404 and "nothing of this call is in memory any more" in refused.text

    looking(tmp_path, look)


@pytest.mark.parametrize(
    ("changes", "there_is"),
    [({}, True), ({"state": ArtifactState.TO_DELETE.value}, False), ({"call": "another"}, False), (None, False)],
)
def test_the_page_links_to_a_bundle_that_its_row_and_file_have(
    tmp_path: Path, changes: dict[str, Any] | None, there_is: bool
) -> None:
    async def look(there: Visit) -> None:
        there.gateway.evidence = CallEvidence(
            CaptureOptions(bundles="always", bundle_folder=str(tmp_path)), there.gateway.agents
        )
        file = there.gateway.evidence.bundles.paths(CallKey("a", NOW))[0]
        file.write_bytes(b"PK")
        async with there.gateway.store.write() as session:
            session.add(record("a", "1"))
            if changes is not None:
                row: ArtifactRecord = artifact("a", str(file), ArtifactKind.BUNDLE)
                for name, value in changes.items():
                    setattr(row, name, value)
                session.add(row)
        page = (await there.browser.get("/calls/a")).text
        assert ('href="/calls/a/bundle"' in page) is there_is
        assert (REASON in page) is not there_is

    looking(tmp_path, look)


def test_without_a_file_there_is_no_link_and_the_reason_is_for_those_who_could_fetch_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look(there: Visit) -> None:
        async with there.gateway.store.write() as session:
            session.add(record("a", "1"))

        async def page(bundles: Any) -> str:
            there.gateway.evidence = CallEvidence(CaptureOptions(bundles=bundles), there.gateway.agents)
            return (await there.browser.get("/calls/a")).text

        asked = await page("demand")
        assert "/bundle" not in asked and REASON in asked
        assert "undle" not in await page("off")
        monkeypatch.setattr(Principal, "may", lambda _, role: role == "viewer")
        assert "No bundle" not in await page("demand")

    looking(tmp_path, look)


@pytest.mark.parametrize("call_id", [".", "..", "..."])
def test_a_caller_chooses_no_call_id_that_browsers_take_for_a_folder(call_id: str) -> None:
    """Nobody could open the page of the call, listen to it or end it from there."""
    there = link(CallRegistry().identity(call_id))
    assert urljoin("http://gateway.example/", there) == f"http://gateway.example{there}"
