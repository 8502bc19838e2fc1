"""The event loop of a process: its look-ups of host names, and the memory of its TLS connections.

asyncio gives look-ups to the executor of the loop. The usual one has few threads and a queue without a bound, and the
process waits at its end for look-ups that hang. So clients of HTTP, websockets and databases look names up in a bounded
pool of threads.
"""

import asyncio
import socket
from asyncio import sslproto
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from agent.pool import Pool, PoolFullError

T = TypeVar("T")
P = ParamSpec("P")

LOOKUPS = Pool("the names of services", workers=32, waiting=256)
TLS_BUFFER = 16 * 1024
"""Bytes that a TLS connection reads at once: the longest record (RFC 8446 §5.1). asyncio keeps a buffer of 256 KiB for
each connection, which is most of the memory of a call, and of a phone that is registered over TLS.
"""


class _Executor(ThreadPoolExecutor):
    """Executor of a loop whose work is done in the threads of `LOOKUPS`; asyncio takes no other kind of class."""

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call `function` in a thread. Raises `socket.gaierror` if all threads are busy: clients treat it as a name
        without an address."""
        try:
            return LOOKUPS.submit(function, *args, **kwargs)
        except PoolFullError as error:
            raise socket.gaierror(socket.EAI_AGAIN, str(error)) from None

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Return at once: look-ups that hang end with the process."""


def run_main(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` as the main task of a process, as `asyncio.run` does.

    Names are looked up in `LOOKUPS`. All TLS connections of the process have buffers of `TLS_BUFFER`.
    """
    sslproto.SSLProtocol.max_size = TLS_BUFFER  # asyncio has no option for it
    with asyncio.Runner() as runner:
        runner.get_loop().set_default_executor(_Executor(max_workers=1))
        return runner.run(work)
