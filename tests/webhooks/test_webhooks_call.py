"""A webhook is told of a whole call: real SIP, RTP and HTTP."""

import asyncio
import json
import time
from dataclasses import replace
from pathlib import Path

from sipgw.webhooks.webhooks import WebhookOptions, genuine
from tests.calls.test_cloud_call import ANSWER, ORDER, every_code
from tests.cloud import cloud
from tests.fakes.assemblyai import Said
from tests.phone import calling
from tests.webhooks.test_webhooks import SECRET, Target, ok


def test_a_server_is_told_of_a_call_from_its_beginning_to_its_end(tmp_path: Path) -> None:
    async def scenario():
        said = [Said("Where is my order 7346?", 4000, 5000)]
        async with Target(ok) as server:
            hook = WebhookOptions("crm", f"{server.url}/calls", SECRET, private_networks=True)
            async with (
                cloud(
                    tmp_path, said, [ORDER, ANSWER], change=lambda config: replace(config, webhooks=(hook,))
                ) as world,
                calling(world.target, every_code),
            ):
                await asyncio.sleep(9)
            return server.exchanges

    exchanges = asyncio.run(scenario())
    told = [json.loads(exchange.body) for exchange in exchanges]
    events = [one["event"] for one in told]
    assert events[:2] == ["initiated", "answered"]
    assert events[-1] == "completed", "also if the gateway stops right behind the call"
    assert {"turn", "tool"} <= set(events)
    assert len({one["call"] for one in told}) == 1
    assert all(genuine(SECRET, each.headers["sipgw-signature"], each.body, time.time()) for each in exchanges)  # noqa: TID251
    (tool,) = [one["data"] for one in told if one["event"] == "tool"]
    assert tool["result"]["item"] == "a blue raincoat"
