"""Who may call: by the address a request comes from."""

import pytest

from sipgw.trunks import LOCAL_TRUNK, TrunkOptions, Trunks


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.1.9", "::1", "fd00::1", "::ffff:10.0.0.1"]
)
def test_without_trunks_private_networks_may_call(host: str) -> None:
    assert Trunks((LOCAL_TRUNK,)).match(host) is LOCAL_TRUNK


@pytest.mark.parametrize("host", ["8.8.8.8", "172.32.0.1", "203.0.113.1", "2001:db8::1", "::ffff:8.8.8.8"])
def test_and_nobody_else(host: str) -> None:
    assert Trunks((LOCAL_TRUNK,)).match(host) is None


def test_with_trunks_only_their_networks_may_call_and_the_narrowest_decides() -> None:
    wide = TrunkOptions("phones", "peer", networks=("10.0.0.0/8",))
    narrow = TrunkOptions("pbx", "peer", networks=("10.0.0.5/32",))
    trunks = Trunks((wide, narrow))
    assert trunks.match("10.0.0.5") is narrow
    assert trunks.match("10.0.0.6") is wide
    assert trunks.match("127.0.0.1") is None


def test_a_registrar_is_let_in_once_it_is_known() -> None:
    telnyx = TrunkOptions("telnyx", "register", registrar="sip.telnyx.com", user="u")
    trunks = Trunks((telnyx,))
    assert trunks.match("192.76.120.10") is None
    trunks.allow(telnyx, "192.76.120.10")
    assert trunks.match("192.76.120.10") is telnyx
    assert str(telnyx.registrar_uri) == "sip:sip.telnyx.com"


def test_no_password_shows() -> None:
    trunk = TrunkOptions("t", "register", registrar="x.example", user="u", password="hush")
    assert "hush" not in repr(trunk) + repr(trunk.credentials)
