"""The CDR writer: a watcher that writes the record of every call; no call waits for the database. A thread that waits
for the disk appends the events to the spool (`sipgw.records.cdr.spool_feed`); from there they go to the database, in
order and once. While the database is locked, full or gone the spool grows; after a kill the next start continues and
closes the interrupted calls.
"""

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Self

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from agent.pool import NotBegun, Pool
from sipgw.events import CallBegan, CallEnded, Event, Watchers
from sipgw.records.artifacts.artifact import KILLED, recover
from sipgw.records.cdr.encoder import ABOUT, CdrEncoder, ended_entry, is_kept, report_entry
from sipgw.records.cdr.spool_feed import SPOOL, SpoolFeed
from sipgw.records.privacy.redaction import Redact
from sipgw.records.store.engine import StoreError, refused
from sipgw.records.store.spool import BATCH, Entry, Spool, SpoolPosition
from sipgw.records.store.store import Store
from sipgw.records.store.writing import Writer, interrupted
from sipgw.records.webhooks.deliveries import Deliveries
from sipgw.sip.boundaries import lasting

log = structlog.get_logger()

GATHER = 0.05
"""Seconds in which entries come together for one transaction."""
REST = 0.25
"""Seconds from one transaction to the next, unless a batch of `spool.BATCH` bytes waits: each costs 5 ms."""
FSYNC = Pool("fsync of the spool", workers=1, waiting=64)
"""The thread that waits for fsync, so that the row of a recording need not wait."""
SYNC = 1.0
"""Seconds between two fsyncs of the spool."""
RETRY = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds until a database that failed is tried again, by the number of failures; the last value repeats."""
GOODBYE = 5.0
"""Seconds for the remaining entries when the gateway stops; the rest is written at the next start."""
MOMENT = (SQLAlchemyError, StoreError, OSError, NotBegun)
"""Errors that may disappear at the next attempt; any other error belongs to the entry: another version wrote it, the
disk damaged it, or our code is wrong."""
INTERRUPTED = "the gateway was killed or lost its power"


class CdrWriter:
    """The records of one gateway. Use it as an async context manager, inside its store."""

    def __init__(
        self,
        store: Store,
        watchers: Watchers[Event],
        redactor: Callable[[str], Redact] = lambda _: str,
        deliveries: Deliveries | None = None,
        reports: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """`redactor` returns, for an agent's name, the function that removes private data from texts. `reports` tells,
        for an agent's name, whether its calls get a report."""
        self.rejected = 0
        """Number of entries that the database has refused."""
        self._store = store
        self._watchers = watchers
        self._deliveries = deliveries
        self._encoder = CdrEncoder(redactor, reports)
        self._feed = SpoolFeed(self._append, self._expect)
        self._spool: Spool
        self._writer: Writer
        self._wake = asyncio.Event()
        self._kept = asyncio.Event()
        """Set while the spool may hold entries that were neither read nor surely written to the disk."""
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            try:
                self._spool, *others = Spool.claim(self._store.options.spool_folder)
            except OSError as error:
                folder = self._store.options.spool_folder.resolve()
                raise StoreError(f"cannot keep records in {folder}: {error.strerror}; set [store] spool") from None
            stack.push_async_callback(_close, self._spool)
            for spool in others:
                try:
                    await self._take_up(spool)
                finally:
                    await _close(spool)
            self._writer = await self._take_up(self._spool)
            group = await stack.enter_async_context(asyncio.TaskGroup())
            tasks = [group.create_task(lasting(one, "records not written")) for one in (self._write, self._sync)]
            stack.push_async_callback(self._finish, tasks)
            stack.callback(self._watchers.add(self._note))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def behind(self) -> bool:
        """Whether some entries are not in the database yet."""
        return self._feed.behind or self._spool.behind

    async def written(self) -> None:
        """Wait until all events are in the database."""
        while self.behind:  # noqa: ASYNC110  what it waits for is a file
            await asyncio.sleep(GATHER)

    def _note(self, event: Event) -> None:
        if not is_kept(event):
            return
        missed = tuple(self._encoder.missed.values())
        at_once = isinstance(event, CallBegan | CallEnded)
        if self._feed.gather(lambda: self._encoder.entry(event, missed), at_once=at_once):
            self._encoder.missed.clear()
        else:
            self._encoder.miss(event)

    async def appended(self) -> None:
        """See `SpoolFeed.appended`."""
        await self._feed.appended()

    def keep(self, entry: Entry) -> Future[str]:
        """See `SpoolFeed.keep`."""
        return self._feed.keep(entry)

    def _expect(self) -> None:
        self._wake.set()
        self._kept.set()

    def _append(self, entry: Entry) -> str:
        before, lost = self._spool.problem, self._spool.dropped
        self._spool.append(entry)
        if self._spool.problem != before and self._spool.problem:
            log.error("records wait in memory", cause=self._spool.problem)
        if self._spool.dropped == lost + 1 and lost % 1000 == 0:
            log.error("records are lost", lost=self._spool.dropped, cause=self._spool.problem)
        return self._spool.problem

    async def _take_up(self, spool: Spool) -> Writer:
        """Write the entries of an earlier run, and close the calls that it could not close."""
        writer = Writer(spool.gateway)
        try:
            async with self._store.read() as session:
                spool.resume(await writer.place(session))
                await writer.resume(session)
            while await self._step(spool, writer):
                pass
            async with self._store.write() as session:
                cut = await recover(session, spool.gateway, datetime.now(UTC))
                calls = await writer.open_calls(session)
                ended = [await self._interrupted(session, writer, call, cut) for call in calls]
                await self._apply(session, writer, ended, None)
            if self._deliveries:
                self._deliveries.added()
        except SQLAlchemyError as error:
            raise StoreError(f"cannot take up the records of the last run: {_cause(error)}") from None
        with contextlib.suppress(OSError):
            await SPOOL.run(spool.tidy)
        if calls:
            log.warning("calls were interrupted", calls=len(calls))
        return writer

    async def _interrupted(self, session: AsyncSession, writer: Writer, call: str, cut: dict[str, str]) -> Entry:
        """The ending of a call of the last run; `cut` are the files of recordings that were not finished."""
        about = await writer.about(session, call, (*ABOUT, "answered"))
        answered, ended = about.pop("answered"), await interrupted(session, call, INTERRUPTED)
        at = ended["ended"].isoformat()
        recording = {"file": cut[call], "problem": KILLED} if call in cut else None
        entry = ended_entry(call, about, ended | {"ended": at}, recording)
        wanted = answered is not None and self._encoder.reports(about["agent"])
        return entry | ({"report": report_entry(at)} if wanted else {})

    async def _write(self) -> None:
        now, failures, wrote = asyncio.get_running_loop().time, 0, 0.0
        while True:
            if not self.behind:
                self._wake.clear()
                await self._wake.wait()
            rest = GATHER if self._spool.waits >= BATCH else max(GATHER, wrote + REST - now())
            await asyncio.sleep(RETRY[min(failures, len(RETRY)) - 1] if failures else rest)
            wrote = now()
            cause = await self._try(doubted=failures > 0)
            if cause and failures in (0, 10, 100):
                log.warning("records wait in the spool", cause=cause, tries=failures + 1)
            if failures and not cause:
                log.info("records are written again", tries=failures)
            failures = failures + 1 if cause else 0

    async def _try(self, *, doubted: bool) -> str:
        """Write the next entries; returns the error, or "". A `doubted` database file is checked first."""
        try:
            if doubted or self._store.replaced:
                await SPOOL.run(self._spool.flush)
                await self._store.revive()
            await self._step(self._spool, self._writer)
        except MOMENT as error:
            return _cause(error)
        except Exception as error:  # the observer boundary: calls go on without their records
            log.exception("records not written")
            return type(error).__name__
        return self._spool.problem

    async def _step(self, spool: Spool, writer: Writer) -> bool:
        """Write the next entries; returns whether there were any."""
        entries, place = await SPOOL.run(spool.read)
        if place == spool.place:
            return False
        sure, writer.sure = writer.sure, False
        try:
            async with self._store.write() as session:
                there = spool.place if sure else await writer.place(session)
                if there > spool.place:  # the batch was committed, but the answer was lost
                    place = there
                else:
                    await self._apply(session, writer, entries, place)
        except Exception as error:
            if not _refused(error):
                raise
            await self._one_by_one(writer, entries, place)
        ended = place.segment > spool.place.segment
        writer.sure, spool.place = True, place
        if self._deliveries:
            self._deliveries.added()
        if ended:
            await SPOOL.run(spool.done)
        return True

    async def _one_by_one(self, writer: Writer, entries: list[Entry], place: SpoolPosition) -> None:
        """Write `entries` one by one, because the database refuses one of them."""
        async with self._store.write() as session:
            for entry in entries:
                try:
                    async with session.begin_nested():
                        await self._apply(session, writer, [entry], None)
                except Exception as error:  # the boundary of one entry: an error of ours must not delay the others
                    if not _refused(error):
                        raise
                    self.rejected += 1
                    log.warning("a record was not taken", call=entry.get("call"), cause=_cause(error))
            await self._apply(session, writer, [], place)

    async def _apply(
        self, session: AsyncSession, writer: Writer, entries: list[Entry], place: SpoolPosition | None
    ) -> None:
        await writer.apply(session, entries, place)
        if self._deliveries:
            await self._deliveries.add(session, entries, writer.gateway)

    async def _sync(self) -> None:
        while True:
            await self._kept.wait()
            await asyncio.sleep(SYNC)
            self._kept.clear()
            try:
                await FSYNC.run(self._spool.sync)
                tidied = await SPOOL.run(self._spool.tidy)
                again = self.behind or not tidied  # the rest may have come into the database after `tidy` checked
            except (OSError, NotBegun) as error:
                again = True
                log.warning("the spool is not safe from a power cut", cause=_cause(error))
            except Exception:  # the observer boundary: see `_try`
                again = True
                log.exception("the spool is not safe from a power cut")
            if again:
                self._kept.set()

    async def _finish(self, tasks: list[asyncio.Task[None]]) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE):
                await self.written()
        if self.behind:
            log.error("records are left for the next start", folder=str(self._store.options.spool_folder))
        self._feed.stop()
        for task in tasks:
            task.cancel()


async def _close(spool: Spool) -> None:
    """Close the spool if its disk answers in time. Otherwise the end of the process closes it."""
    with contextlib.suppress(TimeoutError, NotBegun):
        async with asyncio.timeout(GOODBYE):
            await SPOOL.run(spool.close)


def _refused(error: Exception) -> bool:
    """Whether the database refuses the values themselves, so that another try is useless."""
    return refused(error) if isinstance(error, SQLAlchemyError) else not isinstance(error, MOMENT)


def _cause(error: Exception) -> str:
    return (str(getattr(error, "orig", None) or error).splitlines() or [type(error).__name__])[0]
