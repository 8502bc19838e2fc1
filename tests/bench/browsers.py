"""Browsers for the benchmark, in a process of their own: ``python -m tests.bench.browsers CALLS SECONDS``.

Prints its offers, reads the answers from stdin, talks, and prints that it is done.
"""

import asyncio
import json
import sys

from aiortc import RTCSessionDescription

from tests.webrtc import Browser


async def main(calls: int, seconds: float) -> None:
    browsers = [Browser() for _ in range(calls)]
    print(json.dumps([await browser.offer() for browser in browsers]), flush=True)
    answers = json.loads(await asyncio.to_thread(sys.stdin.readline))
    for browser, answer in zip(browsers, answers, strict=True):
        await browser.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    await asyncio.sleep(seconds)
    print(json.dumps([len(browser.heard) for browser in browsers]), flush=True)
    for browser in browsers:
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
