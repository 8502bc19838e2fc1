"""Prompts by the requests of their page: drafts, publishing into the agent's file, going back."""

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from sipgw.config.config import load
from sipgw.records.store.prompts import KEPT, Prompts
from sipgw.web import comparisons
from sipgw.web.accounts import audit_entries
from sipgw.web.comparisons import Comparisons
from tests.waiting import until
from tests.web.gateway_view import Visit, visit
from tests.web.test_sign_in import PASSWORD, sign_in

REPAIRS = '+++\nbusiness = "Hill & Sons"\n+++\nYou repair {{topic}}.\nBe kind.\n'
API = "/api/prompts/repairs"


def agent_file(folder: Path, text: str = REPAIRS) -> Path:
    file = folder / "agents" / "repairs.md"
    file.parent.mkdir()
    file.write_text(text)
    return file


async def post(there: Visit, path: str, sent: object = None, agent: str = "repairs") -> tuple[int, dict]:
    answer = await there.browser.post(path, json=sent or {}, headers=await there.token(f"/prompts?agent={agent}"))
    return answer.status_code, answer.json()


async def saved(there: Visit, text: str, agent: str = "repairs") -> int:
    status, told = await post(there, f"/api/prompts/{agent}/versions", {"text": text}, agent)
    assert status == 201, told
    return told["version"]


async def seen(there: Visit, agent: str = "repairs") -> dict[str, str]:
    """What the page tells a publisher to send."""
    text = (await there.browser.get(f"/prompts?agent={agent}")).text
    return {"seen": text.partition('data-seen="')[2].partition('"')[0]}


def test_a_draft_changes_no_call_and_a_published_one_is_in_the_file_and_in_the_next_call(tmp_path: Path) -> None:
    file = agent_file(tmp_path)

    async def look() -> None:
        async with visit(tmp_path) as there:
            number = await saved(there, "You mend.\r\nBe quick.")
            assert file.read_text() == REPAIRS
            assert there.gateway.agents.all["repairs"].config.agent.prompt == "You repair {{topic}}.\nBe kind."
            assert (await post(there, f"{API}/versions/{number}/publish", await seen(there)))[0] == 200
            assert file.read_text() == '+++\nbusiness = "Hill & Sons"\n+++\nYou mend.\nBe quick.\n'
            assert there.gateway.agents.all["repairs"].config.agent.prompt == "You mend.\nBe quick."
            done = [(one.action, one.target, one.detail) for one in await audit_entries(there.gateway.store)]
            assert done == [
                ("published a prompt", "repairs", f"version {number}"),
                ("saved a prompt", "repairs", f"version {number}"),
            ]  # fmt: skip

    asyncio.run(look())


def test_the_prompt_that_was_in_the_file_can_come_back(tmp_path: Path) -> None:
    file = agent_file(tmp_path)

    async def look() -> None:
        async with visit(tmp_path) as there:
            await post(there, f"{API}/versions/{await saved(there, 'You mend.')}/publish", await seen(there))
            new, old = await Prompts(there.gateway.store).versions("repairs")
            assert (new.text, old.text, old.made_by) == ("You mend.", "You repair {{topic}}.\nBe kind.", "the file")
            assert (await post(there, f"{API}/versions/{old.id}/publish", await seen(there)))[0] == 200
            assert file.read_text() == REPAIRS

    asyncio.run(look())


def test_the_agent_of_the_gateway_has_its_prompt_in_sipgw_toml(tmp_path: Path) -> None:
    toml = '# ours\n[agent]\nbusiness = "Hill" # and sons\n[web]\npassword = "${PASSWORD}"\n'

    async def look() -> None:
        async with visit(tmp_path, toml) as there:
            await there.auth.accounts.set_user("admin", "admin", "correct horse")
            await sign_in(there)
            number = await saved(there, 'Say "hi".', "agent")
            path = f"/api/prompts/agent/versions/{number}/publish"
            assert (await post(there, path, await seen(there, "agent"), "agent"))[0] == 200
        written = (tmp_path / "sipgw.toml").read_text()
        assert written == toml.replace("[agent]\n", '[agent]\nprompt = """Say "hi"."""\n')
        assert load(tmp_path / "sipgw.toml", {"PASSWORD": "correct horse"}).agent.prompt == 'Say "hi".'

    asyncio.run(look())


def test_a_file_that_was_changed_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    file = agent_file(tmp_path)

    async def look() -> None:
        async with visit(tmp_path) as there:
            number, before = await saved(there, "You mend."), await seen(there)
            file.write_text("You repair nothing.")
            status, told = await post(there, f"{API}/versions/{number}/publish", before)
            assert (status, "changed meanwhile" in told["detail"]) == (409, True)
            assert file.read_text() == "You repair nothing."
            assert "another prompt than the running gateway" in (await there.browser.get("/prompts?agent=repairs")).text

    asyncio.run(look())


