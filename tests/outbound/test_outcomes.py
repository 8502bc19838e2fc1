"""What became of a call is not forgotten while the database is away, and nobody waits for it without end."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.exc import DataError, OperationalError

from sipgw.calls.request import OriginateRequest
from sipgw.calls.session import STOPPED
from sipgw.events import CallAnswered, Disposition, Watchers
from sipgw.outbound.job_dialer import JobDialer, Pace
from sipgw.outbound.jobs import JobOutcome, Jobs
from sipgw.outbound.outcomes import LAST, Outcomes
from sipgw.outbound.tables import Campaign, Job
from sipgw.state_file import DISK, LARGEST
from tests.virtual import run
from tests.waiting import HANG

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Table(Jobs):
    """Jobs of a database that goes away and comes back."""

    def __init__(self, folder: Path, holder: str, *due: int) -> None:
        self.holder = holder
        self.away = False
        self.told: list[str] = []
        self._folder = folder
        self._due = list(due)

    @property
    def folder(self) -> Path:
        return self._folder

    def _there(self) -> None:
        if self.away:
            raise OperationalError("any", None, OSError("it is away"))

    async def campaigns(self, **_: object) -> list[Campaign]:
        self._there()
        return []

    async def claim(self, *_: object, **__: object) -> Job | None:
        self._there()
        if not self._due:
            return None
        self.told.append(f"claim {self._due[0]}")
        number = f"+1415555{self._due[0]:04}"
        return Job(id=self._due.pop(0), campaign="", number=number, agent="agent", attempts=1, due=NOW.timestamp())

    async def renew(self, ids: object, now: datetime) -> set[int]:
        self._there()
        return set(ids)  # type: ignore[call-overload, no-any-return]

    async def put_down(self, outcome: JobOutcome) -> None:
        self._there()
        if outcome.reason == "cannot be written":
            raise DataError("any", None, ValueError("a character that is none"))
        self.told.append(f"{outcome.holder} {outcome.job} {outcome.state} {outcome.reason}")

    @property
    def kept(self) -> list[str]:
        """What stands in the folder."""
        DISK.submit(int).result(HANG)
        found = [json.loads(file.read_text()) for file in sorted(self._folder.glob("*"))]
        return [f"{one['holder']} {one['job']} {one['state']}" for some in found for one in some]


class House:
    """Whose calls end when they are told to."""

    def __init__(self) -> None:
        self.watchers = Watchers()  # type: ignore[var-annotated]
        self.placed: list[Call] = []

    def originate(self, request: OriginateRequest) -> "Call":
        self.placed.append(Call(str(len(self.placed)), asyncio.get_running_loop().create_future()))
        return self.placed[-1]


class Call:
    def __init__(self, call: str, over: asyncio.Future[Disposition]) -> None:
        self.id = call
        self.over = over
        self.stopped = ""

    async def ended(self) -> Disposition:
        return await asyncio.shield(self.over)

    def stop(self, cause: str = "") -> None:
        self.stopped = cause


def dialling(table: Table, act: Callable[[House, asyncio.Task[None]], Awaitable[None]]) -> None:
    """Let a job_dialer run, at one call a second, and `act` beside it."""

    async def scenario() -> None:
        gateway = House()
        async with asyncio.TaskGroup() as group:
            job_dialer = JobDialer(table, gateway, Pace(), lambda: NOW)  # type: ignore[arg-type]
            task = group.create_task(job_dialer.run())
            await asyncio.sleep(0.5)
            await act(gateway, task)
            task.cancel()

    run(scenario())


async def ends(task: asyncio.Task[None]) -> float:
    """Cancel it; returns how long that takes."""
    began = asyncio.get_running_loop().time()
    task.cancel()
    await asyncio.wait({task})
    return asyncio.get_running_loop().time() - began


def test_a_dialer_that_is_stopped_does_not_wait_for_a_database_that_is_away(tmp_path: Path) -> None:
    table = Table(tmp_path, "one", 7)

    async def act(gateway: House, task: asyncio.Task[None]) -> None:
        gateway.watchers.tell(CallAnswered("0", NOW))
        await asyncio.sleep(0.1)
        table.away = True
        assert await ends(task) <= LAST
        assert gateway.placed[0].stopped

    dialling(table, act)
    assert table.told == ["claim 7", "one 7 done answered"]
    assert table.kept == ["one 7 done"]


def test_what_became_of_a_call_is_put_down_before_anybody_is_called_by_the_next_process(tmp_path: Path) -> None:
    table, later = Table(tmp_path, "one", 7), Table(tmp_path, "two", 8)

    async def act(gateway: House, task: asyncio.Task[None]) -> None:
        table.away = True
        gateway.placed[0].over.set_result(Disposition("agent_hung_up", "it is said"))
        await asyncio.sleep(30)
        assert table.kept == ["one 7 done"], "a kill would lose nothing"
        assert await ends(task) <= LAST

    async def nothing(gateway: House, task: asyncio.Task[None]) -> None:
        assert later.kept == []
        gateway.placed[0].over.set_result(STOPPED)
        await asyncio.sleep(0.1)

    dialling(table, act)
    dialling(later, nothing)
    assert later.told[:2] == ["one 7 done agent hung up: it is said", "claim 8"]
    assert later.kept == []


def test_who_has_answered_is_kept_while_the_database_is_away(tmp_path: Path) -> None:
    table = Table(tmp_path, "one", 7)

    async def act(gateway: House, task: asyncio.Task[None]) -> None:
        table.away = True
        gateway.watchers.tell(CallAnswered("0", NOW))
        await asyncio.sleep(5)
        assert table.kept == ["one 7 done"]
        table.away = False
        await asyncio.sleep(2)
        assert table.told == ["claim 7", "one 7 done answered"]
        assert table.kept == []
        gateway.placed[0].over.set_result(Disposition("callee_hung_up", "BYE"))
        await asyncio.sleep(1)
        assert table.told[2:] == ["one 7 done callee hung up: BYE"]

    dialling(table, act)


def test_what_the_database_never_takes_and_files_that_cannot_be_read_hold_up_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[{")
    left = [{"job": 1, "holder": "x", "state": "failed", "reason": "cannot be written"}]
    (tmp_path / "b.json").write_text(json.dumps(left))
    table = Table(tmp_path, "one", 7)

    async def act(gateway: House, task: asyncio.Task[None]) -> None:
        DISK.submit(int).result(HANG)
        assert [file.name for file in tmp_path.iterdir()] == ["a.json"]

    dialling(table, act)
    assert table.told[0] == "claim 7"


def test_outcomes_of_an_earlier_process_are_read_however_many_they_are(tmp_path: Path) -> None:
    """The people in them would be called again."""
    outcome = JobOutcome(7, "earlier", "done", "")
    (tmp_path / "earlier.json").write_text(json.dumps([asdict(outcome)]) + " " * LARGEST)
    table = Table(tmp_path, "now")
    outcomes = Outcomes(table)
    outcomes.take_up()
    run(outcomes.write())
    assert table.told == ["earlier 7 done "]
