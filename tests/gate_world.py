"""A gate in front of calls out, its clock and what it wrote down."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sipgw.config.gate import GateOptions, WindowOptions
from sipgw.config.hours import DAYS
from sipgw.config.records import StoreOptions
from sipgw.config.trunks import TrunkOptions
from sipgw.policy.gate.dnc import OwnList
from sipgw.policy.gate.gate import Gate, GateRefusal
from sipgw.policy.gate.rules import GateRequest, Permit
from sipgw.records.store.store import Store

CALIFORNIA = "+14155550100"
NOON = datetime(2026, 11, 19, 20, 0, tzinfo=UTC)
"""A Thursday; noon in California, three in the afternoon in New York."""
ALWAYS = (WindowOptions("00:00-24:00", DAYS),)
NETS = ("192.0.2.3/32",)
TRUNKS = {
    one.name: one
    for one in (
        TrunkOptions("us", "peer", networks=("192.0.2.1/32",), domain="sip.example.com", country="US"),
        TrunkOptions("nowhere", "peer", networks=("192.0.2.1/32",), domain="sip.example.com"),
        TrunkOptions("pbx", "peer", networks=("192.0.2.2/32",), domain="pbx.local", number_format="as_dialled"),
        TrunkOptions("in", "peer", networks=NETS, domain="in.test", country="IN", caller_id="+911401234567",
                     caller_ids=("+919811111111",)),
        TrunkOptions("mobile", "peer", networks=NETS, domain="in.test", country="IN", caller_id="+919876543210"),
    )
}  # fmt: skip


class World:
    """A gate with its own files, a clock that stands still, and what it wrote down."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = NOON
        self.people: tuple[str, ...] = ()
        self.agents: dict[str, GateOptions] = {}
        self.gate: Gate
        self.own: OwnList

    @contextlib.asynccontextmanager
    async def up(self, **options: Any) -> AsyncIterator["World"]:
        default = GateOptions(**{"consent": "never"} | options)
        async with Store(StoreOptions(str(self.folder / "test.db"))) as store:
            self.own = OwnList(store, str(self.folder / "test.db"))
            async with Gate(
                lambda: {**self.agents, "": default},
                TRUNKS.get,
                self.own,
                self.folder / "audit",
                lambda: self.now,
                people=self.people,
            ) as self.gate:
                yield self

    async def dial(self, number: str = CALIFORNIA, trunk: str = "us", **more: Any) -> Permit | GateRefusal:
        return await self.gate.permit(GateRequest(number, trunk, **more))

    async def refused(self, number: str = CALIFORNIA, trunk: str = "us", **more: Any) -> tuple[str, str]:
        """Rule and words of a refusal, as the audit has them."""
        found = await self.dial(number, trunk, **more)
        assert isinstance(found, GateRefusal)
        line = self.lines[-1]
        assert (line["permitted"], line["rule"], line["reason"]) == (False, found.rule, found.reason)
        return found.rule, found.reason

    @property
    def lines(self) -> list[dict[str, Any]]:
        files = sorted((self.folder / "audit").glob("gate-*.jsonl"))
        return [json.loads(line) for file in files for line in file.read_text().splitlines() if line]


def run(work: Any) -> Any:
    return asyncio.run(work)
