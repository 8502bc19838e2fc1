"""Debian's Chromium, with a file for a microphone."""

import contextlib
import json
import time
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agent.ulaw import to_linear
from sipgw.records.artifacts.wav import read_ulaw
from tests.interop.served import Served
from tests.programs import path
from tests.waiting import HANG

PROGRAM = str(path("chromium") or "")
KEEP = """
const Made = RTCPeerConnection;
window.made = [];
window.RTCPeerConnection = class extends Made { constructor(...all) { super(...all); window.made.push(this); } };
"""
"""Lets a test look at the connections that the page makes."""


def microphone(folder: Path, *parts: float | Path, name: str = "microphone") -> Path:
    """A file for Chromium to speak once: numbers are seconds of silence.

    It begins when the page asks for the microphone, and the call some seconds later: say again what must be heard.
    """
    sound = b"".join(b"\xff" * int(8000 * part) if isinstance(part, float) else read_ulaw(part) for part in parts)
    with wave.open(str(folder / f"{name}.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(to_linear(sound))
    return folder / f"{name}.wav"


def address(gateway: Served) -> str:
    """Where the dashboard of a gateway is; it says so a moment after it says that it answers."""
    until = time.monotonic() + HANG
    while time.monotonic() < until:
        for line in list(gateway.log):
            if '"gateway answers"' in line:
                return str(json.loads(line)["dashboard"]).rstrip("/")
        time.sleep(0.05)
    raise AssertionError("no dashboard:\n" + "".join(gateway.log))


def flags(microphone: Path | None, *, allow: bool = True) -> list[str]:
    """Of a browser with that file for a microphone, or with none."""
    found = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
    if microphone:
        found += ["--use-fake-device-for-media-stream", f"--use-file-for-fake-audio-capture={microphone}%noloop"]
    return [*found, "--use-fake-ui-for-media-stream" if allow else "--deny-permission-prompts"]


@contextlib.contextmanager
def browsing(microphone: Path | None, *, allow: bool = True) -> Iterator:
    """A Playwright context; without a file there is no microphone at all."""
    with people(microphone, allow=allow) as (context,):
        yield context


@contextlib.contextmanager
def people(*microphones: Path | None, allow: bool = True) -> Iterator[list]:
    """A Playwright context for each, in a browser of its own."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=HANG * 1000)
    with sync_playwright() as playwright, contextlib.ExitStack() as stack:
        contexts = []
        for microphone in microphones:
            browser = playwright.chromium.launch(executable_path=PROGRAM, args=flags(microphone, allow=allow))
            stack.callback(browser.close)
            contexts.append(browser.new_context())
            contexts[-1].add_init_script(KEEP)
            contexts[-1].set_default_timeout(HANG * 1000)
        yield contexts


FOCUSED = "one => one === one.ownerDocument.activeElement && one.ownerDocument.hasFocus()"


def press(page: Any, control: Any) -> None:
    """Go to a control by keyboard alone, and press Enter there."""
    for _ in range(100):
        if control.evaluate(FOCUSED):
            page.keyboard.press("Enter")
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"the keyboard does not reach {control}")
