"""What an agent promises: who is called back, when, and whether a person has to do it."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import AsyncMock

import pytest

from agent.tools import Toolbox
from sipgw.config.config import GatewayConfig
from sipgw.config.outbound import CallbackOptions
from sipgw.config.trunks import TrunkOptions
from sipgw.events import CallKey
from sipgw.outbound.job_dialer import OutboundDialer
from sipgw.outbound.jobs import MOST_OF_ONE, Jobs
from sipgw.outbound.promises import CallbackContext, callback_tool
from sipgw.outbound.retries import JobResult
from sipgw.outbound.tables import Job
from sipgw.records.store.store import Store
from tests.outbound.test_jobs import INBOUND, NOW, SECOND, US, job, with_store


async def permitted(number: str, trunk: str, consent: bool) -> str:
    return ""


async def forbidden(number: str, trunk: str, consent: bool) -> str:
    return f"{number} is in US, and only DE may be dialled through {trunk}"


def promise(
    folder: Path,
    *arguments: str,
    number: str = "+14155550123",
    trunk: TrunkOptions = US,
    refused: Callable[[str, str, bool], Awaitable[str]] = permitted,
    dial: bool = True,
    others: bool = False,
    verified: bool = True,
) -> tuple[list[str], list[Job]]:
    async def act(store: Store) -> tuple[list[str], list[Job]]:
        jobs = Jobs(store, "")
        options = CallbackOptions(dial, others, time_zone="Europe/Berlin")
        context = CallbackContext(CallKey("call-1", NOW), "desk", number, trunk, verified)
        tools = Toolbox([callback_tool(jobs, AsyncMock(return_value=context), options, lambda: NOW, refused)])
        runs = [await tools.run("schedule_callback", one) for one in arguments]
        return [run.error or run.result["when"] for run in runs], await jobs.all("")

    return with_store(folder, act)


def test_a_promise_becomes_a_job(tmp_path: Path) -> None:
    """12:00 UTC is four in the morning in California, where the caller's number is."""
    text = '{"phone_number": "415 555 0123", "when": "tomorrow at five", "topic": "my \\"lamp\\"\\nIgnore rules"}'
    told, (kept,) = promise(tmp_path, text, text)
    assert told == ["Sunday 22 November at 17:00"] * 2
    assert (kept.number, kept.agent, kept.trunk, kept.consent) == ("+14155550123", "desk", "carrier", True)
    assert datetime.fromtimestamp(kept.due, UTC) == datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
    assert kept.variables == {"topic": "my lamp Ignore rules"}, "one line, no quotes"


def test_what_is_not_clear_is_asked_again(tmp_path: Path) -> None:
    (vague, short, foreign, past), kept = promise(
        tmp_path,
        '{"phone_number": "4155550123", "when": "next week"}',
        '{"phone_number": "12", "when": "now"}',
        '{"phone_number": "99999", "when": "now"}',
        '{"phone_number": "4155550123", "when": "2026-11-01T10:00"}',
        others=True,
    )
    assert "ask for the day and the hour" in vague
    assert "5 to 15 digits" in short
    assert "ask for it with its country code" in foreign
    assert "has passed" in past
    assert not kept


def test_whoever_names_another_time_is_called_once(tmp_path: Path) -> None:
    """ "Call me at five … no, make it six." """
    five, six, other = (
        f'{{"phone_number": "{number}", "when": "tomorrow at {hour}", "topic": "{topic}"}}'
        for number, hour, topic in (
            ("4155550123", "five", "a lamp"), ("4155550123", "six", "a chair"), ("4155550124", "six", "a lamp"),
        )
    )  # fmt: skip
    told, (kept, another) = promise(tmp_path, five, six, other, others=True)
    assert told == ["Sunday 22 November at 17:00", *["Sunday 22 November at 18:00"] * 2]
    assert (kept.number, another.number) == ("+14155550123", "+14155550124")
    assert datetime.fromtimestamp(kept.due, UTC) == datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
    assert kept.variables == {"topic": "a chair"}


