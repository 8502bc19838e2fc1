"""The instance id of RFC 5626 is that of the gateway, and not of the host that it runs on."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from sipgw.config.trunks import TrunkOptions
from sipgw.sip.registration import RegistrationOptions, RegistrationState
from sipgw.trunks.instance_id import instance_id
from sipgw.trunks.trunks import Trunks
from sipgw.trunks.watch import TrunkWatch
from tests.virtual import run


def test_it_is_made_once_and_only_we_may_read_it(tmp_path: Path) -> None:
    file = tmp_path / "sipgw.db.instance"
    made = instance_id(file)
    assert UUID(file.read_text().strip()) == made == instance_id(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]
    assert instance_id(tmp_path / "other.instance") != made


@pytest.mark.parametrize("content", [b"", b"urn:uuid", b"\xff\xfe", b"x" * 10_000])
def test_a_spoilt_file_is_replaced(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "sipgw.db.instance"
    file.write_bytes(content)
    made = instance_id(file)
    assert instance_id(file) == made
    assert file.stat().st_mode & 0o777 == 0o600


def test_without_a_file_there_is_one_all_the_same_and_the_log_says_so(tmp_path: Path) -> None:
    with capture_logs() as logged:
        assert instance_id(tmp_path / "missing" / "sipgw.db.instance").version == 4
        assert instance_id(tmp_path).version == 4
    assert [entry["event"] for entry in logged] == ["the instance id is not kept"] * 2


def test_two_gateways_of_one_host_name_have_two_and_each_carrier_knows_another(tmp_path: Path) -> None:
    trunks = Trunks(
        tuple(TrunkOptions(name, "register", registrar=f"10.0.0.{at}", user="a") for at, name in ((5, "x"), (6, "y")))
    )

    async def named(file: str) -> list[str]:
        asked: list[str] = []

        def register(options: RegistrationOptions) -> Any:
            asked.append(options.instance)
            return SimpleNamespace(state=RegistrationState.TRYING, reason="")

        async def locate(uri: Any) -> list[Any]:
            return []

        endpoint: Any = SimpleNamespace(port=5060, register=register, locate=locate)
        async with asyncio.TaskGroup() as group:
            TrunkWatch(trunks, {}, tmp_path / file).start(endpoint, group)
        return asked

    one, again, other = run(named("one")), run(named("one")), run(named("other"))
    assert one == again
    assert all(name.startswith("urn:uuid:") for name in one)
    assert len({*one, *other}) == 4
