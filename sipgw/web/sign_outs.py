"""Sign-outs that the database does not have yet. Each is an empty file, so a restart forgets none, and the row of the
session is erased as soon as the database answers."""

import asyncio
import os
import re
from pathlib import Path

import structlog
from sqlalchemy import delete
from sqlalchemy.exc import SQLAlchemyError

from agent.pool import PoolFullError
from sipgw.bounds import FULL
from sipgw.records.store.store import Store
from sipgw.state_file import DISK
from sipgw.web.tables import SessionRecord

log = structlog.get_logger()

MOST = 10_000
"""Sign-outs that may wait for the database. Nobody can sign in meanwhile, so there are no more than sessions."""
AGAIN = 2.0
"""Seconds until the database is asked again."""
_NAME = re.compile(r"[0-9a-f]{64}")


class SignOuts:
    """Digests of tokens that are no longer valid, although the database may still have their sessions."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._folder = store.options.spool_folder / "sign-outs"
        self._left: dict[str, None] = {}
        self._news = asyncio.Event()

    def __contains__(self, token: str) -> bool:
        return token in self._left

    async def take_up(self) -> None:
        """Read the sign-outs that earlier processes have left. Raises `OSError`; then nobody must be let in."""
        found = await DISK.run(_names, self._folder)
        self._left |= dict.fromkeys(found)
        if found:
            self._news.set()

    async def end(self, token: str) -> None:
        """Erase the session whose token has this digest. The sign-out is noted first, so it is not lost if the
        database fails or hangs, or if the caller of this method is cancelled. Raises `SQLAlchemyError`."""
        if len(self._left) >= MOST:
            FULL["sign-outs that wait"] += 1
            await self._erase(token)
            return
        self._left[token] = None
        try:
            try:
                await asyncio.shield(asyncio.wrap_future(DISK.submit(_touch, self._folder, token)))
            except (OSError, PoolFullError) as error:
                log.error("a sign-out is lost if the gateway stops before the database answers", cause=str(error))  # noqa: TRY400
            await self._end(token)
        finally:
            if token in self._left:
                self._news.set()

    async def write(self) -> None:
        """Erase all waiting sessions from the database. Raises `SQLAlchemyError`."""
        for token in list(self._left):
            await self._end(token)

    async def _end(self, token: str) -> None:
        await self._erase(token)
        try:
            await DISK.run(_remove, self._folder, token)
        except (OSError, PoolFullError) as error:  # the session is erased once more after the next start
            log.warning("the file of a sign-out stays", cause=str(error))
        self._left.pop(token, None)

    async def run(self) -> None:
        """Write waiting sign-outs until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                await self.write()
            except SQLAlchemyError as error:
                log.warning("sign-outs wait for the database", cause=str(error).splitlines()[0][:200])
                self._news.set()
                await asyncio.sleep(AGAIN)

    async def _erase(self, token: str) -> None:
        async with self._store.write() as session:
            await session.execute(delete(SessionRecord).where(SessionRecord.token == token))


def _names(folder: Path) -> list[str]:
    return [one.name for one in folder.iterdir() if _NAME.fullmatch(one.name)] if folder.is_dir() else []


def _touch(folder: Path, name: str) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / name).touch(mode=0o600)
    there = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(there)
    finally:
        os.close(there)


def _remove(folder: Path, name: str) -> None:
    (folder / name).unlink(missing_ok=True)
