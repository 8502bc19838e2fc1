# mypy: disable-error-code="arg-type, misc"
"""RFC 3263: from a URI to addresses in an order, first as a sequence of questions, then against a real DNS server."""

import asyncio
import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipgw.sip import resolver
from sipgw.sip.checks import DROP
from sipgw.sip.dialog import Peer, peer_of
from sipgw.sip.endpoint import CallFailed, Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.failover import PATIENCE
from sipgw.sip.leg import Leg
from sipgw.sip.locate import MAX_HOPS, DnsQuestion, Naptr, Srv, locate, order
from sipgw.sip.uri import Uri
from tests.fakes.dns import DnsServer
from tests.sip.test_endpoint import LOCAL, admit_all, pick_up, run
from tests.sip.wire import ANSWER, OFFER

ME = "<sip:me@127.0.0.1>"


def found(uri: str, zone: dict[tuple[str, str], list], kinds: tuple[str, ...] = ("A",)) -> list[str]:
    """The addresses of `uri` in a world whose DNS is `zone`, as ``transport:address:port``."""
    steps = locate(peer_of(Uri.parse(uri)), kinds, lambda: 0.5)
    questions = next(steps)
    while True:
        try:
            questions = steps.send({question: zone.get(question, []) for question in questions})
        except StopIteration as end:
            assert all(hop.name == Uri.parse(uri).host.lower() for hop in end.value)
            return [f"{hop.transport}:{hop.host}:{hop.port}" for hop in end.value]


TELNYX = {
    ("sip.c.example", "NAPTR"): [
        Naptr(20, 10, "S", "SIP+D2T", "_sip._tcp.c.example"),
        Naptr(10, 10, "s", "SIP+D2U", "_sip._udp.c.example"),
        Naptr(5, 10, "s", "SIPS+D2T", "_sips._tcp.c.example"),
        Naptr(1, 1, "u", "E2U+sip", ""),
    ],
    ("_sip._udp.c.example", "SRV"): [Srv(20, 1, 5070, "b.c.example"), Srv(10, 1, 5060, "a.c.example")],
    ("_sip._tcp.c.example", "SRV"): [Srv(10, 1, 5060, "a.c.example")],
    ("a.c.example", "A"): ["192.0.2.1"],
    ("b.c.example", "A"): ["192.0.2.2"],
    ("a.c.example", "AAAA"): ["2001:db8::1"],
}


def test_naptr_then_srv_then_addresses() -> None:
    """RFC 3263 §4.1: NAPTR chooses the transport; TLS is only for those who ask for it."""
    assert found("sip:x@sip.c.example", TELNYX) == [
        "udp:192.0.2.1:5060",
        "udp:192.0.2.2:5070",
        "tcp:192.0.2.1:5060",
    ]


def test_without_naptr_srv_is_asked_for_udp_and_then_tcp() -> None:
    zone = {
        ("_sip._tcp.h.example", "SRV"): [Srv(1, 1, 5062, "t.example")],
        ("_sip._udp.h.example", "SRV"): [Srv(9, 1, 5061, "u.example")],
        ("t.example", "A"): ["192.0.2.3"],
        ("u.example", "A"): ["192.0.2.4"],
    }
    assert found("sip:h.example", zone) == ["udp:192.0.2.4:5061", "tcp:192.0.2.3:5062"]
    assert found("sip:h.example;transport=tcp", zone) == ["tcp:192.0.2.3:5062"]


@pytest.mark.parametrize(
    ("uri", "hop"),
    [
        ("sip:a.example", "udp:192.0.2.9:5060"),
        ("sip:A.Example;transport=TCP", "tcp:192.0.2.9:5060"),
        ("sip:a.example;transport=tls", "tls:192.0.2.9:5061"),
        ("sips:a.example", "tls:192.0.2.9:5061"),
        ("sip:a.example:5080", "udp:192.0.2.9:5080"),
        ("sips:a.example:5080", "tls:192.0.2.9:5080"),
    ],
)
def test_a_name_with_addresses_only_or_with_a_port(uri: str, hop: str) -> None:
    zone = {("a.example", "A"): ["192.0.2.9"]}
    assert found(uri, zone) == [hop]


