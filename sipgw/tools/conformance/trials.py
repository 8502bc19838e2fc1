"""Runs a provider for a check: with a server, on a watched event loop in a thread of its own, until everything is
closed."""

import asyncio
import contextlib
import threading
import time
import urllib.parse
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import Future, wait
from contextlib import AbstractAsyncContextManager
from dataclasses import fields, replace
from functools import partial
from typing import Any, TypeVar

from agent.errors import ProviderError
from agent.providers.provider import Provider
from sipgw.tools.conformance import exercises
from sipgw.tools.conformance.exercises import ExerciseResult, NonconformingError
from sipgw.tools.conformance.proxy import ConnectionFault, Proxy
from sipgw.tools.conformance.time_skipping_loop import WATCHED, TimeSkippingLoop, starved

T = TypeVar("T")
Server = Callable[[], AbstractAsyncContextManager[Mapping[str, Any]]]
"""Starts a correct server for the provider on the running loop, and gives the options that reach it, `url` among them.
If the provider has keys, the server refuses every key but the one in these options."""

LIMIT = 60.0
"""Seconds within which the provider must have done all work of a check. `exercises.within` has the shorter limits of a
call, for a session, for the first piece and for the next one."""
CLOSE_LIMIT = 5.0
"""Seconds within which `close` must return, and within which every connection must be closed after it."""
POINTS = 6
"""Number of points, from the connection to the end, at which each fault is tried."""
STUCK = 20.0
"""Real seconds for which the event loop may be blocked, or for which all calls of `send_audio` may take together. Time
in which the thread waits for a busy processor does not count."""
SECRET = 8
"""Minimum characters of a hidden option that must not stand in an error; shorter ones may be ordinary words."""


def watched(work: Callable[[], Coroutine[Any, Any, T]], loop: TimeSkippingLoop) -> T:
    """Run `work` on `loop` in a thread of its own. Raises `NonconformingError` if it blocks the loop, or leaves
    tasks."""
    found: Future[T] = Future()

    def run() -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                outcome = runner.run(work())
                if left := [str(one.get_coro()) for one in loop.watched if not one.done()]:
                    raise NonconformingError(f"tasks are left over: {', '.join(sorted(left))}")
            found.set_result(outcome)
        except BaseException as error:  # noqa: BLE001  it is raised in the other thread
            found.set_exception(error)

    thread = threading.Thread(target=run, daemon=True)  # a thread that is blocked for ever is abandoned
    thread.start()
    since, seen, before = None, 0.0, 0.0
    while not wait((found,), STUCK / 20).done:
        if since != loop.busy_since:  # count from now on: this thread may have waited for a processor too
            since, seen, before = loop.busy_since, time.monotonic(), starved(thread.native_id or 0)
        elif since and time.monotonic() - seen - (starved(thread.native_id or 0) - before) > STUCK:
            raise NonconformingError(f"it blocks the event loop for more than {STUCK:g} s")
    return found.result()


class Trial:
    """A provider and its server, with a proxy between them that can make connections fail."""

    def __init__(self, record: Provider, server: Server) -> None:
        self.record, self._server = record, server
        self.options = record.options()
        """Options of the last run."""
        self.proxy: Proxy
        """Proxy of the last run."""
        with contextlib.suppress(ImportError):  # a check reports it
            record.load(record.options())

    def run(
        self,
        work: Callable[[Any], Awaitable[T]],
        fault: ConnectionFault = ConnectionFault.NONE,
        after: int = 0,
        *,
        reached: Callable[[], object] | None = None,
        **changed: Any,
    ) -> tuple[T | ProviderError, Proxy]:
        """Do `work` with a new provider. Returns its result or its error, and the proxy. `changed` replaces options."""
        return watched(partial(self._run, work, fault, after, reached, changed), TimeSkippingLoop())

    async def _run(
        self,
        work: Callable[[Any], Awaitable[T]],
        fault: ConnectionFault,
        after: int,
        reached: Callable[[], object] | None,
        changed: Mapping[str, Any],
    ) -> tuple[T | ProviderError, Proxy]:
        async with self._server() as told:
            url = urllib.parse.urlsplit(told["url"])
            async with Proxy((url.hostname or "", url.port or 0), fault, after, reached) as proxy:
                self.proxy = proxy
                through = url._replace(netloc=f"127.0.0.1:{proxy.port}").geturl()
                self.options = options = replace(self.record.options(), **{**told, "url": through, **changed})
                WATCHED.set(True)
                made = exercises.make(self.record, options)
                try:
                    async with asyncio.timeout(LIMIT):
                        result: T | ProviderError = await work(made)
                except TimeoutError:
                    raise NonconformingError(f"neither done nor failed within {LIMIT:g} s") from None
                except ProviderError as error:
                    result = error
                    self._secret(error, options)
                finally:
                    await _closed(made, proxy, fault)
        await asyncio.sleep(0.1)  # aborted connections end
        return result, proxy

    def _secret(self, error: ProviderError, options: Any) -> None:
        hidden = [getattr(options, one.name) for one in fields(options) if not one.repr]
        secrets = [one for one in hidden if isinstance(one, str) and len(one) >= SECRET]
        if any(one in f"{error} {error!r}" for one in secrets):
            raise NonconformingError("an error holds a secret of the options")

    def use(self, fault: ConnectionFault = ConnectionFault.NONE, after: int = 0, **more: Any) -> tuple[Any, Proxy]:
        """Use a new provider as a call does. Returns the result or the error, and the proxy."""
        return self.run(partial(exercises.use, self.record), fault, after, **more)

    def served(self) -> tuple[ExerciseResult, list[int]]:
        """The result with a server that does not fail, and the numbers of pieces after which faults are tried. One of
        these is the moment at which a session calls its tool.
        """
        called: list[int] = []
        found, proxy = self.run(lambda made: exercises.use(self.record, made, lambda: called.append(self.proxy.pieces)))
        if isinstance(found, ProviderError):
            raise NonconformingError(f"it fails with a server that serves it: {found}")
        last = proxy.pieces
        return found, sorted({round(at * last / (POINTS - 1)) for at in range(POINTS)} | {1, *called})


async def _closed(made: Any, proxy: Proxy, fault: ConnectionFault) -> None:
    try:
        async with asyncio.timeout(CLOSE_LIMIT):
            await made.close()
            await made.close()
    except TimeoutError:
        raise NonconformingError(f"close takes longer than {CLOSE_LIMIT:g} s") from None
    if fault is ConnectionFault.DEAF:
        return  # a proxy that does not read cannot notice the close
    try:
        async with asyncio.timeout(CLOSE_LIMIT):
            await proxy.closed()
    except TimeoutError:
        raise NonconformingError("a connection is still open after close") from None