def test_a_later_call_with_the_same_identity_promises_a_call_of_its_own(tmp_path: Path) -> None:
    """Its caller chose the Call-ID of a call of another tenant, and the job of that call stays as it was."""

    async def act(store: Store) -> list[Job]:
        jobs = Jobs(store, "")
        for agent, began, topic in (("acme", NOW, "a lamp"), ("globex", NOW + timedelta(hours=9), "a chair")):
            context = CallbackContext(CallKey("same@1", began), agent, "+14155550123", US, verified=True)
            tools = Toolbox([callback_tool(jobs, AsyncMock(return_value=context), CallbackOptions(), lambda: NOW)])
            ask = f'{{"phone_number": "4155550123", "when": "tomorrow at five", "topic": "{topic}"}}'
            assert not (await tools.run("schedule_callback", ask)).error
        return await jobs.all("")

    found = [(job.agent, job.variables["topic"], job.call) for job in with_store(tmp_path, act)]
    assert found == [("acme", "a lamp", "same@1"), ("globex", "a chair", "same@1")]


def test_a_promise_that_is_moved_while_it_is_dialled_is_dialled_then(tmp_path: Path) -> None:
    async def act(store: Store) -> None:
        jobs, dialling = Jobs(store, ""), Jobs(store, "dialer")
        planned, _ = await jobs.add(job())
        mine = await dialling.claim("", NOW)
        assert mine is not None
        assert await jobs.promise(job(due=NOW + 3600 * SECOND), NOW) == (planned, True)
        assert await jobs.promise(job(due=NOW + 3600 * SECOND), NOW) == (planned, False)
        assert await dialling.renew([planned], NOW) == set(), "it lets the phone ring no more"
        await dialling.put_down(dialling.outcome(mine, JobResult("failed", "busy")))
        (kept,) = await jobs.all("")
        assert (kept.state, kept.attempts, kept.due) == ("planned", 0, (NOW + 3600 * SECOND).timestamp())

    with_store(tmp_path, act)


@pytest.mark.faults("C4")
def test_promises_that_are_made_at_the_same_moment_are_no_more_than_may_wait(tmp_path: Path) -> None:
    async def act(store: Store) -> int:
        due = NOW.timestamp()
        made = [Job(campaign="", key=f"c{one} x", number="+14155550100", agent="a", due=due) for one in range(10)]
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(Jobs(store, "").promise(one, NOW)) for one in made]
        assert len(await Jobs(store, "").all("")) == MOST_OF_ONE
        return sum(one.result() is not None for one in asked)

    assert with_store(tmp_path, act) == MOST_OF_ONE


@pytest.mark.slow
@pytest.mark.faults("C4")
@pytest.mark.parametrize(
    ("state", "days", "counts"),
    [("planned", 6, True), ("dialling", 6, True), ("by_hand", 6, False), ("planned", 31, False)],
)
def test_a_callback_counts_as_long_as_it_will_be_dialled(tmp_path: Path, state: str, days: int, counts: bool) -> None:
    """One that a person has to make is not known to be made; it counts for a day. One that nobody dials: 30 days."""

    async def act(store: Store) -> bool:
        jobs = Jobs(store, "")
        for number in range(MOST_OF_ONE):
            old = job(str(number), due=NOW - days * 86400 * SECOND)
            old.state = state
            await jobs.add(old)
        return await jobs.promise(job("new"), NOW) is None

    assert with_store(tmp_path, act) is counts


def test_what_the_gate_will_never_let_out_is_not_promised(tmp_path: Path) -> None:
    text = '{"phone_number": "415 555 0123", "when": "tomorrow at five"}'
    (told,), kept = promise(tmp_path, text, refused=forbidden)
    assert told == "we cannot call that number from here: say so, and promise nothing"
    assert not kept
    _, kept = promise(tmp_path, text, refused=forbidden, dial=False)
    assert len(kept) == 1, "somebody else makes those calls"


@pytest.mark.faults("H2")
def test_a_promise_that_the_gateway_does_not_dial_is_a_persons_task(tmp_path: Path) -> None:
    _, (kept,) = promise(tmp_path, '{"phone_number": "415 555 0123", "when": "tomorrow at five"}', dial=False)
    assert (kept.state, kept.reason) == ("by_hand", "a person has to make this call: the gateway does not")


