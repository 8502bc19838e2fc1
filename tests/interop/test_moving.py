"""An address that really goes, and another that comes, in network namespaces of the test's own."""

import pytest

from tests.interop.moving import NEW, OLD
from tests.interop.spaces import apart

pytestmark = pytest.mark.programs("unshare", "iproute2")


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_registration_and_call_follow_an_address_that_changes(transport: str) -> None:
    told = apart("moving", transport)
    registered = [seen for what, seen in told if what == "registered"]
    assert registered[0] == [[OLD, OLD]]
    assert [[NEW, NEW]] in registered, "the flow has taken the place of the old one"
    assert [seen for what, seen in told if what == "up"] == [OLD]
    assert [seen for what, seen in told if what == "offered"] == [[NEW, NEW]]
    assert [seen for what, seen in told if what == "ended"] == ["BYE"]
