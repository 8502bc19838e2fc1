"""Who may call: by the address a request comes from."""

import pytest

from sipgw.config.options import OptionError, build
from sipgw.config.trunks import TrunkOptions
from sipgw.trunks.trunks import KEPT, LOCAL_TRUNK, Trunks


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


def test_an_address_that_a_registrar_has_left_is_a_stranger_after_a_day() -> None:
    """Somebody else may have it by then."""
    carrier = TrunkOptions("c", "register", registrar="sip.example", user="u", networks=("192.0.2.1/32",))
    other = TrunkOptions("o", "register", registrar="sip.example.net", user="u")
    trunks = Trunks((carrier, other))
    trunks.found(carrier, ["192.0.2.1", "198.51.100.1", "198.51.100.2"], 0.0)
    trunks.found(other, ["203.0.113.1"], 0.0)
    trunks.found(carrier, ["198.51.100.2"], KEPT)
    assert trunks.match("198.51.100.1") is carrier, "it may be one of several that the name leads to in turn"
    trunks.found(carrier, [], KEPT + 1)
    assert trunks.match("198.51.100.1") is carrier, "the DNS may be down"
    trunks.found(carrier, ["198.51.100.3"], KEPT + 1)
    assert trunks.match("198.51.100.1") is None
    assert trunks.match("198.51.100.2") is trunks.match("198.51.100.3") is carrier
    assert trunks.match("192.0.2.1") is carrier, "an address of the configuration stays"
    assert trunks.match("203.0.113.1") is other


def test_which_servers_are_those_of_a_trunk() -> None:
    carrier = TrunkOptions("c", "peer", networks=("203.0.113.0/24",), domain="acme.carrier.example")
    office = TrunkOptions("o", "peer", networks=("10.0.0.0/8",), domain="10.0.0.1", outbound_proxy="proxy.example")
    pbx = TrunkOptions("p", "peer", networks=("192.168.1.5/32",))
    phones = TrunkOptions("d", "peer", networks=("0.0.0.0/0",), proof="digest")
    trunks = Trunks((carrier, office, pbx, phones))
    trunks.found(carrier, ["198.51.100.7"], 0.0)
    servers = ["Acme.Carrier.Example", "n1.acme.carrier.example", "proxy.example", "203.0.113.9", "10.0.0.1"]
    assert all(map(trunks.serve, [*servers, "192.168.1.5", "198.51.100.7"]))
    assert not any(trunks.serve(one, "o") for one in ("proxy.example", "10.0.0.1")), "its own PBX may say so"
    assert not any(map(trunks.serve, ["carrier.example", "10.0.0.9", "192.168.1.6", "198.51.100.8", "phone.invalid"]))


def test_of_several_at_one_pbx_the_user_who_is_called_decides() -> None:
    sales, support = [TrunkOptions(name, "register", registrar="10.0.0.5", user=name) for name in ("sales", "support")]
    peer = TrunkOptions("peer", "peer", networks=("10.0.0.0/24",))
    trunks = Trunks((sales, support, peer))
    for one in (sales, support):
        trunks.allow(one, "10.0.0.5")
    assert trunks.match("10.0.0.5", "support") is support
    assert trunks.match("10.0.0.5", "sales") is trunks.match("10.0.0.5", "700") is trunks.match("10.0.0.5") is sales
    assert trunks.beside(support, "10.0.0.5") == (support, sales), "a call of one may be replaced by the other"
    assert trunks.beside(peer, "10.0.0.6") == (peer,)


def test_a_trunk_that_wants_a_password_vouches_for_no_other() -> None:
    strict = TrunkOptions("strict", "peer", networks=("10.0.0.5/32",), proof="digest")
    open_ = TrunkOptions("open", "peer", networks=("10.0.0.5/32",))
    trunks = Trunks((open_, strict))
    assert trunks.beside(open_, "10.0.0.5") == (open_,)
    assert trunks.beside(strict, "10.0.0.5") == (strict,)


def test_no_password_shows() -> None:
    trunk = TrunkOptions("t", "register", registrar="x.example", user="u", password="hush")
    assert "hush" not in repr(trunk) + repr(trunk.credentials)


def trunk(**fields: object) -> TrunkOptions:
    return TrunkOptions("t", "peer", networks=("10.0.0.0/8",), **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("transfer_to", "refer_to", "target"),
    [
        ("+1 (415) 555-0123", "sip:{e164}@sip.telnyx.com", "sip:+14155550123@sip.telnyx.com"),
        ("tel:+14155550123", "sip:{e164}@me.pstn.twilio.com", "sip:+14155550123@me.pstn.twilio.com"),
        ("+14155550123", "sip:{digits}@123.zt.plivo.com", "sip:14155550123@123.zt.plivo.com"),
        ("+14155550123", "", "tel:+14155550123"),
        ("201", "", "tel:201"),
        ("201", "sip:{number}@pbx.example", "sip:201@pbx.example"),
        ("sip:reception@10.0.0.5", "sip:{e164}@elsewhere", "sip:reception@10.0.0.5"),
        ("reception@10.0.0.5", "", "sip:reception@10.0.0.5"),
    ],
)
def test_where_callers_are_transferred_to(transfer_to: str, refer_to: str, target: str) -> None:
    assert str(trunk(transfer_to=transfer_to, refer_to=refer_to).transfer_uri) == target


def test_a_number_is_reached_at_the_registrar() -> None:
    telnyx = TrunkOptions("telnyx", "register", registrar="sip.telnyx.com", user="u", transfer_to="+14155550123")
    assert str(telnyx.transfer_uri) == "sip:+14155550123@sip.telnyx.com"


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"transfer_to": "201", "refer_to": "sip:{e164}@x"}, "country code"),
        ({"transfer_to": "+1415", "refer_to": "sip:{e146}@x"}, "placeholder"),
        ({"transfer_to": "http://x"}, "no port"),
    ],
)
def test_transfers_that_cannot_be_are_found_out_at_the_start(fields: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        trunk(**fields)


@pytest.mark.parametrize(("seconds", "problem"), [(31, "at most 30"), (-1, "at least 0")])
def test_nobody_is_waited_for_longer_than_half_a_minute(seconds: float, problem: str) -> None:
    table = {"name": "t", "mode": "peer", "networks": ["10.0.0.0/8"], "await_bye": seconds}
    with pytest.raises(OptionError, match=problem):
        build(TrunkOptions, table, {})
