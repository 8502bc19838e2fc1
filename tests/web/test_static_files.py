"""The files of pages: read and compressed once, asked for again only by their tag, and none of another folder."""

import asyncio
import gzip
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from sipgw.web import static_files
from sipgw.web.static_files import StaticFile, StaticFiles

SCRIPT = "export const one = 1; // a comment\n" * 100


def browser(folder: Path) -> httpx.AsyncClient:
    """Asks for the files of a folder beside a secret."""
    (folder / "static" / "vendor").mkdir(parents=True)
    (folder / "static" / "one.js").write_text(SCRIPT)
    (folder / "static" / "vendor" / "small.css").write_text("p {}")
    (folder / "secret.js").write_text("secret")
    return httpx.AsyncClient(transport=httpx.ASGITransport(StaticFiles(folder / "static")), base_url="http://here")


def test_a_file_is_compressed_for_who_takes_it_and_read_once(tmp_path: Path) -> None:
    async def look() -> None:
        async with browser(tmp_path) as there:
            first = await there.get("/one.js")
            assert (first.text, first.headers["content-encoding"]) == (SCRIPT, "gzip")
            assert int(first.headers["content-length"]) == len(gzip.compress(SCRIPT.encode(), 9)) < 500
            (tmp_path / "static" / "one.js").unlink()
            plain = await there.get("/one.js", headers={"Accept-Encoding": "identity"})
            assert plain.text == SCRIPT and "content-encoding" not in plain.headers
            assert first.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
            assert (await there.get("/vendor/small.css")).headers["content-type"] == "text/css; charset=utf-8"
            again = await there.get("/one.js", headers={"If-None-Match": first.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
            other = await there.get("/one.js", headers={"If-None-Match": '"another"'})
            assert other.status_code == 200

    asyncio.run(look())


@pytest.mark.parametrize("path", ["/nothing.js", "/../secret.js", "/%2e%2e/secret.js", "/vendor", "/", "//one.js/"])
def test_what_is_no_file_of_the_folder_is_not_found(tmp_path: Path, path: str) -> None:
    async def look() -> None:
        async with browser(tmp_path) as there:
            assert (await there.get(path)).status_code == 404
            assert (await there.post("/one.js")).status_code == 405
            head = await there.head("/one.js")
            assert head.status_code == 200

    asyncio.run(look())


def test_many_browsers_at_once_get_all_files_and_each_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[Path] = []

    def counted(path: Path, read: Callable[[Path], StaticFile] = static_files.read) -> StaticFile:
        reads.append(path)
        return read(path)

    monkeypatch.setattr(static_files, "read", counted)

    async def look() -> None:
        async with browser(tmp_path) as there:
            paths = ["/one.js", "/vendor/small.css"] * 100
            async with asyncio.TaskGroup() as group:
                asked = [group.create_task(there.get(path)) for path in paths]
            assert [one.result().status_code for one in asked] == [200] * 200
            assert sorted(path.name for path in reads) == ["one.js", "small.css"]

    asyncio.run(look())