def test_a_version_that_the_gateway_cannot_take_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    file = agent_file(tmp_path)

    async def look() -> None:
        async with visit(tmp_path) as there:
            number = await saved(there, "You mend.")
            (tmp_path / "sipgw.toml").write_text("[agent]\nnonsense = 1\n")
            status, told = await post(there, f"{API}/versions/{number}/publish", await seen(there))
            assert (status, "nonsense" in told["detail"]) == (409, True)
            (tmp_path / "sipgw.toml").write_text('[agent]\nbusiness = "x"\nhand_over = ["repair"]\n')
            status, told = await post(there, f"{API}/versions/{number}/publish", await seen(there))
            fault = "sipgw.toml:3: agent.hand_over: 'repair' is no agent; did you mean 'repairs'?"
            assert (status, fault in told["detail"]) == (409, True), told
            assert file.read_text() == REPAIRS

    asyncio.run(look())


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = agent_file(tmp_path)

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    async def look() -> None:
        async with visit(tmp_path) as there:
            number = await saved(there, "You mend.")
            monkeypatch.setattr(Path, "replace", refuse)
            status, told = await post(there, f"{API}/versions/{number}/publish", await seen(there))
            assert (status, told["detail"]) == (409, "cannot write repairs.md: Read-only file system")
            assert [one.name for one in file.parent.iterdir()] == ["repairs.md"], "nothing is left behind"

    asyncio.run(look())


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("Hello {{nobody}}", "agent repairs: prompt: there is no {{nobody}}"),
        ("Say ${PASSWORD}", "would put a value of the environment into the prompt"),
        (" ", "a prompt has from 1 to 50,000 characters"),
    ],
)
def test_what_no_agent_could_have_is_no_draft(tmp_path: Path, typed: str, told: str) -> None:
    agent_file(tmp_path)

    async def look() -> None:
        async with visit(tmp_path) as there:
            status, answer = await post(there, f"{API}/versions", {"text": typed})
            assert status == 409
            assert told in answer["detail"]
            assert (await post(there, f"{API}/versions", {"text": "x" * 100_001}))[0] == 422
            assert (await post(there, "/api/prompts/nobody/versions", {"text": "x"}))[0] == 404
            assert (await post(there, "/api/prompts/agent/versions/1/publish", {"seen": ""}))[0] == 404

    asyncio.run(look())


def test_a_reference_in_a_file_is_shown_as_it_is_written(tmp_path: Path) -> None:
    agent_file(tmp_path, "You repair for ${ANOTHER}.")

    async def look() -> None:
        async with visit(tmp_path) as there:
            text = (await there.browser.get("/prompts?agent=repairs")).text
            assert "${ANOTHER}" in text
            assert "battery staple" not in text
            await saved(there, "You mend.")
            kept = await Prompts(there.gateway.store).versions("repairs")
            assert [one.text for one in kept] == ["You mend.", "You repair for ${ANOTHER}."]

    asyncio.run(look())


def test_only_the_latest_versions_are_kept_and_the_same_text_once(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path) as there:
            kept = Prompts(there.gateway.store)
            for number in range(KEPT + 5):
                await kept.add("repairs", f"{number // 1}", "ann")
            assert await kept.add("repairs", f"{KEPT + 4}", "bob") == (await kept.versions("repairs"))[0].id
            await kept.add("sales", "other", "ann")
            found = await kept.versions("repairs")
            assert [one.text for one in found] == [str(number) for number in range(KEPT + 4, 4, -1)]
            assert (await kept.version("repairs", 1), await kept.version("sales", found[0].id)) == (None, None)

    asyncio.run(look())


def test_only_an_admin_sees_and_changes_prompts(tmp_path: Path) -> None:
    agent_file(tmp_path)

    async def look() -> None:
        async with visit(tmp_path, PASSWORD) as there:
            number = await Prompts(there.gateway.store).add("repairs", "You mend.", "ann")
            await there.auth.accounts.set_user("bob", "operator", "battery staple")
            await sign_in(there, "bob", "battery staple")
            headers = await there.token()
            assert (await there.browser.get("/prompts?agent=repairs")).status_code == 403
            assert (await there.browser.get(f"/phone?agent=repairs&version={number}")).status_code == 403
            assert (await there.browser.get(f"{API}/comparison")).status_code == 403
            for path, sent in (
                (f"{API}/versions", {"text": "x"}), (f"{API}/versions/{number}/publish", {"seen": ""}),
                (f"{API}/versions/{number}/comparison", {}),
                ("/api/phone/calls", {"sdp": "", "agent": "repairs", "version": number}),
            ):  # fmt: skip
                assert (await there.browser.post(path, json=sent, headers=headers)).status_code == 403, path

    asyncio.run(look())