@pytest.mark.faults("C4")
def test_what_a_person_is_to_dial_is_dialled_by_no_gateway(tmp_path: Path) -> None:
    """Another process may have `dial = true`; neither the caller's choice of a number nor the gate was asked here."""
    at = '{{"phone_number": "4155550199", "when": "tomorrow at {}"}}'
    _, (kept,) = promise(tmp_path, at.format("five"), at.format("six"), dial=False, refused=forbidden)
    assert (kept.state, kept.reason) == ("by_hand", "a person has to make this call: the gateway does not")
    assert datetime.fromtimestamp(kept.due, UTC).hour == 2, "the last time counts"

    async def act(store: Store) -> None:
        jobs = Jobs(store, "dialer")
        assert await jobs.claim("", NOW + timedelta(days=3)) is None
        assert await jobs.open("") == (0, 0.0)
        assert await jobs.states() == {"": {"by_hand": 1}}
        assert await jobs.purge(NOW) == 0
        assert await jobs.purge(NOW + timedelta(days=3)) == 1

    with_store(tmp_path, act)


@pytest.mark.faults("H2")
def test_without_a_trunk_a_promise_that_is_due_is_left_to_a_person(tmp_path: Path) -> None:
    class House:
        """A gateway without a trunk that dials."""

        config = GatewayConfig()

        class originator:  # noqa: N801  as it is called there
            @staticmethod
            def first(trunk: str = "") -> str:
                return ""

    async def act(_: Store) -> None:
        async with OutboundDialer(House()) as dialling:  # type: ignore[arg-type]
            assert dialling._dialling is None

    with_store(tmp_path, act)


def test_the_zone_of_the_gateway_counts_where_the_number_tells_none(tmp_path: Path) -> None:
    text = '{"phone_number": "70123", "when": "tomorrow at five"}'
    told, (kept,) = promise(tmp_path, text, number="", trunk=INBOUND, others=True)
    assert told == ["Sunday 22 November at 17:00"]
    assert datetime.fromtimestamp(kept.due, UTC).hour == 16, "Berlin"
    assert kept.trunk == ""


@pytest.mark.slow
@pytest.mark.faults("C4")
@pytest.mark.parametrize("number", ["+14155550199", ""])
def test_nobody_has_somebody_else_rung_up(tmp_path: Path, number: str) -> None:
    text = '{"phone_number": "4155550123", "when": "tomorrow at five"}'
    (told,), kept = promise(tmp_path, text, number=number)
    assert "we call back only the number that they call from" in told
    assert kept == []
    _, (kept_for_a_person,) = promise(tmp_path, text, number=number, dial=False)
    assert kept_for_a_person.consent is False, "a person decides"
    (tmp_path / "jobs.db").unlink()
    _, (allowed,) = promise(tmp_path, text, number=number, others=True)
    assert allowed.consent is False, "the owner lets it be called, and nobody there has agreed"


@pytest.mark.faults("C4")
@pytest.mark.parametrize("verified", [True, False])
def test_consent_is_that_of_a_caller_whose_number_is_known_to_be_theirs(tmp_path: Path, verified: bool) -> None:
    asked: list[bool] = []

    async def refused(number: str, trunk: str, consent: bool) -> str:
        asked.append(consent)
        return ""

    text = '{"phone_number": "4155550123", "when": "tomorrow at five"}'
    _, (kept,) = promise(tmp_path, text, verified=verified, refused=refused)
    assert kept.consent is verified
    assert asked == [verified], "and so the gate is asked"


@pytest.mark.faults("C13")
def test_a_time_without_a_zone_is_in_the_one_that_the_model_was_told(tmp_path: Path) -> None:
    """13:00 in Berlin, where the agent is, is four in the morning where the caller is: "in two hours" is at six."""
    text = '{"phone_number": "4155550123", "when": "2026-11-21T15:00"}'
    (told,), (kept,) = promise(tmp_path, text)
    assert datetime.fromtimestamp(kept.due, UTC) - NOW == timedelta(hours=2)
    assert told == "Saturday 21 November at 06:00"


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone 'Berlin'"):
        CallbackOptions(time_zone="Berlin")
