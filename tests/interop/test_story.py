"""The whole of it, as somebody new goes through it on their first day: call, see, hear, take over, look it up."""

import re
from pathlib import Path
from typing import Any

import pytest

from agent.ulaw import level
from media.recording.wav import HEADER
from tests.interop.chromium import address, microphone, people
from tests.interop.pcap import tshark
from tests.interop.served import Served, served
from tests.interop.test_browser_phone import SPEECH, STATS
from tests.waiting import HANG

pytestmark = pytest.mark.programs("chromium", "tshark")


@pytest.fixture
def gateway(tmp_path: Path):
    with served(tmp_path, f'[recording]\nfolder = "{tmp_path / "recordings"}"') as running:
        yield running


def watched(page: Any) -> list[str]:
    """What goes wrong in a page from now on."""
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    return wrong


def until_loud(page: Any, meter: str) -> None:
    page.wait_for_function("meter => Number(document.querySelector(meter).dataset.most) > 0.02", arg=meter)


def looked_up(page: Any) -> list[str]:
    """Open the page of the call from the phone's, which tells it all; returns what tshark says of its capture."""
    from playwright.sync_api import expect

    page.get_by_role("link", name="The record of this call").click()
    expect(page.locator("[data-part=turns]")).to_contain_text(re.compile(r"go forward 10\W*meters", re.IGNORECASE))
    expect(page.locator("[data-part=latency] svg.bars g.step").first).to_have_attribute(
        "aria-label", re.compile(r"\d+ ms: .*hearing \d+ ms")
    )
    expect(page.locator("[data-part=events]")).to_contain_text("Transfer to you")
    expect(page.locator("[data-part=why]")).to_contain_text("you ended the call")
    with page.expect_download() as downloading:
        page.get_by_role("link", name="pcap").click()
    return tshark(downloading.value.path(), "-o", "rtp.heuristic_rtp:TRUE", "-q", "-z", "rtp,streams").splitlines()


def test_a_call_is_placed_watched_heard_taken_over_ended_and_looked_up(gateway: Served, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    base = address(gateway)
    caller_says = microphone(tmp_path, 8.0, *3 * [SPEECH / "goforward.wav", 40.0], name="caller")  # type: ignore[arg-type]
    operator_says = microphone(tmp_path, SPEECH / "jfk.wav", 60.0, name="operator")
    with people(caller_says, operator_says) as (callers, operators):
        phone, board = callers.new_page(), operators.new_page()
        wrong = [watched(phone), watched(board)]
        board.goto(f"{base}/live")
        phone.goto(f"{base}/phone")
        phone.get_by_role("button", name="Call", exact=True).click()
        expect(phone.locator("[data-state]")).to_contain_text("Talking", timeout=HANG * 1000)

        # It appears live, and the operator hears both sides.
        expect(board.locator("tr[data-call] [data-field=state]")).to_have_text("talking")
        board.get_by_role("button", name="Act on the call of you").click()
        board.get_by_role("button", name="Listen").click()
        until_loud(board, "[data-level=agent]")
        until_loud(phone, "[data-heard]")
        said = phone.locator("[data-words] [data-who=caller]")
        expect(said.first).to_contain_text(re.compile("forward", re.IGNORECASE), timeout=HANG * 1000)
        until_loud(board, "[data-level=caller]")
        expect(phone.locator("[data-words] [data-who=agent]").nth(1)).to_be_visible(timeout=HANG * 1000)
        expect(phone.locator("[data-state]")).to_contain_text("The last answer took", timeout=HANG * 1000)
        expect(board.locator("tr[data-call] [data-field=turn]")).to_have_text("listening", timeout=HANG * 1000)

        # The operator takes the agent's place: now the caller hears them.
        agent_said = phone.locator("[data-words] [data-who=agent]").count()
        before = phone.evaluate(STATS)
        board.get_by_role("button", name="Take over").click()
        expect(board.locator("dialog [data-said]")).to_contain_text(
            "You speak with the caller; the agent is silent", timeout=HANG * 1000
        )
        expect(board.locator("tr[data-call] [data-field=turn]")).to_have_text("with you")
        phone.wait_for_function(f"async before => (await ({STATS})()).energy > before + 0.02", arg=before["energy"])
        until_loud(board, "[data-level=own]")
        assert phone.locator("[data-words] [data-who=agent]").count() == agent_said, "the agent is silent"
        board.get_by_role("button", name="Hang up").click()
        expect(phone.locator("[data-state]")).to_contain_text("The call ended: you ended the call.")
        expect(board.locator("tr[data-call]")).to_have_count(0)

        rows = looked_up(phone)
    assert wrong == [[], []]
    assert (before["heard"], before["said"]) == ("audio/PCMU", "audio/PCMU")
    (record,) = gateway.calls(1)
    assert (record["trunk"], record["ending"], record["cause"]) == ("browser", "ended_here", "you ended the call")
    recorded = Path(record["media"]["recording"]["file"]).read_bytes()[HEADER:]
    last = recorded[-3 * 16_000 :]
    assert level(last[1::2]) > 100, "right is whoever spoke to the caller: at last the operator"
    assert sum("g711U" in row for row in rows) == 2
