"""Lets the gateway that runs on this machine make a call for a command, because it has the registered port and the
limits.

The gateway writes its address and a key into a file that only its user may read (`sipgw.web.local_key`). A command asks
for the call by REST, and follows it by its record in the database, which is the gateway's own.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
from sqlalchemy.exc import SQLAlchemyError

from agent.authorities import tls
from agent.bodies import within
from agent.records import AgentSays, CallerSaid
from sipgw.calls.request import OriginateRequest
from sipgw.config.config import GatewayConfig
from sipgw.events import (
    AnsweredBy,
    CallAnswered,
    CallBegan,
    CallEnded,
    CallReported,
    CallRinging,
    Disposition,
    Event,
)
from sipgw.records.store.store import Store
from sipgw.trunks.route_selector import NotDialled
from sipgw.web.api import KEY, PREFIX
from sipgw.web.local_key import found_at, key_file

LOOK = 0.5
"""Seconds between two checks of a call."""
PATIENCE = 20.0
"""Seconds without an answer of a gateway, or without a trace of a call, after which the call is given up."""
LIMIT = 5.0
"""Seconds for one request."""
LARGEST = 16 << 20
"""Maximum bytes of an answer; a gateway's answers are far shorter. Another server may listen at the address."""
GONE = Disposition("failed", "the gateway that made the call does not tell of it any more")
"""The ending of a call about which no gateway answers. The phone may have rung, or somebody may have answered."""


class RunningGateway:
    """The REST client for the gateway that runs on this machine. Use `found` to get one."""

    def __init__(self, client: httpx2.AsyncClient, file: Path) -> None:
        """`file` is the gateway's key file. It is read for each request, because another gateway may have taken
        over."""
        self._client = client
        self._file = file

    @property
    def url(self) -> str:
        """The address of the gateway's REST interface; empty if no gateway has written one."""
        there = found_at(self._file)
        return there.url if there else ""

    async def originate(self, request: OriginateRequest) -> str:
        """Let the gateway make a call. Returns the identity of the call; empty if it is unknown whether the call was
        made.

        Raises `NotDialled` if the call was not made.
        """
        wanted = {
            "to": request.number, "agent": request.agent, "variables": dict(request.variables), "trunk": request.trunk,
            "caller_id": request.caller_id, "consent": request.consent, "ring": request.ring_timeout,
        }  # fmt: skip
        loop, key, sent = asyncio.get_running_loop(), secrets.token_hex(16), False
        began = loop.time()
        while True:  # requests with the same key make one call
            try:
                answer = await self._request("POST", "/calls", key, json=wanted)
            except httpx2.HTTPError as error:
                sent = sent or not isinstance(error, httpx2.ConnectError)
                if not sent:
                    raise NotDialled(f"the gateway does not answer: {type(error).__name__}") from None
            else:
                if answer.status_code == 201:
                    return str(answer.json()["id"])
                if not sent or answer.status_code not in (401, 503):  # otherwise an earlier request may have made it
                    raise NotDialled(_detail(answer))
            if loop.time() - began > PATIENCE:
                return ""
            await asyncio.sleep(LOOK)

    async def end(self, call: str, cause: str) -> None:
        """End the ringing or answered call `call`. Errors are ignored."""
        with contextlib.suppress(httpx2.HTTPError):
            await self._request("POST", f"/calls/{quote(call, safe='')}/end", json={"cause": cause})

    async def live(self) -> set[str] | None:
        """The identities of the gateway's running calls; None if no gateway answers, or if it does not know our key."""
        with contextlib.suppress(httpx2.HTTPError, ValueError, KeyError, TypeError):  # another server may listen there
            answer = await self._request("GET", "/live")
            return {str(one["id"]) for one in answer.json()["calls"]} if answer.status_code == 200 else None
        return None

    async def _request(self, method: str, path: str, key: str = "", **body: Any) -> httpx2.Response:
        """Send a request. The gateway carries out requests with the same `key` once. Raises `httpx2.HTTPError`."""
        there = found_at(self._file)
        if there is None:
            raise httpx2.ConnectError("no gateway runs here")
        headers = {"Authorization": f"Bearer {there.key}"} | ({KEY: key} if key else {})
        return await self._client.request(method, f"{there.url.rstrip('/')}{PREFIX}{path}", headers=headers, **body)


