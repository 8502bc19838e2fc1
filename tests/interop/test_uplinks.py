"""The uplink over which a gateway is registered and called fails: registration, call and sound go on over the other."""

import pytest

from tests.interop.spaces import apart
from tests.interop.uplinks import FIRST, SECOND


@pytest.mark.slow
@pytest.mark.programs("unshare", "iproute2")
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_registration_call_and_sound_take_the_other_uplink(transport: str) -> None:
    told = apart("uplinks", transport)
    seen = {what: seen for what, seen in told if what != "registered"}
    registered = [one for what, bindings in told if what == "registered" for one in bindings]
    assert registered[0] == [FIRST, FIRST]
    assert seen["heard"] == [FIRST, FIRST]
    assert seen["offered"] == [SECOND, SECOND], (
        "a re-INVITE names the address of the other uplink, for requests and sound"
    )
    assert registered[-1] == [SECOND, SECOND]
    assert seen["ended"] == ["BYE"]
