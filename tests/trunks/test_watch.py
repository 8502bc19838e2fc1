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
from sipgw.trunks.trunks import KEPT, Trunks
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


def test_calls_come_from_where_the_name_of_the_registrar_leads_by_now(tmp_path: Path) -> None:
    carrier = TrunkOptions("carrier", "register", registrar="sip.example", user="agent")
    led_to = ["198.51.100.1"]

    async def scene() -> None:
        registration: Any = SimpleNamespace(state=RegistrationState.REGISTERED, reason="")

        async def locate(uri: Any) -> list[Any]:
            return [SimpleNamespace(host=host) for host in led_to]

        endpoint: Any = SimpleNamespace(port=5060, register=lambda options: registration, locate=locate)
        trunks = Trunks((carrier,))
        watch = TrunkWatch(trunks, {}, tmp_path / "instance")
        async with asyncio.TaskGroup() as group:
            watch.start(endpoint, group)
            await asyncio.sleep(KEPT + 1)  # virtual time
            assert trunks.match("198.51.100.1") is carrier
            led_to[:] = ["198.51.100.2"]
            registration.changed()  # registered again, at another server
        assert trunks.match("198.51.100.2") is carrier
        assert trunks.match("198.51.100.1") is None

    run(scene())


@pytest.mark.faults("G8")
@pytest.mark.parametrize("name", ["asterisk", "freepbx", "freeswitch", "3cx", "kamailio"])
def test_recipes_of_pbxs_are_registered_anew_soon(name: str) -> None:
    (trunk,) = tomllib.loads((files("sipgw") / "recipes" / f"{name}.toml").read_text())["trunks"]
    assert trunk["expires"] <= 120
    assert trunk["options_every"] <= 60
