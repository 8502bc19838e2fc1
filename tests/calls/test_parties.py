"""Those who are in a running call, as its page and the API show them."""

from datetime import datetime

import pytest

from agent.records import Outcome
from sipgw.calls.parties import parties
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
