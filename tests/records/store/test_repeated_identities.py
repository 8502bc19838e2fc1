"""Records of calls with one identity: the entries in the spool have the identity alone."""

import asyncio
from pathlib import Path
from typing import Any

from sipgw.config.records import StoreOptions
from sipgw.records.store.store import Store
from sipgw.records.store.writing import Writer
from tests.cdr_events import at


def entries(began: float) -> list[dict[str, Any]]:
    """A call of a caller with the number `began`, and its end."""
    new = {"direction": "in", "trunk": "pbx", "caller": f"{began}", "called": "1", "began": at(began).isoformat()}
    return [{"call": "same", "new": new}, {"call": "same", "set": {"ended": at(9000), "cause": f"{began}"}}]


def test_after_a_kill_events_go_to_the_row_of_their_call_though_an_earlier_one_had_its_identity(tmp_path: Path) -> None:
    async def scenario() -> dict[str, str]:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            first, second = entries(1), entries(2)
            async with store.write() as session:
                await Writer("one").apply(session, [*first, second[0]], None)
            async with store.write() as session:
                started = Writer("one")
                await started.resume(session)
                await started.apply(session, second[1:], None)
            return {call["caller"]: call["cause"] for call in await store.calls()}

    assert asyncio.run(scenario()) == {"1": "1", "2": "2"}
