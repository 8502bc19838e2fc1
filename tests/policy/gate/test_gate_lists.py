"""Do-not-call lists as people have them: one that cannot be understood or is gone lets nobody be called."""

from pathlib import Path

import pytest

from sipgw.config.gate import GateOptions
from sipgw.config.records import StoreOptions
from sipgw.policy.gate.dnc import OwnList
from sipgw.policy.gate.rules import Permit
from sipgw.records.store.store import Store
from tests.gate_world import ALWAYS, CALIFORNIA, World, run


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.parametrize(
    ("content", "country"),
    [
        ("number\n4155550100\n2125550100\n".encode("utf-16-le"), "US"),  # no mark says that it is UTF-16
        (b"name,number\nJohn Smith,+14155550100\nAnn Smith,+12125550100\n", "US"),
        (b"415,5550100\n212,5550100\n", ""),  # the registry of the United States, which has no country code
        (b"4155550100\n2125550100\n+13105550100\n", ""),
    ],
)
def test_a_list_that_is_not_understood_stands_for_everybody(world: World, content: bytes, country: str) -> None:
    path = world.folder / "registry.csv"
    path.write_bytes(content)

    async def scene() -> None:
        async with world.up(dnc_files=(str(path),), dnc_country=country):
            rule, reason = await world.refused("+12135550100")
            assert rule == "do_not_call_file"
            assert "lines are not understood, as line " in reason
            assert "without it nobody is called" in reason

    run(scene())


@pytest.mark.parametrize("content", ["", "\n", "# opt-outs\n", "Access denied", "area code,number\n"])
def test_a_list_without_a_number_stands_for_everybody(world: World, content: str) -> None:
    """A download that failed leaves such a file."""
    path = world.folder / "registry.csv"
    path.write_text(content)

    async def scene() -> None:
        async with world.up(dnc_files=(str(path),), windows=ALWAYS):
            rule, reason = await world.refused()
            assert rule == "do_not_call_file"
            assert "it has no number; take it out of dnc_files if nobody is on the list" in reason
            path.write_text(f"{content}\n+12125550100\n")
            assert isinstance(await world.dial(), Permit)

    run(scene())


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_list_as_a_spreadsheet_writes_it(world: World, encoding: str) -> None:
    path = world.folder / "registry.csv"
    path.write_bytes("number;since\n415-555-0100;2026\n".encode(encoding))

    async def scene() -> None:
        async with world.up(dnc_files=(str(path),), dnc_country="US"):
            assert (await world.refused())[0] == "do_not_call_file"
            assert isinstance(await world.dial("+12125550100"), Permit)

    run(scene())


def test_each_file_has_the_country_of_who_names_it(world: World) -> None:
    """What a reload puts right holds from then on."""
    german, ours = world.folder / "de.csv", world.folder / "us.csv"
    german.write_text("0151 23456789\n030 123456\n")
    ours.write_text("415-555-0100\n")

    async def scene() -> None:
        world.agents["sales"] = GateOptions(dnc_files=(str(german),), dnc_country="US")
        async with world.up(dnc_files=(str(ours),), dnc_country="US", countries=("US", "DE"), windows=ALWAYS):
            assert "lines are not understood" in (await world.refused("+12125550100"))[1]
            world.agents["sales"] = GateOptions(dnc_files=(str(german),), dnc_country="DE")
            assert await world.refused("+4915123456789") == (
                "do_not_call_file", f"+4915123456789 is on the do-not-call list {german}",
            )  # fmt: skip
            assert (await world.refused())[0] == "do_not_call_file"
            assert isinstance(await world.dial("+12125550100"), Permit)

    run(scene())


def test_a_database_that_was_exchanged_is_the_one_that_is_read(world: World) -> None:
    """SQLite goes on reading a file that was deleted, in which nobody is written down any more."""

    async def scene() -> None:
        async with world.up():
            assert isinstance(await world.dial(), Permit)
            for file in world.folder.glob("test.db*"):
                file.unlink()
            rule, reason = await world.refused()
            assert (rule, "so nobody is called" in reason) == ("failed", True)
            async with Store(StoreOptions(str(world.folder / "test.db"))) as other:
                await OwnList(other).add(CALIFORNIA, "caller")
                assert (await world.refused())[0] == "do_not_call"

    run(scene())