@pytest.mark.parametrize(
    ("uri", "peer"),
    [
        ("sip:192.0.2.1", Peer("udp", "192.0.2.1", 5060)),
        ("sips:192.0.2.1", Peer("tls", "192.0.2.1", 5061)),
        ("sip:[2001:db8::1]:5070;transport=tcp", Peer("tcp", "2001:db8::1", 5070)),
        ("sip:h.example;maddr=192.0.2.7", Peer("udp", "192.0.2.7", 5060)),
        ("sip:h.example", Peer("", "h.example", 0)),
        ("sip:h.example:5060", Peer("udp", "h.example", 5060)),
        ("sip:h.example;transport=tls", Peer("tls", "h.example", 0)),
    ],
)
def test_what_a_uri_leaves_open(uri: str, peer: Peer) -> None:
    """RFC 3263 §4.1 and §4.2: a numeric address or a port takes the short cut."""
    assert peer_of(Uri.parse(uri)) == peer


def test_a_service_that_is_declared_absent_is_absent() -> None:
    """RFC 2782: the target "." says so."""
    zone = {("_sips._tcp.a.example", "SRV"): [Srv(0, 0, 0, "")], ("a.example", "A"): ["192.0.2.9"]}
    assert found("sips:a.example", zone) == []


def test_both_families_are_used_ipv4_first() -> None:
    """Carriers take IPv4 media only, so it is the safer way to them."""
    assert found("sip:a.c.example:5060", TELNYX, ("A", "AAAA")) == ["udp:192.0.2.1:5060", "udp:2001:db8::1:5060"]


def test_the_questions_are_asked_in_two_rounds() -> None:
    steps = locate(Peer("", "h.example", 0), ("A",), lambda: 0.5)
    assert set(next(steps)) == {
        DnsQuestion("h.example", "NAPTR"),
        DnsQuestion("_sip._udp.h.example", "SRV"),
        DnsQuestion("_sip._tcp.h.example", "SRV"),
    }
    assert steps.send({}) == [DnsQuestion("h.example", "A")]


def test_a_flood_of_records_is_cut_short() -> None:
    zone = {("h.example", "A"): [f"192.0.2.{number}" for number in range(256)]}
    assert len(found("sip:h.example:5060", zone)) == MAX_HOPS


def test_weights_are_obeyed() -> None:
    """RFC 2782: of two with weights 3 and 1 the first comes first three times in four; weight 0 hardly ever."""
    heavy, light, idle = Srv(1, 3, 1, "heavy"), Srv(1, 1, 1, "light"), Srv(1, 0, 1, "idle")
    fractions = [number / 1000 for number in range(1, 1000)]
    first = Counter(order([light, idle, heavy], lambda at=at: at)[0].target for at in fractions)
    assert first["heavy"] == pytest.approx(750, abs=2)
    assert first["light"] == pytest.approx(250, abs=2)
    assert order([Srv(2, 9, 1, "later"), light], lambda: 0.9)[0] is light, "priority comes before weight"


# Against a real server

ZONE = """
pbx 300 IN A 127.0.0.1
_sip._udp.two 300 IN SRV 10 1 {first} pbx
_sip._udp.two 300 IN SRV 20 1 {second} pbx
_sip._tcp.stream 300 IN SRV 10 1 {first} pbx
chosen 300 IN NAPTR 10 1 "s" "SIP+D2T" "" _sip._tcp.stream
brief 1 IN A 127.0.0.1
"""


def using(server: DnsServer) -> EndpointOptions:
    return EndpointOptions("127.0.0.1", 0, dns=(server.address,))


def hops(found: tuple[Peer, ...]) -> list[str]:
    return [f"{hop.transport}:{hop.host}:{hop.port}" for hop in found]


def test_names_are_found_and_remembered_also_that_they_do_not_exist() -> None:
    async def ask() -> None:
        async with (
            DnsServer(ZONE.format(first=5071, second=5072)) as server,
            Endpoint(using(server), pick_up, admit_all) as endpoint,
        ):
            for _ in range(3):
                two = await endpoint.locate(Uri.parse("sip:two.example"))
                assert hops(two) == ["udp:127.0.0.1:5071", "udp:127.0.0.1:5072"]
                assert hops(await endpoint.locate(Uri.parse("sip:chosen.example"))) == ["tcp:127.0.0.1:5071"]
                assert await endpoint.locate(Uri.parse("sip:none.example")) == ()
            assert set(server.asked.values()) == {1}
            assert ("none.example", "NAPTR") in server.asked

    run(ask)