@contextlib.asynccontextmanager
async def found(config: GatewayConfig) -> AsyncIterator[RunningGateway | None]:
    """The gateway that runs on this machine with the database of `config`; None if none runs."""
    async with httpx2.AsyncClient(timeout=LIMIT, trust_env=False, verify=tls(), event_hooks=within(LARGEST)) as client:
        running = RunningGateway(client, key_file(config.store.path))
        yield running if await running.live() is not None else None  # a killed gateway leaves its file


async def call_by(
    running: RunningGateway, store: Store, request: OriginateRequest, tell: Callable[[Event], None], stop: asyncio.Event
) -> Disposition:
    """Let `running` make a call, give its events to `tell`, and return how the call ended.

    The call is ended when `stop` is set. Raises `NotDialled` if the call was not made.
    """
    call, loop = await running.originate(request), asyncio.get_running_loop()
    progress, seen = RecordProgress(), loop.time()
    while call and loop.time() - seen < PATIENCE:
        if stop.is_set():
            await running.end(call, "it was cancelled here")
        record = None
        with contextlib.suppress(SQLAlchemyError):
            record = await store.call(call)
        if record is not None:
            for event in progress.events(record):
                tell(event)
            if record["ended"]:
                return Disposition(record["ending"], record["cause"], record["again"])
        live = await running.live()
        if live is not None and (record is not None or call in live):
            seen = loop.time()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK):
                await asyncio.sleep(LOOK) if stop.is_set() else await stop.wait()
    return GONE


class RecordProgress:
    """Turns the new entries in the record of a call into events."""

    def __init__(self) -> None:
        self._told: set[str] = set()
        self._events = 0

    def events(self, record: dict[str, Any]) -> Iterator[Event]:
        """The events of `record` that earlier calls of this method have not returned."""
        call, trunk = record["id"], record["trunk"]
        if self._first("began"):
            caller, called = record["caller"], record["called"]
            yield CallBegan(call, record["began"], "out", trunk, record["agent"], caller, called, {})
        for event in record["events"][self._events :]:
            self._events += 1
            if event["kind"] == "ringing":
                yield CallRinging(call, event["at"], trunk)
            elif event["kind"] == "answered_by":
                yield AnsweredBy(call, event["at"], str(event["about"]["who"]), str(event["about"]["why"]))
        if record["answered"] and self._first("answered"):
            yield CallAnswered(call, record["answered"], trunk, None)
        turns = record["turns"] if record["ended"] else record["turns"][:-1]  # the last one may still grow
        for number, turn in enumerate(turns):
            if self._first(f"turn {number}"):
                for report in (CallerSaid(turn["caller"], True), AgentSays(turn["said"])):
                    if report.text:
                        yield CallReported(call, datetime.now(UTC), report)
        if record["ended"]:
            ending = Disposition(record["ending"], record["cause"], record["again"])
            yield CallEnded(call, record["ended"], ending, record["media"], (), None)

    def _first(self, name: str) -> bool:
        """Whether this is the first question about `name`."""
        new = name not in self._told
        self._told.add(name)
        return new


def _detail(answer: httpx2.Response) -> str:
    with contextlib.suppress(ValueError, AttributeError, KeyError, TypeError, IndexError):
        detail = answer.json()["detail"]
        if isinstance(detail, list):  # a request that is not valid: one problem for each of its values
            detail = "; ".join(f"{one['loc'][-1]}: {one['msg']}" for one in detail)
        return str(detail)[:500]
    return f"the gateway answered {answer.status_code}"
