"""A call through two NATs, as from a phone in a container, with its sound: in network namespaces of the test's own."""

import pytest

from tests.interop.behind_nats import CONTAINER, GATEWAY, OUTSIDE
from tests.interop.spaces import apart


@pytest.mark.slow
@pytest.mark.programs("unshare", "iproute2", "nftables")
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_sound_goes_both_ways_through_two_nats_and_the_gateway_hangs_up(transport: str) -> None:
    """The phone hears the greeting, is heard, takes another port by a re-INVITE, is heard again, and gets the BYE: all
    over the connection that the call came in on.
    """
    told = dict(apart("behind_nats", transport))
    assert told["source"] == [OUTSIDE, CONTAINER], "the address that the phone knows of itself leads nowhere"
    assert told["greeted"][0] == GATEWAY
    assert told["moved"] == 200
    assert told["ended"] == ["callee", "BYE"]
