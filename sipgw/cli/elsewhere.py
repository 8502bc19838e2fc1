"""Calls that are made by the gateway that runs on this machine: it has the registered port, the caps and the limits.

A command finds it by a file that only its user may read (`sipgw.web.local_key`), and speaks to its REST interface.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2

from agent.records import AgentSays, CallerSaid
from sipgw.calls.request import OriginateRequest
from sipgw.config.config import Config
from sipgw.events import (
    AnsweredBy,
    CallAnswered,
    CallBegan,
    CallEnded,
    CallReported,
    CallRinging,
    Disposition,
    Event,
    Watchers,
)
from sipgw.trunks.route_selector import NoRoom, NotDialled
from sipgw.web.api import KEY, PREFIX
from sipgw.web.local_key import LocalKey, found_at, key_file

LOOK, LOOK_EACH = 0.5, 0.02
"""Seconds between two looks at a call, and more for each that goes on: the gateway has other things to do."""
PATIENCE = 20.0
"""Seconds without an answer, or without a trace of a call, after which it is given up."""
LIMIT = 5.0
"""Seconds for one request."""
STRANGER = 401
"""The status for a key that the gateway does not know: it has done nothing."""
GONE = Disposition("failed", "the gateway that made the call does not tell of it any more")
"""It may have rung, or more: it counts as a call."""


class ElsewhereCall:
    """One call. What has happened in it is told to the watchers, a little later."""

    def __init__(self, house: "Elsewhere", request: OriginateRequest) -> None:
        self.id = ""
        self._house = house
        self._request = request
        self._ended: asyncio.Future[Disposition] = asyncio.get_running_loop().create_future()
        self._stopping = ""
        self._events = 0
        self._told: set[str] = set()

    async def ended(self) -> Disposition:
        """How it ended, once it has. Raises `NotDialled` if it was not made."""
        return await asyncio.shield(self._ended)

    def stop(self, cause: str = "it was cancelled here") -> None:
        """End it, whether it rings or somebody speaks."""
        self._stopping = self._stopping or cause
        self._house.spawn(self._stop())

    async def _stop(self) -> None:
        if self.id:
            with contextlib.suppress(httpx2.HTTPError):
                await self._house.post(f"/calls/{quote(self.id, safe='')}/end", {"cause": self._stopping})

    async def run(self) -> None:
        """Make the call, and follow it to its end."""
        try:
            self._ended.set_result(await self._run())
        except NotDialled as error:
            self._ended.set_exception(error)

    async def _run(self) -> Disposition:
        request = self._request
        wanted = {
            "to": request.number, "agent": request.agent, "variables": dict(request.variables), "trunk": request.trunk,
            "caller_id": request.caller_id, "consent": request.consent, "ring": request.ring_timeout,
            "campaign": request.campaign,
        }  # fmt: skip
        answer = await self._asked(wanted)
        if answer is None:
            return GONE
        if answer.status_code != 201:
            raise (NoRoom if answer.status_code in (STRANGER, 503) else NotDialled)(_detail(answer))
        self.id = str(answer.json()["id"])
        if self._stopping:
            await self._stop()
        return await self._follow()

    async def _asked(self, wanted: dict[str, Any]) -> httpx2.Response | None:
        """Ask for the call; None if it is not known whether it was made. Raises `NoRoom` if it was not."""
        loop, key, sent = asyncio.get_running_loop(), secrets.token_hex(16), False
        began = loop.time()
        while True:
            try:
                answer = await self._house.post("/calls", wanted, key)
                if not sent or answer.status_code not in (STRANGER, 503):
                    return answer  # else what was sent before may have been done
            except httpx2.HTTPError as error:
                sent = sent or not isinstance(error, httpx2.ConnectError)
                if not sent:
                    raise NoRoom(f"the gateway does not answer: {type(error).__name__}") from None
            if loop.time() - began > PATIENCE:
                return None
            await asyncio.sleep(self._house.pause)  # with the same key it is made once, however often we ask

    async def _follow(self) -> Disposition:
        loop = asyncio.get_running_loop()
        seen = loop.time()
        while loop.time() - seen < PATIENCE:
            await asyncio.sleep(self._house.pause)
            try:
                record = await self._house.record(self.id)
                if record is None and not await self._house.lives(self.id):
                    continue
            except httpx2.HTTPError:
                continue
            seen = loop.time()
            if record is None:
                continue  # it goes on, and its record waits for the database
            if self._first("began"):
                self._tell(CallBegan(self.id, _moment(record["began"]), "out", record["trunk"], record["agent"],
                                     record["caller"], record["called"], {}))  # fmt: skip
            self._progress(record)
            if record["ended"]:
                again = record.get("again")
                ending = Disposition(record["ending"], record["cause"], _moment(again) if again else None)
                self._tell(CallEnded(self.id, _moment(record["ended"]), ending, record["media"], (), None))
                return ending
        await self._stop()
        return GONE

    def _progress(self, record: dict[str, Any]) -> None:
        """Tell what is new in the record of the call."""
        for event in record["events"][self._events :]:
            at, about = _moment(event["at"]), event["about"]
            if event["kind"] == "ringing":
                self._tell(CallRinging(self.id, at, record["trunk"]))
            elif event["kind"] == "answered_by":
                self._tell(AnsweredBy(self.id, at, str(about["who"]), str(about["why"])))
        self._events = len(record["events"])
        if record["answered"] and self._first("answered"):
            self._tell(CallAnswered(self.id, _moment(record["answered"]), record["trunk"], None))
        turns = record["turns"] if record["ended"] else record["turns"][:-1]  # the last one may still grow
        for number, turn in enumerate(turns):
            if self._first(f"turn {number}"):
                for report in (CallerSaid(turn["caller"], True), AgentSays(turn["said"])):
                    if report.text:
                        self._tell(CallReported(self.id, datetime.now(UTC), report))

    def _first(self, what: str) -> bool:
        """Whether it was not told yet; from now on it was."""
        new = what not in self._told
        self._told.add(what)
        return new

    def _tell(self, event: Any) -> None:
        self._house.watchers.tell(event)


class Elsewhere:
    """The gateway that runs here. Use `found`."""

    def __init__(self, client: httpx2.AsyncClient, group: asyncio.TaskGroup, file: Path, there: LocalKey) -> None:
        """`file` tells where it is, and by what it knows us: `there` for now, until another has taken its place."""
        self.watchers = Watchers[Event]()
        self._client = client
        self._group = group
        self._file = file
        self._there = there
        self._going = 0

    @property
    def url(self) -> str:
        """Where it is."""
        return self._there.url

    @property
    def pause(self) -> float:
        """Seconds until a call is looked at again."""
        return LOOK + LOOK_EACH * self._going

    def spawn(self, work: Any) -> None:
        """Let `work` be done beside."""
        self._group.create_task(work)

    def originate(self, request: OriginateRequest) -> ElsewhereCall:
        """Call somebody; see `sipgw.gateway.gateway.Gateway.originate`, whose errors come from `ElsewhereCall.ended`."""
        call = ElsewhereCall(self, request)
        self.spawn(self._make(call))
        return call

    async def _make(self, call: ElsewhereCall) -> None:
        self._going += 1
        await call.run()
        self._going -= 1

    async def runs(self) -> bool:
        """Whether it knows us: a gateway that was killed leaves its file."""
        try:
            return (await self._request("GET", "/trunks")).status_code == 200
        except httpx2.HTTPError:
            return False

    async def post(self, path: str, body: dict[str, Any], key: str = "") -> httpx2.Response:
        """Raises `httpx2.HTTPError`. What has the same `key` is done once."""
        return await self._request("POST", path, json=body, headers={KEY: key} if key else {})

    async def lives(self, call: str) -> bool:
        """Whether the gateway has that call now. Raises `httpx2.HTTPError`."""
        answer = await self._request("GET", "/live")
        return answer.status_code == 200 and any(one["id"] == call for one in answer.json()["calls"])

    async def record(self, call: str) -> dict[str, Any] | None:
        """The record of a call; None if there is none, or none to be had. Raises `httpx2.HTTPError`."""
        answer = await self._request("GET", f"/calls/{quote(call, safe='')}")
        return answer.json() if answer.status_code == 200 else None

    async def _request(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, **body: Any
    ) -> httpx2.Response:
        """Ask the gateway; where it does not know us, or is not there, ask the one that has taken its place."""
        while True:
            used = self._there
            named = {"Authorization": f"Bearer {used.key}", **(headers or {})}
            url = f"{used.url.rstrip('/')}{PREFIX}{path}"
            try:
                answer = await self._client.request(method, url, headers=named, **body)
            except httpx2.ConnectError:
                if not self._replaced(used):
                    raise
            else:
                if answer.status_code != STRANGER or not self._replaced(used):
                    return answer

    def _replaced(self, used: LocalKey) -> bool:
        """Whether there is another gateway by now than the one that was asked as `used`."""
        if self._there == used:
            self._there = found_at(self._file) or used
        return self._there != used


@contextlib.asynccontextmanager
async def found(config: Config) -> AsyncIterator[Elsewhere | None]:
    """The gateway that runs on this machine with the database of `config`; None if there is none."""
    file = key_file(config.store.path)
    there = found_at(file)
    if there is None:
        yield None
        return
    async with httpx2.AsyncClient(timeout=LIMIT, trust_env=False) as client, asyncio.TaskGroup() as group:
        running = Elsewhere(client, group, file, there)
        yield running if await running.runs() else None


def _detail(answer: httpx2.Response) -> str:
    with contextlib.suppress(ValueError, AttributeError, KeyError, TypeError, IndexError):
        told = answer.json()["detail"]
        if isinstance(told, list):  # of a request that makes no sense: what is wrong with each of its values
            told = "; ".join(f"{one['loc'][-1]}: {one['msg']}" for one in told)
        return str(told)[:500]
    return f"the gateway answered {answer.status_code}"


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
