"""Connections that are gone when a call wants to say something: real sockets of the loopback (RFC 3261 §18)."""

import asyncio

import pytest

from sipgw.sip.endpoint import CallFailed, Endpoint
from sipgw.sip.events import Phase
from sipgw.sip.leg import Leg
from sipgw.sip.uri import Uri
from tests.sip.test_endpoint import LOCAL, admit_all, last, pick_up, run, taking
from tests.sip.wire import OFFER

CALL = """{method} sip:agent@127.0.0.1 SIP/2.0
Via: SIP/2.0/TCP 127.0.0.1:{port};branch=z9hG4bK{method}
From: <sip:a@h>;tag=1
To: <sip:agent@127.0.0.1>{tag}
Call-ID: x
CSeq: 1 {method}
Max-Forwards: 70
Contact: <sip:a@127.0.0.1:{port};transport=tcp>
Content-Length: 0

"""


def test_a_bye_that_dies_with_its_connection_is_sent_again_over_a_new_one() -> None:
    """RFC 3261 §18: with the same branch, so that whoever has seen the first takes it for a retransmission."""

    async def head(reader: asyncio.StreamReader, wanted: str) -> str:
        while True:
            message = (await reader.readuntil(b"\r\n\r\n")).decode()
            await reader.readexactly(int(message.partition("Content-Length: ")[2].partition("\r")[0]))
            if message.startswith(wanted):
                return message

    async def call() -> None:
        taken: list[Leg] = []
        again: asyncio.Queue[str] = asyncio.Queue()

        async def listening(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            bye = await head(reader, "BYE")
            again.put_nowait(bye)
            lines = bye.split("\r\n")
            kept = [line for line in lines if line.split(":")[0] in ("Via", "From", "To", "Call-ID", "CSeq")]
            writer.write("\r\n".join(("SIP/2.0 200 OK", *kept, "Content-Length: 0", "", "")).encode())

        server = await asyncio.start_server(listening, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, Endpoint(LOCAL, taking(taken), admit_all) as agent:
            reader, writer = await asyncio.open_connection("127.0.0.1", agent.port)
            writer.write(CALL.format(method="INVITE", port=port, tag="").replace("\n", "\r\n").encode())
            tag = (await head(reader, "SIP/2.0 200")).partition("To: ")[2].partition(";tag=")[2].partition("\r")[0]
            writer.write(CALL.format(method="ACK", port=port, tag=f";tag={tag}").replace("\n", "\r\n").encode())
            while taken[0].phase is not Phase.CONFIRMED:
                await asyncio.sleep(0.01)
            taken[0].hangup()
            bye = await head(reader, "BYE")
            writer.close()
            assert await again.get() == bye

    run(call)


def test_a_bye_whose_connection_is_gone_goes_over_a_new_one_to_where_the_contact_says() -> None:
    async def call() -> None:
        taken: list[Leg] = []

        async with Endpoint(LOCAL, taking(taken), admit_all) as agent, Endpoint(LOCAL, pick_up, admit_all) as phone:
            target = Uri.parse(f"sip:agent@127.0.0.1:{agent.port};transport=tcp")
            leg, _ = await phone.invite(target, "<sip:me@127.0.0.1>", OFFER)
            while taken[0].phase is not Phase.CONFIRMED:
                await asyncio.sleep(0.01)
            streams_of = agent._transports._streams
            (stream,) = streams_of._open.values()
            stream.close()
            while streams_of._open:
                await asyncio.sleep(0.01)
            taken[0].hangup()
            assert (await last(leg)).how == "BYE"
            assert [one.accepted for one in streams_of._open.values()] == [False]

    run(call)


@pytest.mark.faults("F8")
def test_the_bye_to_a_phone_behind_a_nat_of_the_same_network_goes_back_on_its_connection() -> None:
    """RFC 5923: its Contact is an address inside of a container, which nobody else can reach."""

    async def call() -> None:
        taken: list[Leg] = []
        async with Endpoint(LOCAL, taking(taken), admit_all) as agent:
            reader, writer = await asyncio.open_connection("127.0.0.1", agent.port)
            invite = CALL.format(method="INVITE", port=5060, tag="").replace("127.0.0.1:5060", "172.18.0.5:5060")
            writer.write(invite.replace("\n", "\r\n").encode())
            await reader.readuntil(b"SIP/2.0 200")
            tag = (await reader.readuntil(b"\r\n\r\n")).partition(b"To: ")[2].partition(b";tag=")[2].partition(b"\r")[0]
            ack = CALL.format(method="ACK", port=5060, tag=f";tag={tag.decode()}")
            writer.write(ack.replace("\n", "\r\n").encode())
            while taken[0].phase is not Phase.CONFIRMED:
                await asyncio.sleep(0.01)
            taken[0].hangup()
            assert await reader.readuntil(b"BYE sip:a@172.18.0.5:5060;transport=tcp SIP/2.0\r\n")
            writer.close()

    run(call)


def test_a_request_that_is_lost_with_two_connections_fails_at_once() -> None:
    """Not only after 32 s: who takes connections and closes them is not there."""

    async def call() -> None:
        taken = 0

        async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal taken
            taken += 1
            await reader.readuntil(b"\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(close, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, Endpoint(LOCAL, pick_up, admit_all) as phone:
            with pytest.raises(CallFailed, match="connection lost"):
                await phone.invite(Uri.parse(f"sip:x@127.0.0.1:{port};transport=tcp"), "<sip:me@127.0.0.1>", OFFER)
        assert taken == 2

    run(call)
