"""Calls that go out: through the first trunk that takes them, or to the phone of an account."""

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import structlog

from sipgw.dialling import PENALTY, Attempt, Dialling, NotDialled
from sipgw.sip.endpoint import CallFailed, Endpoint
from sipgw.sip.leg import Ended, Leg
from sipgw.sip.registrar import Registrar
from sipgw.trunks import TrunkOptions

log = structlog.get_logger()


@dataclass(frozen=True)
class Made:
    """A call that was answered."""

    leg: Leg
    answer: bytes | None
    trunk: str
    """The trunk it went through; empty for a phone of an account."""


class Outbound:
    """Makes calls."""

    def __init__(self, endpoint: Endpoint, dialling: Dialling, registrar: Registrar, calls: Counter[str]) -> None:
        self._endpoint = endpoint
        self._dialling = dialling
        self._registrar = registrar
        self._calls = calls

    @contextlib.asynccontextmanager
    async def dial(
        self,
        number: str,
        offer: Callable[[TrunkOptions], bytes],
        *,
        trunk: str = "",
        caller_id: str = "",
        ring_timeout: float = 60.0,
    ) -> AsyncIterator[Made]:
        """Call a telephone number; the call counts on its trunk until the block ends.

        `offer` is asked for each trunk that is tried: keys that one was told must not be told to the next.

        Raises `CallFailed` with what the person called or the last trunk said, `NotDialled` if no trunk could try.
        """
        now = asyncio.get_running_loop().time
        failure: CallFailed | None = None
        for attempt in self._dialling.attempts(number, now, only=trunk, caller_id=caller_id):
            self._calls[attempt.trunk.name] += 1
            try:
                await asyncio.sleep(attempt.wait)
                try:
                    leg, answer = await self._send(attempt, offer(attempt.trunk), ring_timeout)
                except CallFailed as failed:
                    failure = failed
                    log.info("call out failed", trunk=attempt.trunk.name, cause=str(failed))
                    if self._dialling.failed(attempt, failed.ended.status, now(), _retry_after(failed.ended)):
                        continue
                    raise
                yield Made(leg, answer, attempt.trunk.name)
                return
            finally:
                self._calls[attempt.trunk.name] -= 1
        raise failure or NotDialled("no trunk was left to try")

    async def _send(self, attempt: Attempt, offer: bytes, ring_timeout: float) -> tuple[Leg, bytes | None]:
        return await self._endpoint.invite(
            attempt.target,
            attempt.from_,
            offer,
            credentials=attempt.credentials,
            proxy=attempt.proxy,
            fields=attempt.fields,
            ring_timeout=ring_timeout,
        )

    async def ring(self, user: str, from_: str, offer: bytes, *, ring_timeout: float = 30.0) -> Made:
        """Call the phones of an account one after the other, each where it was last seen. Raises `CallFailed`."""
        failure = CallFailed(Ended("network", "not registered", f"no phone of {user!r} is registered", 480))
        for binding in self._registrar.bindings(user, asyncio.get_running_loop().time()):
            try:
                leg, answer = await self._endpoint.invite(
                    binding.contact, from_, offer, peer=binding.peer, ring_timeout=ring_timeout
                )
            except CallFailed as failed:
                failure = failed
                continue
            return Made(leg, answer, "")
        raise failure


def _retry_after(ended: Ended) -> float:
    """The seconds of a Retry-After, as the leg tells them."""
    match = re.search(r"Retry-After: (\d{1,6})", ended.text)
    return float(match[1]) if match else PENALTY