def test_an_answer_is_asked_for_again_when_its_time_to_live_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask() -> None:
        async with (
            DnsServer(ZONE.format(first=1, second=2), negative=1) as server,
            Endpoint(using(server), pick_up, admit_all) as endpoint,
        ):
            for later in (0, 0, 2, 2):
                monkeypatch.setattr("dns.resolver.time.time", lambda later=later: 1e9 + later)
                await endpoint.locate(Uri.parse("sip:brief.example:5060"))
                await endpoint.locate(Uri.parse("sip:none.example:5060"))
            assert server.asked == {("brief.example", "A"): 2, ("none.example", "A"): 2}

    run(ask)


def test_when_the_dns_is_down_what_was_known_is_used() -> None:
    async def ask() -> None:
        async with (
            DnsServer(ZONE.format(first=1, second=2)) as server,
            Endpoint(using(server), pick_up, admit_all) as endpoint,
        ):
            target = Uri.parse("sip:brief.example:5060")
            before = await endpoint.locate(target)
            server.silent = True
            endpoint._resolver._resolver.cache.flush()
            endpoint._resolver._resolver.lifetime = 0.1
            assert await endpoint.locate(target) == before
            assert await endpoint.locate(Uri.parse("sip:other.example:5060")) == ()

    run(ask)


def test_the_servers_of_another_uplink_are_asked_as_soon_as_the_system_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "resolv.conf"
    monkeypatch.setattr(resolver, "SERVERS_OF_THE_SYSTEM", file)
    monkeypatch.setattr(resolver, "TRY_LIMIT", 0.05)
    monkeypatch.setattr(resolver, "QUESTION_LIMIT", 0.05)

    def named(address: str, at: int) -> None:
        file.write_text(f"nameserver {address}\n")
        os.utime(file, ns=(at, at))

    async def ask() -> None:
        async with Endpoint(EndpointOptions("127.0.0.1", 0), pick_up, admit_all) as endpoint:

            async def asked() -> list[str]:
                assert await endpoint._resolver.addresses("pbx.example", 4) == ()
                return [str(server) for server in endpoint._resolver._resolver.nameservers]

            assert await asked() == ["127.0.0.2"]
            before = endpoint._resolver._resolver
            await asked()
            assert endpoint._resolver._resolver is before, "its cache is kept"
            named("127.0.0.3", 2)
            assert await asked() == ["127.0.0.3"]
            file.unlink()
            assert await asked() == ["127.0.0.3"], "it is being written"

    named("127.0.0.2", 1)
    run(ask)


def test_a_server_that_never_answers_for_naptr_delays_only_the_first_call() -> None:
    async def ask() -> None:
        server = DnsServer("pbx 300 IN A 127.0.0.1\n")
        server.ignored.add("NAPTR")
        async with server, Endpoint(using(server), pick_up, admit_all) as endpoint:
            endpoint._resolver._resolver.lifetime = 1.0
            for _ in range(3):
                assert hops(await endpoint.locate(Uri.parse("sip:pbx.example"))) == ["udp:127.0.0.1:5060"]
            assert server.asked[("pbx.example", "NAPTR")] == 1

    run(ask)


def test_a_name_that_is_gone_is_gone() -> None:
    async def ask() -> None:
        async with DnsServer("a 1 IN A 127.0.0.1\n") as server, Endpoint(using(server), pick_up, admit_all) as endpoint:
            target = Uri.parse("sip:a.example:5060")
            assert hops(await endpoint.locate(target)) == ["udp:127.0.0.1:5060"]
            endpoint._resolver._resolver.cache.flush()
            server.zone.delete_node("a.example.")
            assert await endpoint.locate(target) == ()

    run(ask)


@given(
    st.lists(st.builds(Srv, *[st.integers(0, 65535)] * 3, st.sampled_from(["", "a", "b", "h.example"])), max_size=30),
    st.lists(st.builds(Naptr, *[st.integers(0, 9)] * 2, st.text(), st.sampled_from(["SIP+D2U", "x", ""]), st.text())),
    st.lists(st.ip_addresses(v=4).map(str), max_size=30),
    st.floats(0, 1),
)
def test_whatever_the_dns_says_there_is_an_order(
    services: list[Srv], naptrs: list[Naptr], addresses: list[str], fraction: float
) -> None:
    answers = {"SRV": services, "NAPTR": naptrs, "A": addresses}
    steps = locate(Peer("", "h.example", 0), ("A",), lambda: fraction)
    questions = next(steps)
    for _ in range(4):
        try:
            questions = steps.send({question: answers[question.kind] for question in questions})
        except StopIteration as end:
            assert len(end.value) <= MAX_HOPS
            assert sorted(order(services, lambda: fraction)) == sorted(services)
            return
    raise AssertionError("it does not end")


