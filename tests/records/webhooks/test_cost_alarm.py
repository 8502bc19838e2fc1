"""The alarm on what the calls of a day cost goes to webhooks and by mail."""

import asyncio
from pathlib import Path

from sipgw.events import CostAlarm
from tests.cdr_events import a_call, at
from tests.records.webhooks.test_mail import ENGINEER, mailing, until


def test_an_alarm_on_the_cost_of_the_day_is_a_webhook_and_a_mail(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with mailing(tmp_path) as (watchers, server, _, world):
            *before, _ = a_call("c")
            for event in (*before, CostAlarm("c", at(60), 40.204, 40.0, "EUR")):
                watchers.tell(event)
            await until(server.mails)
            (letter,), ((recipient,),) = server.mails, server.recipients
            assert recipient == ENGINEER
            assert letter["Subject"] == "Alarm: today's calls have cost 40.20 EUR"
            assert "set to 40.00 EUR ([alarms] cost)" in letter.get_content()
            await until(world.took, len(before) + 1)
            hook = next(one for one in world.took if one["event"] == "alarm")
            assert (hook["data"], hook["about"]) == ({"cost": 40.204, "limit": 40.0, "currency": "EUR"}, {})

    asyncio.run(scenario())
