"""No tenant takes all that tenants share: pages, searches, websockets and dry runs."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from fastapi import HTTPException
from fastapi.responses import Response, StreamingResponse

from sipgw.bounds import FULL, WHAT, NoPlace, Places
from sipgw.records.bundles.bundle import PARTS, _zipped
from sipgw.records.store.calls import CallFilter
from sipgw.records.store.searching import SearchRefused
from sipgw.web import campaigns, live, one_call, operator_sockets
from sipgw.web.feed import BROWSERS
from sipgw.web.principal import Principal
from sipgw.web.transcript import PAGES
from tests.waiting import HANG
from tests.web.test_tenants import app_of, asked, shared, taken

ADMIN = Principal.signed("ann", "admin", "")


def test_a_tenant_has_half_of_the_places_and_the_operator_all() -> None:
    places, before = Places("dry runs", 3), FULL["dry runs"]
    assert "dry runs" in WHAT
    with places.held("acme"):
        with pytest.raises(NoPlace):
            places.check("acme")
        with places.held("globex"), places.held(""):
            with pytest.raises(NoPlace):
                places.check("initech")
            with pytest.raises(NoPlace):
                places.check("")
        places.check("globex")
    with places.held(""), places.held(""), places.held(""):
        pass
    assert FULL["dry runs"] == before + 3 and not places._taken


def fill(there_places: Places, most: int, tenant: str = "acme") -> None:
    there_places._taken[tenant] = most


def test_what_a_tenant_has_taken_leaves_room_for_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def look() -> None:
        async with shared(tmp_path) as (there, (person, program)):
            app = app_of(there)
            seen, searches = there.feed.places, app.state.app.searches
            monkeypatch.setattr(operator_sockets, "SOCKETS", sockets := Places("websockets of operators", 4))
            monkeypatch.setattr(campaigns, "DRY_RUNS", runs := Places("dry runs", 3))
            listen, words = "/api/live/live-acme/listen", "/calls/live-acme/words"
            file = {"name": "spring", "agent": "sales-acme", "file": "number\n+15550123\n"}
            dry: dict[str, Any] = {"headers": program, "json": file}
            assert await taken(app, listen, person)
            assert (await there.browser.post("/api/v1/campaigns/dry-run", **dry)).status_code != 503
            fill(seen, BROWSERS // 2)
            fill(app.state.app.transcripts._places, 50)
            fill(searches._for_words, 1)
            fill(sockets, 2)
            fill(runs, 1)
            fill(one_call.BUNDLES, 1)
            monkeypatch.setattr(there.gateway.evidence.bundles, "bundle", packing := AsyncMock(return_value=b"PK"))
            bundle = await asked(there, "GET", "/calls/live-acme/bundle", person)
            assert bundle.status_code == 503 and bundle.headers["retry-after"] == "5"
            assert not packing.called, "none is made for who gets no place"
            fill(one_call.BUNDLES, 0)
            whole = _zipped([b"{}", *(name.encode() for name in PARTS[1:])])
            heads = [_zipped([head, *(name.encode() for name in PARTS[1:])]) for head in (b"[]", b"{", b"\xff")]
            broken = whole[:40] + bytes([whole[40] ^ 255]) + whole[41:]
            for damaged in (b"PK", *heads, broken, whole.replace(b"voice.ulaw", b"other.ulaw"), whole[:-9]):
                monkeypatch.setattr(there.gateway.evidence.bundles, "bundle", AsyncMock(return_value=damaged))
                told = await asked(there, "GET", "/calls/live-acme/bundle", person)
                assert told.status_code == 410 and "ask whoever runs the gateway" in told.text, damaged
            assert (await asked(there, "GET", "/live/events", person)).status_code == 503
            assert (await asked(there, "GET", words, person)).status_code == 503
            found = await there.browser.get("/api/v1/calls?words=wordacme", headers=program)
            assert found.status_code == 503
            assert not await taken(app, listen, person)
            assert not await taken(app, listen.replace("listen", "take-over"), person)
            assert (await there.browser.post("/api/v1/campaigns/dry-run", **dry)).status_code == 503
            for places in (seen, sockets, runs, searches._for_words):
                places.check("globex")
            fill(searches._for_words, 1, "globex")
            with pytest.raises(SearchRefused):
                await searches.page(there.gateway.store, CallFilter(words="x"), 1, "")

    asyncio.run(look())


def test_a_stream_has_its_place_before_its_answer_begins(tmp_path: Path) -> None:
    """Two ask at once for the last place: one is refused with 503, not cut off after 200."""

    async def look() -> None:
        async with shared(tmp_path) as (there, _):
            state = app_of(there).state.app
            pages: tuple[tuple[Places, int, Callable[[], Awaitable[Response]]], ...] = (
                (state.feed.places, BROWSERS, lambda: live.events(state, ADMIN, Mock())),
                (state.transcripts._places, PAGES, lambda: one_call.live_words("live-acme", state, ADMIN, Mock())),
            )
            for places, most, ask in pages:
                fill(places, most - 1)
                begun = await ask()
                with pytest.raises(HTTPException) as refused:
                    await ask()
                assert refused.value.status_code == 503 and refused.value.headers == {"Retry-After": "30"}
                assert isinstance(begun, StreamingResponse)
                await begun.body_iterator.aclose()  # type: ignore[attr-defined]
                del begun
                async with asyncio.timeout(HANG):
                    while "" in places._taken:
                        await asyncio.sleep(0)
                places.check("")

    asyncio.run(look())
