"""Those who are in a running call, as its page and the API show them."""

from datetime import UTC, datetime, timedelta

import pytest

from agent.records import HandedOver, Outcome
from sipgw.calls.parties import parties
from sipgw.calls.phone_line import PhoneLine
from sipgw.calls.transfer_legs import TransferLegs
from sipgw.sip.offer_answer import make_offer
from tests.calling import World
from tests.calls.test_call_legs import run, warm
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("quick_people")


def there(world: World) -> list[tuple[str, str, bool]]:
    found = parties(world.session)
    assert all(datetime.fromisoformat(one["since"]) for one in found)
    return [(one["role"], one["name"], one["held"]) for one in found]


def test_the_agent_leaves_when_a_person_comes_and_who_holds_is_shown() -> None:
    async def scenario() -> None:
        async with warm(status=501) as (world, _):
            assert there(world) == [("caller", "", False), ("agent", "agent", False)]
            assert world.talk.connect
            assert await world.talk.connect("anna")
            assert there(world) == [("caller", "", False), ("person", "anna", False)]
            shown = parties(world.session)[-1]
            assert shown["number"] == str(world.third.uri)
            await world.third.legs[0].reinvite(make_offer(world.third.media, "sendonly"))
            await until(lambda: there(world)[-1] == ("person", "anna", True))
            await world.leg.reinvite(make_offer(world.caller.media, "sendonly"))
            await until(lambda: there(world)[0] == ("caller", "", True))
            world.talk.outcome.set_result(Outcome("transfer", "asked"))
            world.third.legs[0].hangup()
            await world.ending

    run(scenario)


def test_all_are_there_since_they_came_in() -> None:
    """A person after they were briefed, an agent after the hand-over; the first agent since the call was answered."""

    async def scenario() -> None:
        async with warm(status=501) as (world, _):
            info, briefed = world.session.info, list[datetime]()
            info.answered = datetime.now(UTC) - timedelta(hours=1)
            assert since(world) == ([info.answered.isoformat(timespec="seconds")] * 2)
            before = datetime.now(UTC)
            world.session.context.report(HandedOver("billing", "agent", "an invoice"))
            assert since(world)[0] < before.isoformat(timespec="seconds") <= since(world)[1]
            assert there(world)[1] == ("agent", "billing", False)

            async def brief(self: TransferLegs, line: PhoneLine) -> str:
                briefed.append(datetime.now(UTC))
                return ""

            world.legs.brief = brief  # type: ignore[method-assign]
            assert world.talk.connect
            assert await world.talk.connect("anna")
            person = world.session.transfers.person
            assert person and person.since > briefed[0]
            assert since(world)[1] == person.since.isoformat(timespec="seconds")

    def since(world: World) -> list[str]:
        return [one["since"] for one in parties(world.session)]

    run(scenario)
