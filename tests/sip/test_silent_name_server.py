"""The end of the process while the system still waits for a name server."""

import subprocess
import sys

from tests.waiting import HANG

PROGRAM = """
import asyncio, contextlib, socket, threading
from sipgw.sip.locate import DnsQuestion
from sipgw.sip.resolver import Resolver

asked = threading.Event()

def silent(*_, **__):
    asked.set()
    threading.Event().wait()

socket.getaddrinfo = silent

async def main():
    names = Resolver(("127.0.0.1",), lambda _: True, lambda work: work.close(), lambda *_: None)
    asking = asyncio.create_task(names.ask(DnsQuestion("host", "A"), []))
    while not asked.is_set():
        await asyncio.sleep(0.01)
    asking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asking

asyncio.run(main())
print("over", flush=True)
"""


def test_a_name_server_that_is_silent_does_not_hold_up_the_end_of_the_process() -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=HANG, check=False)
    assert (ended.stdout, ended.returncode) == ("over\n", 0), ended.stderr
