"""A visitor of the owner's web site calls from the talk button, in Chromium, by keyboard, with recorded speech."""

import contextlib
import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.interop.chromium import address, browsing, microphone, press
from tests.interop.served import served
from tests.interop.test_browser_phone import NO_ANSWER
from tests.waiting import HANG

pytestmark = [pytest.mark.programs("chromium"), pytest.mark.slow]
SPEECH = Path(__file__).parent.parent / "data" / "speech"


class Quiet(SimpleHTTPRequestHandler):
    """It logs nothing."""

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def site(folder: Path) -> Iterator[str]:
    """The owner's web site; its origin."""
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://localhost:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_visitor_talks_from_the_owners_site_and_from_no_other(tmp_path: Path) -> None:
    from playwright.sync_api import expect

    with contextlib.ExitStack() as stack:
        shop, thief = (stack.enter_context(site(tmp_path / name)) for name in ("shop", "thief"))
        toml = f'[embed]\norigins = ["{shop}"]'
        password = {"SIPGW_WEB_PASSWORD": "correct horse"}
        gateway = stack.enter_context(served(tmp_path, toml, variables=password))
        base = address(gateway)
        for folder in ("shop", "thief"):
            (tmp_path / folder / "index.html").write_text(
                f'<!doctype html><title>Shop</title><script src="{base}/embed.js"></script><h1>Shop</h1>'
            )
        with browsing(microphone(tmp_path, 8.0, *3 * [SPEECH / "goforward.wav", 40.0])) as context:  # type: ignore[arg-type]
            page = context.new_page()
            page.goto(thief)
            page.wait_for_load_state("networkidle")
            assert page.frame_locator("iframe").get_by_role("button", name="Talk to us").count() == 0
            page.goto(shop)
            frame = page.frame_locator("iframe")
            press(page, frame.get_by_role("button", name="Talk to us"))
            expect(frame.locator("[data-state]")).to_contain_text("Talking", timeout=HANG * 1000)
            expect(frame.locator("[data-words] [data-who=agent]").first).to_contain_text("How can I help you?")
            caller = frame.locator("[data-words] [data-who=caller]").first
            expect(caller).to_contain_text(re.compile("forward", re.IGNORECASE), timeout=HANG * 1000)
            press(page, frame.get_by_role("button", name="Hang up"))
            expect(frame.locator("[data-state]")).to_have_text("The call is over.")
            assert page.locator("iframe").bounding_box()["height"] > 100, "the frame is as high as its page"
        (record,) = gateway.calls(1)
    assert (record["trunk"], record["caller"], record["ending"]) == ("browser", "visitor", "caller_hung_up")


def test_a_visitor_whose_browser_cannot_use_the_answer_leaves_no_call(tmp_path: Path) -> None:
    from playwright.sync_api import expect

    toml = '[embed]\norigins = ["https://shop.example"]'
    with (
        served(tmp_path, toml, variables={"SIPGW_WEB_PASSWORD": "correct horse"}) as gateway,
        browsing(microphone(tmp_path, 30.0)) as context,
    ):
        page = context.new_page()
        page.add_init_script(NO_ANSWER)
        page.goto(f"{address(gateway)}/embed")
        page.get_by_role("button", name="Talk to us").click()
        told = "No call is possible now. Please try again later."
        expect(page.locator("[data-state]")).to_have_text(told, timeout=HANG * 1000)
        (record,) = gateway.calls(1)
    assert record["cause"] == "the browser hung up"
