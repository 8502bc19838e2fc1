"""A media process whose calls may go out over either IP version: the port is open before that is known."""

import asyncio

import pytest

from media.process import channel as media
from media.process.engine import MediaEngine, MediaOptions
from media.session.format import Format
from tests.phone import Phone
from tests.waiting import until


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_sound_is_exchanged_over_the_version_that_is_agreed(host: str) -> None:
    async def scenario() -> None:
        events: list[media.MediaEvent] = []
        transport, phone = await asyncio.get_running_loop().create_datagram_endpoint(Phone, (host, 0))
        async with (
            MediaEngine(MediaOptions(port_range=(40000, 44000)), both=True) as engine,
            asyncio.TaskGroup() as group,
        ):
            channel = await engine.open(events.append)
            phone.remote = host, channel.port
            channel.connect(Format("PCMU", 0), transport.get_extra_info("sockname")[:2])
            talking = group.create_task(phone.talk())
            await until(lambda: phone.received and any(isinstance(one, media.Frames) for one in events))
            counts = await channel.stats()
            talking.cancel()
            channel.close()
        transport.close()
        assert counts["foreign"] == 0

    asyncio.run(scenario())
