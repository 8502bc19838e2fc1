"""A sign-out counts for good, also when the database does not answer at that moment."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from sipgw.bounds import FULL
from sipgw.web import sign_outs
from sipgw.web.sign_outs import SignOuts
from sipgw.web.tables import SessionRecord
from tests.web.gateway_view import Visit, visit
from tests.web.test_sign_in import PASSWORD, sign_in


async def away(_: SignOuts, token: str) -> None:
    raise OperationalError("delete", {}, OSError("no route to the database"))


async def kept(there: Visit) -> int:
    async with there.gateway.store.read() as session:
        return await session.scalar(select(func.count()).select_from(SessionRecord)) or 0


@contextlib.asynccontextmanager
async def signed_out(folder: Path, patch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Visit, dict[str, str]]]:
    """Somebody who has signed out while the database was away, and the cookie that somebody else may have stolen."""
    async with visit(folder, PASSWORD) as there:
        await sign_in(there)
        token, stolen = await there.token(), dict(there.browser.cookies)
        with patch.context() as now:
            now.setattr(SignOuts, "_erase", away)
            answer = await there.browser.post("/sign-out", headers=token)
            assert (answer.status_code, "Max-Age=0" in answer.headers["set-cookie"]) == (503, True)
        assert await kept(there) == 1, "its row is still there"
        yield there, stolen


async def opens(there: Visit, cookies: dict[str, str]) -> bool:
    there.browser.cookies.update(cookies)
    return (await there.browser.get("/trunks")).status_code == 200


def test_the_session_is_over_before_and_after_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def look() -> None:
        async with signed_out(tmp_path, monkeypatch) as (there, stolen):
            assert not await opens(there, stolen)
        async with visit(tmp_path, PASSWORD) as again:
            assert await kept(again) == 1
            assert not await opens(again, stolen)
            await again.auth.accounts.sign_outs.write()
            assert await kept(again) == 0
            assert not await opens(again, stolen)
        async with visit(tmp_path, PASSWORD) as third:
            assert not third.auth.accounts.sign_outs._left, "no file is left"
            assert not await opens(third, stolen)

    asyncio.run(look())


def test_one_that_is_cancelled_while_the_database_hangs_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look() -> None:
        async with visit(tmp_path, PASSWORD) as there:
            await sign_in(there)
            stolen, asked = dict(there.browser.cookies), asyncio.Event()

            async def hangs(_: SignOuts, token: str) -> None:
                asked.set()
                await asyncio.Event().wait()

            with monkeypatch.context() as now:
                now.setattr(SignOuts, "_erase", hangs)
                async with asyncio.TaskGroup() as group:
                    leaving = group.create_task(there.auth.sign_out(next(iter(stolen.values()))))
                    await asked.wait()
                    leaving.cancel()
            assert await kept(there) == 1
        async with visit(tmp_path, PASSWORD) as again:
            assert not await opens(again, stolen), "its file was there before the database was asked"
            await again.auth.accounts.sign_outs.write()
            assert await kept(again) == 0

    asyncio.run(look())


def test_it_is_over_everywhere_as_soon_as_the_database_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_outs, "AGAIN", 0.01)

    async def look() -> None:
        async with signed_out(tmp_path, monkeypatch) as (there, _):
            tries: list[str] = []
            erase, back = SignOuts._erase, asyncio.Event()

            async def twice(ends: SignOuts, token: str) -> None:
                tries.append(token)
                if len(tries) < 3:
                    await away(ends, token)
                await erase(ends, token)
                back.set()

            monkeypatch.setattr(SignOuts, "_erase", twice)
            async with asyncio.TaskGroup() as group:
                running = group.create_task(there.auth.accounts.sign_outs.run())
                await back.wait()
                assert await kept(there) == 0 and len(tries) == 3
                running.cancel()

    asyncio.run(look())


def test_one_that_is_read_at_this_moment_is_over_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def look() -> None:
        async with visit(tmp_path, PASSWORD) as there, asyncio.TaskGroup() as group:
            await sign_in(there)
            token, stolen = await there.token(), dict(there.browser.cookies)
            accounts, read, go = there.auth.accounts, asyncio.Event(), asyncio.Event()
            session = accounts.session

            async def slowly(token: str) -> object:
                found = await session(token)
                read.set()
                await go.wait()
                return found

            there.auth.sessions._all.clear()
            with monkeypatch.context() as patch:
                patch.setattr(accounts, "session", slowly)
                reading = group.create_task(there.auth.who(next(iter(stolen.values())), ""))
                await read.wait()
                patch.setattr(accounts, "session", session)
                assert (await there.browser.post("/sign-out", headers=token)).status_code == 204
                go.set()
                assert (await reading).role == "nobody"

    asyncio.run(look())


def test_no_more_wait_than_the_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_outs, "MOST", 1)
    monkeypatch.setattr(SignOuts, "_erase", away)

    async def look() -> None:
        async with visit(tmp_path, PASSWORD) as there:
            ends = there.auth.accounts.sign_outs
            before = FULL["sign-outs that wait"]
            for token in ("a" * 64, "b" * 64):
                with pytest.raises(OperationalError):
                    await ends.end(token)
            assert "a" * 64 in ends and "b" * 64 not in ends
            assert FULL["sign-outs that wait"] == before + 1

    asyncio.run(look())
