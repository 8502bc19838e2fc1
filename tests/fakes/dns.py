# mypy: disable-error-code="arg-type"
"""A small DNS server on the loopback: one zone, answered over UDP as an authoritative server does."""

import asyncio
from collections import Counter
from typing import Any, Self

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.zone

SOA = "@ 300 IN SOA ns hostmaster 1 3600 600 86400 {negative}\n@ 300 IN NS ns\n"


class DnsServer(asyncio.DatagramProtocol):
    """Answers for `origin` from the zone file `text`; negative answers are good for `negative` seconds."""

    def __init__(self, text: str, origin: str = "example", negative: int = 60) -> None:
        self.zone = dns.zone.from_text(SOA.format(negative=negative) + text, origin + ".", relativize=False)
        self.asked: Counter[tuple[str, str]] = Counter()
        self.silent = False
        self.ignored: set[str] = set()
        self._transport: Any = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, ("127.0.0.1", 0))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._transport.close()

    @property
    def address(self) -> str:
        """Where it listens, as ``address:port``."""
        host, port = self._transport.get_extra_info("sockname")
        return f"{host}:{port}"

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        query = dns.message.from_wire(data)
        (question,) = query.question
        self.asked[(question.name.to_text(omit_final_dot=True), question.rdtype.name)] += 1
        if not self.silent and question.rdtype.name not in self.ignored:
            self._transport.sendto(self._answer(query, question).to_wire(), addr)

    def _answer(self, query: dns.message.Message, question: dns.rrset.RRset) -> dns.message.Message:
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA
        if not question.name.is_subdomain(self.zone.origin):
            response.set_rcode(dns.rcode.REFUSED)
            return response
        found = self.zone.get_rrset(question.name, question.rdtype)
        if found is not None:
            response.answer.append(found)
            return response
        if self.zone.get_node(question.name) is None:
            response.set_rcode(dns.rcode.NXDOMAIN)
        response.authority.append(self.zone.get_rrset(self.zone.origin, dns.rdatatype.SOA))
        return response
