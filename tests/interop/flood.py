"""A flood of garbage and forged requests: ``python -m tests.interop.flood PORT RATE SECONDS SOURCES``.

Everything under 127.0.0.0/8 is this machine, so it comes from as many addresses as asked for.
"""

import random
import socket
import sys
import time

REQUEST = (
    "{method} sip:agent@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.9;branch=z9hG4bK{number}\r\n"
    "From: <sip:{number}@x>;tag={number}\r\nTo: <sip:{number}@x>\r\nCall-ID: {number}\r\nCSeq: 1 {method}\r\n"
    'Authorization: Digest username="{number}", realm="sipgw", nonce="x", uri="sip:x", response="y"\r\n'
    "Contact: <sip:x@127.0.0.9>\r\nContent-Length: 0\r\n\r\n"
)


def main(port: int, rate: int, seconds: float, sources: int) -> None:
    chance = random.Random(1)
    sockets = []
    for number in range(sources):
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.bind((f"127.{1 + number // 250}.0.{1 + number % 250}", 0))
        one.setblocking(False)
        sockets.append(one)
    messages = [chance.randbytes(chance.randrange(1, 1400)) for _ in range(500)]
    messages += [
        REQUEST.format(method=chance.choice(["INVITE", "REGISTER", "OPTIONS", "ACK"]), number=number).encode()
        for number in range(500)
    ]
    sent, began = 0, time.monotonic()
    while (elapsed := time.monotonic() - began) < seconds:
        while sent < elapsed * rate:
            try:
                sockets[sent % sources].sendto(chance.choice(messages), ("127.0.0.1", port))
            except BlockingIOError:
                break
            sent += 1
        time.sleep(0.001)
    print(sent, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))
