"""A PBX that comes back is registered with at once."""

import asyncio
import tomllib
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sipgw.config.trunks import TrunkOptions
from sipgw.sip.probe import Reach
from sipgw.sip.registration import RegistrationState
from sipgw.trunks.trunks import Trunks
from sipgw.trunks.watch import TrunkWatch
from tests.virtual import run

PBX = TrunkOptions("pbx", "register", registrar="10.0.0.5", user="agent", options_every=30)


@pytest.mark.faults("G8")
def test_a_trunk_that_is_back_is_registered_with_at_once(tmp_path: Path) -> None:
    async def scene() -> None:
        sent: list[float] = []
        probe = SimpleNamespace(reach=Reach.UNKNOWN, reason="")
        registration = SimpleNamespace(state=RegistrationState.TRYING, reason="", forgotten=sent.append)

        async def locate(uri: Any) -> list[Any]:
            return []

        endpoint: Any = SimpleNamespace(
            port=5060, probe=lambda options: probe, register=lambda options: registration, locate=locate
        )
        watch = TrunkWatch(Trunks((PBX,)), {}, tmp_path / "instance")
        async with asyncio.TaskGroup() as group:
            watch.start(endpoint, group)

        probe.changed()
        assert sent == []
        probe.returned(100.0)
        assert sent == [100.0]

    run(scene())


@pytest.mark.faults("G8")
@pytest.mark.parametrize("name", ["asterisk", "freepbx", "freeswitch", "3cx", "kamailio"])
def test_recipes_of_pbxs_are_registered_anew_soon(name: str) -> None:
    (trunk,) = tomllib.loads((files("sipgw") / "recipes" / f"{name}.toml").read_text())["trunks"]
    assert trunk["expires"] <= 120
    assert trunk["options_every"] <= 60
