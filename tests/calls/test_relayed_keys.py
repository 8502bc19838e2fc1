"""Keys in a bridge: the media process relays those that come by RTP, the line those that come by INFO alone."""

import asyncio
from collections.abc import Callable
from unittest.mock import Mock

import pytest

from media.process.channel import Channel, DtmfDigit
from sipgw.calls import phone_line
from sipgw.calls.phone_line import PhoneLine


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phone_line, "OTHER_WAY", 0.0)


def relayed(scenario: Callable[[PhoneLine], None]) -> list[str]:
    """The keys that the person gets of what the caller does."""

    async def run() -> list[str]:
        caller, person, channel = PhoneLine(), PhoneLine(), Mock(spec=Channel, number=2)
        caller.attach(Mock(spec=Channel, number=1))
        person.attach(channel)
        caller.join(person)
        scenario(caller)
        for _ in range(3):
            await asyncio.sleep(0)
        return [key.args[0] for key in channel.send_digits.call_args_list]

    return asyncio.run(run())


def test_keys_of_info_alone_are_relayed() -> None:
    def scenario(caller: PhoneLine) -> None:
        for number, key in enumerate("1123"):
            caller.press(key, "info", 1.0 + number / 10)

    assert relayed(scenario) == list("1123")


@pytest.mark.parametrize("first", ["rtp", "info"])
def test_a_key_that_comes_both_ways_is_not_relayed_twice(first: str) -> None:
    def scenario(caller: PhoneLine) -> None:
        for number, key in enumerate("11"):
            at = 1.0 + number / 10
            if first == "info":
                caller.press(key, "info", at)
            caller.on_media(DtmfDigit(key, at))
            if first == "rtp":
                caller.press(key, "info", at)

    assert relayed(scenario) == []


def test_a_key_before_the_end_of_a_bridge_is_not_pressed_after_it() -> None:
    def scenario(caller: PhoneLine) -> None:
        caller.press("1", "info", 1.0)
        caller.part()

    assert relayed(scenario) == []
