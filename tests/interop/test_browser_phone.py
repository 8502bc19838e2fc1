"""The page ``/phone`` in Chromium, as a user opens it; recorded speech goes in, speech comes back."""

import re
from pathlib import Path

import pytest

from agent.ulaw import level
from media.recording.wav import HEADER
from tests.interop.chromium import address, browsing, microphone, press
from tests.interop.served import Served, served
from tests.waiting import HANG

pytestmark = pytest.mark.programs("chromium")

SPEECH = Path(__file__).parent.parent / "data" / "speech"
STATS = """async () => {
  const all = [...(await window.made.at(-1).getStats()).values()];
  const sound = all.find((one) => one.type === "inbound-rtp"), sent = all.find((one) => one.type === "outbound-rtp");
  const codec = (one) => all.find((other) => other.id === one.codecId).mimeType;
  return { energy: sound.totalAudioEnergy, lost: sound.packetsLost, heard: codec(sound), said: codec(sent) };
}"""

NO_ANSWER = """
RTCPeerConnection.prototype.setRemoteDescription = async () => { throw new DOMException("no such codec"); };
"""
"""A browser that refuses the gateway's answer."""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gateway")
    with served(folder, f'[recording]\nfolder = "{folder / "recordings"}"') as running:
        yield running


def test_a_call_from_the_page_by_keyboard(gateway: Served, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    base = address(gateway)
    with browsing(microphone(tmp_path, 8.0, *3 * [SPEECH / "goforward.wav", 40.0])) as context:  # type: ignore[arg-type]
        page, board = context.new_page(), context.new_page()
        errors: list[str] = []
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        board.goto(f"{base}/live")
        page.goto(f"{base}/phone")
        press(page, page.get_by_role("button", name="Call", exact=True))
        expect(page.locator("[data-state]")).to_contain_text("Talking", timeout=HANG * 1000)
        expect(board.locator("tr[data-call] [data-field=other]")).to_have_text("you")
        expect(board.locator("tr[data-call] [data-field=state]")).to_have_text("talking")
        agent, caller = page.locator("[data-words] [data-who=agent]"), page.locator("[data-words] [data-who=caller]")
        expect(agent.first).to_contain_text("How can I help you?")
        expect(caller.first).to_contain_text(re.compile("forward", re.IGNORECASE), timeout=HANG * 1000)
        expect(agent.nth(1)).to_be_visible()
        expect(page.locator("[data-quality]")).to_contain_text("connection")
        for key in "7#":
            press(page, page.get_by_role("button", name=key, exact=True))
        expect(page.locator("[data-words] [data-who=key]").first).to_contain_text("You pressed")
        # The answer to the keys: the keyboard is slow, so that of the words may be over before them.
        answer = page.locator("[data-words] [data-who=key] ~ [data-who=agent]").first
        expect(answer).to_be_visible(timeout=HANG * 1000)
        expect(page.locator("[data-state]")).to_contain_text("The last answer took", timeout=HANG * 1000)
        stats = page.evaluate(STATS)
        loudest = float(page.locator("[data-heard]").get_attribute("data-most") or 0)
        press(page, page.get_by_role("button", name="Hang up"))
        expect(page.locator("[data-state]")).to_have_text("You hung up.")
        expect(board.locator("tr[data-call]")).to_have_count(0)
        press(page, page.get_by_role("link", name="The record of this call"))
        expect(page.get_by_role("main")).to_contain_text(re.compile(r"go forward 10\W*meters", re.IGNORECASE))
        expect(page.get_by_role("main")).to_contain_text("browser")
    assert not errors
    assert (stats["heard"], stats["said"]) == ("audio/PCMU", "audio/PCMU")
    assert stats["energy"] > 0.01
    assert loudest > 0.02, "the agent was heard in the browser"
    (record,) = gateway.calls(1)
    assert (record["trunk"], record["ending"]) == ("browser", "caller_hung_up")
    assert "forward" in " ".join(turn["caller"] for turn in record["turns"]).lower()
    assert any("[pressed 7]" in turn["caller"] for turn in record["turns"])
    recorded = Path(record["media"]["recording"]["file"]).read_bytes()[HEADER:]
    assert min(level(recorded[0::2]), level(recorded[1::2])) > 100, "both sides are in the recording"
    assert len(recorded) / 16000 > 8


def test_leaving_the_page_ends_the_call(gateway: Served, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    before = len(gateway.calls(0))
    with browsing(microphone(tmp_path, 30.0)) as context:
        page = context.new_page()
        page.goto(f"{address(gateway)}/phone")
        page.get_by_role("button", name="Call", exact=True).click()
        expect(page.locator("[data-state]")).to_contain_text("Talking", timeout=HANG * 1000)
        page.goto("about:blank")
        record = gateway.calls(before + 1)[-1]
    assert record["ending"] == "caller_hung_up"


def test_a_browser_that_cannot_use_the_answer_ends_the_call(gateway: Served, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    before = len(gateway.calls(0))
    with browsing(microphone(tmp_path, 30.0)) as context:
        page = context.new_page()
        page.add_init_script(NO_ANSWER)
        page.goto(f"{address(gateway)}/phone")
        page.get_by_role("button", name="Call", exact=True).click()
        expect(page.locator("[data-problem]")).to_have_text("no such codec", timeout=HANG * 1000)
        record = gateway.calls(before + 1)[-1]
    assert record["cause"] == "the browser hung up"


def test_the_microphone_is_tested_without_a_call(gateway: Served, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    with browsing(microphone(tmp_path, SPEECH / "jfk.wav")) as context:
        page = context.new_page()
        page.goto(f"{address(gateway)}/phone")
        page.get_by_role("button", name="Test the microphone").click()
        expect(page.locator("[data-test-state]")).to_have_text("This is how you sound.", timeout=HANG * 1000)


@pytest.mark.parametrize(
    ("device", "host", "told"),
    [
        (True, "127.0.0.1", "The microphone is blocked for this page."),
        (False, "127.0.0.1", "No microphone was found."),
        (True, "gateway.test", "Browsers give the microphone only to secure pages: open http://localhost:"),
    ],
    ids=["denied", "none", "insecure"],
)
def test_why_there_is_no_microphone(gateway: Served, tmp_path: Path, device: bool, host: str, told: str) -> None:
    from playwright.sync_api import expect

    with browsing(microphone(tmp_path, 1.0) if device else None, allow=not device) as context:
        page = context.new_page()
        url = f"{address(gateway)}/phone"
        page.goto(url)
        if host == "gateway.test":  # a page over plain HTTP from elsewhere
            page.evaluate("Object.defineProperty(window, 'isSecureContext', { value: false })")
        page.get_by_role("button", name="Call", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text(told)
        expect(page.get_by_role("button", name="Call", exact=True)).to_be_visible()