def test_a_request_without_the_token_of_the_page_changes_nothing(tmp_path: Path) -> None:
    file = agent_file(tmp_path)

    async def look() -> None:
        async with visit(tmp_path) as there:
            number, before = await saved(there, "You mend."), await seen(there)
            foreign, ours = {"Origin": "http://evil.example"}, {"Origin": "http://127.0.0.1:8080"}
            for headers in (foreign | await there.token(), ours, ours | {"X-CSRF-Token": "guess"}):
                for path, sent in ((f"{API}/versions", {"text": "x"}), (f"{API}/versions/{number}/publish", before)):
                    assert (await there.browser.post(path, json=sent, headers=headers)).status_code == 403
            assert file.read_text() == REPAIRS

    asyncio.run(look())


EVAL = """
import json, sys
from pathlib import Path
files = [Path(file) for name, file in zip(sys.argv, sys.argv[1:]) if name == "--prompt"]
print(json.dumps({"name": sys.argv[1], "contestants": [
    {"name": file.stem, "answered_ms": 700, "calls": [
        {"scenario": "an order", "faults": ["said refund"] * (not at), "conversation": file.read_text()}]}
    for at, file in enumerate(files)]}))
sys.exit(1)
"""
"""Prints what `sipgw eval` prints; the real one: tests/tools/evaluation/test_prompts.py."""


@contextlib.asynccontextmanager
async def comparing(there: Visit, command: list[str], limit: float = 60.0) -> AsyncIterator[Comparisons]:
    """Compare by a command in the place of `sipgw eval`."""
    state = there.browser._transport.app.state  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparisons, "NICE", 0)  # one that yields to every other program took seconds
        async with Comparisons(there.gateway, command, limit) as made:  # type: ignore[arg-type]
            state.app = replace(state.app, prompts=state.app.prompts._replace(comparisons=made))
            yield made


async def compared(there: Visit, command: list[str], limit: float = 60.0) -> tuple[int, str]:
    """Compare a new draft by a command in the place of `sipgw eval`; the version, and the page afterwards."""
    async with comparing(there, command, limit) as made:
        number = await saved(there, "You mend.")
        assert (await post(there, f"{API}/versions/{number}/comparison"))[0] == 202
        await until(lambda: made.latest("repairs").state != "running")  # type: ignore[union-attr]
    state = (await there.browser.get(f"{API}/comparison")).json()["state"]
    assert state == made.latest("repairs").state  # type: ignore[union-attr]
    return number, " ".join((await there.browser.get(f"/prompts?agent=repairs&version={number}")).text.split())


def test_both_prompts_are_evaluated_and_the_verdicts_stand_side_by_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    agent_file(tmp_path, "You repair.")
    (tmp_path / "evals").mkdir()
    (tmp_path / "evals" / "repairs.toml").touch()

    async def look() -> None:
        async with visit(tmp_path) as there:
            number, text = await compared(there, [sys.executable, "-c", EVAL])
            for told in (
                "eval repairs.toml", f'<th scope="col">in-use</th><th scope="col">version-{number}</th>',
                '<td data-label="in-use">1 of 1, answered after 700 ms</td>', "0 of 1, answered after 700 ms",
                "said refund", '<p class="said">You repair.</p>', '<p class="said">You mend.</p>',
            ):  # fmt: skip
                assert told in text, told
            assert list(tmp_path.glob("sipgw-prompts-*")) == []

    asyncio.run(look())


@pytest.mark.parametrize(
    ("program", "limit", "told"),
    [
        ("import sys; print('no model', file=sys.stderr); sys.exit(2)", 60.0, "no model"),
        ("print('{')", 60.0, "sipgw eval: Expecting property name"),
        ("import time; time.sleep(600)", 0.0, "it was not over after 0 s; use a smaller set"),
        ("print('x' * (9 << 20))", 60.0, "its result is too long"),
    ],
)
def test_a_comparison_that_fails_says_why(tmp_path: Path, program: str, limit: float, told: str) -> None:
    agent_file(tmp_path)

    async def look() -> None:
        async with visit(tmp_path) as there:
            assert told in (await compared(there, [sys.executable, "-c", program], limit))[1]

    asyncio.run(look())


def test_one_comparison_goes_on_at_a_time_and_ends_with_the_gateway(tmp_path: Path) -> None:
    agent_file(tmp_path)

    async def look() -> None:
        async with visit(tmp_path) as there:
            async with comparing(there, [sys.executable, "-c", "import time; time.sleep(600)"]) as made:
                number = await saved(there, "You mend.")
                assert (await post(there, f"{API}/versions/{number}/comparison"))[0] == 202
                assert (await post(there, f"{API}/versions/{number}/comparison"))[0] == 409
            latest = made.latest("repairs")
            assert latest and (latest.state, latest.problem) == ("failed", "the gateway was stopped")

    asyncio.run(look())
