"""What cannot be kept of a call is not kept; calls and evidence go on."""

import asyncio
import struct
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from sipgw.agents.agents import Agents
from sipgw.config.config import GatewayConfig
from sipgw.config.errors import ConfigError
from sipgw.config.records import CaptureOptions
from sipgw.events import CallEnded, CallKey, Disposition
from sipgw.records.artifacts.artifact import Artifacts
from sipgw.records.captures.pcap import SNAP, Pcap
from sipgw.records.evidence import CallEvidence
from sipgw.sip.trace import redacted
from tests.cdr_events import call_began

HERE, THERE = ("192.0.2.9", 5060), ("198.51.100.7", 5060)


@pytest.mark.parametrize("hosts", [(HERE, THERE), (("2001:db8::9", 5060), ("2001:db8::7", 5060))])
def test_a_datagram_that_masking_has_made_longer_than_any_is_cut(hosts: tuple[Any, Any]) -> None:
    body = b"a=crypto:\r\n" * 5000
    data = redacted(b"INVITE sip:agent@192.0.2.9 SIP/2.0\r\n\r\n" + body)
    assert len(data) > SNAP
    record = Pcap().sip(1.0, "udp", hosts[1], hosts[0], data)
    kept, size = struct.unpack_from("<II", record, 8)
    assert kept == size == len(record) - 16 and size - (0 if hosts[0] == HERE else 40) <= SNAP


def test_a_capture_that_cannot_be_made_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(self: CallEvidence, call: CallKey) -> AsyncIterator[bytes]:
        raise struct.error("a fault of ours")
        yield b""

    async def scenario() -> None:
        evidence = CallEvidence(CaptureOptions(folder=str(tmp_path / "captures")), Agents(GatewayConfig(), {}))
        async with evidence.gathering(None, None, tmp_path / "calls", Artifacts()):  # type: ignore[arg-type]
            evidence.watch(call_began("a"))
            evidence.watch(CallEnded("a", datetime.now(UTC), Disposition("caller_hung_up", ""), {}))
            while evidence._writing:
                await asyncio.sleep(0)

    monkeypatch.setattr(CallEvidence, "pcap", broken)
    with capture_logs() as logs:
        asyncio.run(scenario())
    assert [one["event"] for one in logs] == ["capture not made"]


@pytest.mark.parametrize(
    ("options", "option"),
    [
        (lambda wrong: CaptureOptions(folder=wrong), "[capture] folder"),
        (lambda wrong: CaptureOptions(bundles="always", bundle_folder=wrong), "[capture] bundle_folder"),
        (lambda wrong: CaptureOptions(), "[store] path"),
    ],
)
def test_a_folder_that_cannot_be_made_is_told_with_its_option(tmp_path: Path, options: Any, option: str) -> None:
    (tmp_path / "file").write_text("no folder")
    wrong = tmp_path / "file" / "x"

    async def scenario() -> None:
        evidence = CallEvidence(options(str(wrong)), Agents(GatewayConfig(), {}))
        async with evidence.gathering(None, None, wrong, Artifacts()):  # type: ignore[arg-type]
            pass

    with pytest.raises(ConfigError) as told:
        asyncio.run(scenario())
    assert str(told.value) == f"cannot make the folder {wrong}: Not a directory; set {option} to another"