def test_many_who_ask_for_one_name_share_the_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask() -> None:
        async with (
            DnsServer(ZONE.format(first=1, second=2)) as server,
            Endpoint(using(server), pick_up, admit_all) as endpoint,
        ):
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(endpoint.locate(Uri.parse("sip:pbx.example:5060"))) for _ in range(5)]
            assert [len(task.result()) for task in tasks] == [1, 1, 1, 1, 0], "and no more wait than may"
            assert server.asked == {("pbx.example", "A"): 1}

    monkeypatch.setattr(resolver, "MAX_WAITING", 4)
    run(ask)


@pytest.mark.faults("A8")
def test_who_goes_wrong_with_the_addresses_does_not_keep_them_from_the_others() -> None:
    async def ask() -> None:
        async with (
            DnsServer(ZONE.format(first=1, second=2)) as server,
            Endpoint(using(server), pick_up, admit_all) as endpoint,
        ):
            told: asyncio.Future[tuple[Peer, ...]] = asyncio.get_running_loop().create_future()

            def wrong(hops: tuple[Peer, ...], now: float) -> None:
                raise ValueError("of who asked first")

            for located in (wrong, lambda hops, now: told.set_result(hops)):
                endpoint._resolver.locate(Peer("udp", "pbx.example", 5060), located, 0.0)
            assert hops(await told) == ["udp:127.0.0.1:5060"]

    run(ask)


def test_a_call_to_a_domain_fails_over_from_a_dead_server_to_a_live_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The dead one is silent, as a host that drops packets is."""

    async def call() -> None:
        async with (
            Endpoint(LOCAL, pick_up, lambda *_: DROP) as dead,
            Endpoint(LOCAL, pick_up, admit_all) as alive,
            DnsServer(ZONE.format(first=dead.port, second=alive.port)) as server,
            Endpoint(using(server), pick_up, admit_all) as phone,
        ):
            leg, answer = await phone.invite(Uri.parse("sip:agent@two.example"), ME, OFFER)
            assert answer == ANSWER
            assert leg.source == Peer("udp", "127.0.0.1", alive.port, name="two.example")
            leg.hangup()

    monkeypatch.setattr("sipgw.sip.failover.PATIENCE", 0.1)
    assert PATIENCE == 4.0
    run(call)


def test_a_refused_connection_is_told_at_once_and_leads_to_the_next_server() -> None:
    async def call() -> None:
        async with (
            Endpoint(EndpointOptions("127.0.0.1", 0, tcp=False), pick_up, admit_all) as deaf,
            Endpoint(LOCAL, pick_up, admit_all) as alive,
        ):
            zone = ZONE.format(first=1, second=1)
            zone += f"_sip._tcp.both 300 IN SRV 1 1 {deaf.port} pbx\n_sip._tcp.both 300 IN SRV 2 1 {alive.port} pbx\n"
            async with DnsServer(zone) as server, Endpoint(using(server), pick_up, admit_all) as phone:
                leg, _ = await phone.invite(Uri.parse("sip:agent@both.example;transport=tcp"), ME, OFFER)
                assert leg.source.port == alive.port
                leg.hangup()
                with pytest.raises(CallFailed, match="unreachable") as failure:
                    await phone.invite(Uri.parse(f"sip:a@127.0.0.1:{deaf.port};transport=tcp"), ME, OFFER)
                assert failure.value.ended.status == 503

    run(call)


def test_a_large_invite_goes_over_tcp_and_over_udp_where_there_is_none() -> None:
    async def call() -> None:
        taken: list[Leg] = []

        def take(leg: Leg) -> None:
            taken.append(leg)
            pick_up(leg)

        large = OFFER + b"a=x:" + b"y" * 1300 + b"\r\n"
        udp_only = EndpointOptions("127.0.0.1", 0, tcp=False)
        async with (
            Endpoint(LOCAL, take, admit_all) as both,
            Endpoint(udp_only, take, admit_all) as one,
            Endpoint(LOCAL, pick_up, admit_all) as phone,
        ):
            for endpoint in (both, one):
                leg, answer = await phone.invite(Uri.parse(f"sip:agent@127.0.0.1:{endpoint.port}"), ME, large)
                assert answer == ANSWER
                leg.hangup()
        assert [leg.source.transport for leg in taken] == ["tcp", "udp"]

    run(call)
