"""The shared Redis. Each request has a time limit, and while Redis does not answer, requests fail at once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import structlog

from sipgw.config.cluster import ClusterOptions

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = structlog.get_logger()
T = TypeVar("T")

LIMIT = 0.5
"""Time limit of Redis in seconds. Only the request that finds the failure waits as long; later requests fail at
once."""
CONNECTIONS = 16


class Unreachable(Exception):  # noqa: N818  an outcome
    """Redis does not answer."""


class Shared:
    """One Redis. `check` must be called repeatedly: only `check` notices that Redis is back."""

    def __init__(self, options: ClusterOptions) -> None:
        from redis.asyncio import BlockingConnectionPool, Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        pool = BlockingConnectionPool.from_url(
            options.redis,
            max_connections=CONNECTIONS,
            timeout=LIMIT,
            socket_timeout=LIMIT,
            socket_connect_timeout=LIMIT,
            decode_responses=True,
            retry=Retry(NoBackoff(), 0),
        )
        self.prefix = options.prefix
        self.up = False
        """Whether Redis has answered the last request."""
        self.lost = 0
        """How often the connection to Redis was lost."""
        self._told = False
        self._redis: Redis = Redis.from_pool(pool)

    def key(self, name: str) -> str:
        """The key `name` with the prefix of the cluster."""
        return f"{self.prefix}:{name}"

    async def check(self) -> bool:
        """Find out whether Redis answers."""
        if not self.up:
            await self._redis.connection_pool.disconnect()  # connections that were cut off never notice it
        try:
            await self._asked(lambda redis: redis.ping())
        except Unreachable as error:
            if not self._told:
                log.warning("redis does not answer: this gateway works alone until it does", cause=str(error))
        else:
            if not self.up:
                log.info("redis is reachable")
            self.up, self._told = True, False
        self._told = not self.up
        return self.up

    async def ask(self, what: Callable[["Redis"], Awaitable[T]]) -> T:
        """Send a request; raises `Unreachable`, at once if Redis did not answer the last time."""
        if not self.up:
            raise Unreachable("it did not answer before")
        return await self._asked(what)

    async def run(self, script: str, keys: list[str], arguments: list[str | float]) -> list[str]:
        """Run a Lua script atomically. Raises `Unreachable`."""
        made = self._redis.register_script(script)
        found = await self.ask(lambda _: made(keys=[self.key(key) for key in keys], args=arguments))
        return [str(one) for one in found or ()]

    async def _asked(self, what: Callable[["Redis"], Awaitable[T]]) -> T:
        from redis.exceptions import RedisError

        task = asyncio.current_task()
        cancelled = task.cancelling() if task else 0
        try:
            async with asyncio.timeout(2 * LIMIT):
                return await what(self._redis)
        except (RedisError, OSError, TimeoutError) as error:
            self.lost += self.up
            self.up = False
            raise Unreachable(str(error) or type(error).__name__) from None
        finally:
            if task and task.cancelling() > cancelled:  # for a cancellation redis 8 raises TimeoutError, or nothing
                raise asyncio.CancelledError

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
