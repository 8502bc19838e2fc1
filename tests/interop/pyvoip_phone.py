"""A caller made of pyVoIP 1.6.8, in a process of its own: ``pyvoip_phone.py PORT LOCAL_PORT SAID HEARD``. It hangs up
when its standard input ends.

pyVoIP (GPL-3) is a phone of somebody else here, and never imported by anything else. SAID and HEARD are mu-law files.
Its audio is unsigned 8-bit, so half of what it says and hears is rounded away: see docs/from-pyvoip.md.
"""

import sys
import threading
import time
import warnings
from pathlib import Path

warnings.simplefilter("ignore", DeprecationWarning)

import audioop  # noqa: E402

from pyVoIP.VoIP import CallState, VoIPPhone  # noqa: E402

FRAME = 160


class PeerPhone(VoIPPhone):
    """A phone that calls a peer: there is nothing to register with."""

    def __init__(self, server: str, port: int, local_port: int) -> None:
        super().__init__(server, port, "pyvoip", "unused", myIP="127.0.0.1", sipPort=local_port,
                         rtpPortLow=local_port + 2, rtpPortHigh=local_port + 40)  # fmt: skip
        self.sip.register = lambda: True  # type: ignore[method-assign]
        self.sip.deregister = lambda: True  # type: ignore[method-assign]


def main() -> int:
    port, local_port, said, heard = sys.argv[1:]
    phone = PeerPhone("127.0.0.1", int(port), int(local_port))
    phone.start()
    time.sleep(1.5)  # it begins to listen a second after its start
    call = phone.call("agent")
    until = time.monotonic() + 300
    while call.state is not CallState.ANSWERED:
        if time.monotonic() > until:
            print("not answered", call.state)
            return 1
        time.sleep(0.05)
    speech = audioop.bias(audioop.ulaw2lin(Path(said).read_bytes(), 1), 1, 128)
    call.write_audio(speech)
    record = bytearray()

    def hear() -> None:
        while call.state is CallState.ANSWERED:  # it waits while the other side is silent
            record.extend(audioop.lin2ulaw(audioop.bias(call.read_audio(FRAME, blocking=True), 1, -128), 1))

    threading.Thread(target=hear, daemon=True).start()
    sys.stdin.read()
    Path(heard).write_bytes(record)
    if call.state is CallState.ANSWERED:
        call.hangup()
    phone.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
