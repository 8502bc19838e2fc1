"""Commands find the gateway that runs here by a file of its user: nobody else is told a key, and none outlives it."""

import asyncio
import os
from pathlib import Path

import pytest

from sipgw.cli.running import found
from sipgw.config.config import GatewayConfig
from sipgw.config.records import StoreOptions
from sipgw.config.web import WebOptions
from sipgw.records.store.store import Store
from sipgw.web.accounts import Accounts
from sipgw.web.authentication import COMMANDS, Authentication
from sipgw.web.local_key import LocalKey, found_at, key_file, published
from sipgw.web.principal import NOBODY
from tests.ports import free_ports

pytestmark = pytest.mark.faults("C5")


def test_the_file_is_for_its_user_alone_and_goes_with_the_gateway(tmp_path: Path) -> None:
    file = key_file(str(tmp_path / "sipgw.db"))
    with published(file, "http://127.0.0.1:8080/") as key:
        assert file.stat().st_mode & 0o777 == 0o600
        assert found_at(file) == LocalKey("http://127.0.0.1:8080/", key)
        with published(file, "http://127.0.0.1:8081/") as next_key:
            assert found_at(file) == LocalKey("http://127.0.0.1:8081/", next_key), "that of whoever has taken over"
        assert found_at(file) is None
    with published(file, "http://127.0.0.1:8080/"):
        file.write_text("somebody else's")
    assert file.read_text() == "somebody else's"
    assert os.listdir(tmp_path) == [file.name], "and nothing is left beside it"


def test_a_file_that_others_could_have_written_is_not_believed(tmp_path: Path) -> None:
    file = key_file(str(tmp_path / "sipgw.db"))
    with published(file, "http://127.0.0.1:8080/"):
        link = tmp_path / "link"
        link.symlink_to(file)
        assert found_at(link) is None
        for mode in (0o640, 0o602):
            file.chmod(mode)
            assert found_at(file) is None
    os.mkfifo(tmp_path / "fifo", 0o600)
    assert found_at(tmp_path / "fifo") is None
    assert found_at(tmp_path / "none") is None
    (tmp_path / "spoilt").touch(0o600)
    assert found_at(tmp_path / "spoilt") is None


def test_whoever_listens_where_a_gateway_might_is_told_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        asked: list[bytes] = []

        async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
            writer.close()

        port = free_ports()
        config = GatewayConfig(store=StoreOptions(str(tmp_path / "sipgw.db")), web=WebOptions(port=port))
        async with await asyncio.start_server(listen, "127.0.0.1", port), Store(config.store) as store:
            async with found(config) as running:
                assert running is None
            assert asked == []
            with published(key_file(config.store.path), f"http://127.0.0.1:{port}/") as key:
                left = key_file(config.store.path).read_bytes()
            key_file(config.store.path).write_bytes(left)  # as kill -9 leaves it
            key_file(config.store.path).chmod(0o600)
            async with found(config):
                assert key.encode() in asked[0]
            auth = Authentication(WebOptions(password="a good one"), Accounts(store))
            auth.local = "that of the next gateway"
            assert await auth.who("", f"Bearer {key}") is NOBODY, "it is worth nothing any more"
            who = await auth.who("", "Bearer that of the next gateway")
            assert (who.name, who.scopes) == ("key:command-line", COMMANDS)
            assert await Accounts(store).keys() == [], "none is in the database, either"

    asyncio.run(scenario())
