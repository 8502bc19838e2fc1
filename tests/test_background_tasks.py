"""A task in a group that calls share has an error boundary: an error in it would cancel the group, and so all calls."""

import ast
import asyncio
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import httpx
import pytest

from agent.authorities import tls
from agent.providers.local.host import LocalSpeech, LocalSpeechOptions
from media.process.engine import MediaEngine, MediaOptions
from media.process.supervisor import RESTART_PAUSE
from sipgw.agents.knowledge.knowledge_base import KnowledgeBase
from sipgw.config.config import parse
from sipgw.config.records import StoreOptions
from sipgw.config.web import WebOptions
from sipgw.records.artifacts.maintenance import Maintenance
from sipgw.records.store.store import Store
from sipgw.sip import boundaries
from sipgw.sip.boundaries import lasting
from sipgw.web.server import Dashboard, _Server
from tests.records.maintained import maintenance
from tests.virtual import run
from tests.waiting import HANG, until
from tests.web.gateway_view import FakeGatewayView

ROOT = Path(__file__).parent.parent
OWN = {
    "agent/mcp_tools.py": "`McpServer.keep` is the provider boundary",
    "agent/providers/connections.py": "the opening of one connection, whose error its user gets",
    "agent/providers/local/host.py": "`_keep_alive` has the boundary: the floors share no file",
    "agent/providers/polly.py": "one request, whose faults leave an estimate in its place",
    "agent/providers/renewal.py": "the renewal of one session, whose error its user gets",
    "agent/tasks.py": "the boundary of a conversation",
    "media/browsers/worker.py": "`_bounded` is the boundary of one call",
    "media/process/engine.py": "`keep_alive` has the boundary: the floors share no file",
    "sipgw/calls/caller_verification.py": "a task of one call",
    "sipgw/calls/dispatch.py": "a call: its session is the boundary",
    "sipgw/calls/session.py": "a task of one call",
    "sipgw/records/store/searching.py": "the time limit of one search, in no group",
    "sipgw/web/comparisons.py": "`_run` is the boundary of one comparison; `write` contains each write, in no group",
    "sipgw/sip/streams.py": "one attempt to connect, in no group: its error goes to the attempt",
}
"""Files with tasks that have another boundary."""


def unbounded(tree: ast.AST, own: frozenset[str] = frozenset()) -> Iterator[str]:
    """The work of tasks that are neither `bounded` nor `lasting`, unless their group ends within its function.

    `own` are the names of groups that do: their errors go to the caller of the function, and no further.
    """
    for node in ast.iter_child_nodes(tree):
        mine = own
        if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef):
            inner = list(ast.walk(node))
            if not any(isinstance(one, ast.Yield) for one in inner):  # what it yields to lasts as long as the group
                items = [item for one in inner if isinstance(one, ast.AsyncWith) for item in one.items]
                mine |= {
                    item.optional_vars.id
                    for item in items
                    if ast.unparse(item.context_expr) == "asyncio.TaskGroup()"
                    and isinstance(item.optional_vars, ast.Name)
                }
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "create_task":
            work = node.args[0]
            known = isinstance(work, ast.Call) and ast.unparse(work.func) in ("bounded", "lasting")
            if not known and ast.unparse(node.func.value) not in own:
                yield ast.unparse(work)
        yield from unbounded(node, mine)


def test_every_task_of_a_shared_group_has_a_boundary() -> None:
    files = [path for name in ("sipgw", "media", "agent") for path in (ROOT / name).rglob("*.py")]
    found = {
        name: works
        for path in files
        if not (name := path.relative_to(ROOT).as_posix()).startswith("sipgw/tools/")
        if "create_task" in (text := path.read_text("utf-8"))
        if (works := list(unbounded(ast.parse(text))))
    }
    assert {name: works for name, works in found.items() if name not in OWN} == {}, "use `lasting` or `bounded`"
    assert set(found) == set(OWN)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("def start(self):\n    self.group.create_task(self.run())", ["self.run()"]),
        ("def start(self):\n    self.group.create_task(lasting(self.run, 'it failed'))", []),
        ("async def all():\n    async with asyncio.TaskGroup() as group:\n        group.create_task(one())", []),
        ("async def x():\n    async with asyncio.TaskGroup() as a:\n        a.create_task(b())\n        yield",
         ["b()"]),
        ("async def on(stack):\n    group = await stack.enter(asyncio.TaskGroup())\n    group.create_task(one())",
         ["one()"]),
    ],
)  # fmt: skip
def test_an_unbounded_task_is_seen(source: str, found: list[str]) -> None:
    assert list(unbounded(ast.parse(source))) == found


class Bug(Exception):  # noqa: N818  not one of ours
    """A fault of ours."""


def once(patch: pytest.MonkeyPatch, owner: Any, name: str) -> list[object]:
    """Let a coroutine function raise the first time; returns a list that grows with each call."""
    right, calls = getattr(owner, name), list[object]()

    async def wrong(*args: Any, **more: Any) -> Any:
        calls.append(args)
        if len(calls) == 1:
            raise Bug
        return await right(*args, **more)

    patch.setattr(owner, name, wrong)
    return calls


def test_work_that_fails_begins_again_after_a_pause() -> None:
    began: list[float] = []

    async def work() -> None:
        began.append(asyncio.get_running_loop().time())
        if len(began) < 3:
            raise Bug

    run(lasting(work, "it failed"))
    assert [later - earlier for earlier, later in pairwise(began)] == [boundaries.PAUSE] * 2


def test_an_encoder_that_cannot_be_closed_ends_nothing() -> None:
    async def scenario() -> None:
        encoder = Mock()
        encoder.close = closed = Mock(side_effect=_bug)
        async with KnowledgeBase(Mock(), Mock(), Mock()) as knowledge_base:
            knowledge_base._encoders["name", "payer"] = encoder
            knowledge_base.put({})
            await asyncio.sleep(1)
            closed.assert_called_once()

    run(scenario())


async def _bug(*_: object) -> None:
    raise Bug


def test_maintenance_that_fails_begins_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boundaries, "PAUSE", 0.0)
    begun = once(monkeypatch, Maintenance, "_keep_up")

    async def scenario() -> None:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store, maintenance(store, parse("", "x", {})):
            await until(lambda: len(begun) == 2)

    asyncio.run(scenario())


def test_a_dashboard_that_fails_answers_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boundaries, "PAUSE", 0.0)
    begun = once(monkeypatch, _Server, "main_loop")

    async def scenario() -> None:
        async with asyncio.timeout(HANG), Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            gateway = FakeGatewayView(parse("", "x", {}), store)
            async with Dashboard(gateway, WebOptions(port=0)) as dashboard, httpx.AsyncClient(verify=tls()) as browser:  # type: ignore[arg-type]
                await until(lambda: len(begun) == 2)
                assert (await browser.get(f"{dashboard.url}healthz")).status_code == 200

    asyncio.run(scenario())


def test_an_error_beside_a_media_process_starts_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its calls end; the engine and its other processes go on."""
    died: list[str] = []

    async def scenario() -> None:
        (process,) = MediaEngine(MediaOptions())._processes
        monkeypatch.setattr(process, "_run_process", _bug)
        monkeypatch.setattr(process.channels, "die", died.append)
        async with asyncio.TaskGroup() as group:
            keeping = group.create_task(process.keep_alive())
            await asyncio.sleep(2.5 * RESTART_PAUSE)
            keeping.cancel()

    run(scenario())
    assert died == ["internal error: Bug"] * 3


def test_an_error_beside_the_speech_process_starts_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        speech = LocalSpeech(LocalSpeechOptions())
        monkeypatch.setattr(speech, "_run_process", _bug)
        async with asyncio.TaskGroup() as group:
            keeping = group.create_task(speech._keep_alive())
            await asyncio.sleep(30)
            keeping.cancel()
        assert speech._problem == "internal error: Bug"

    run(scenario())


@pytest.mark.parametrize("kept", ["media", "speech"])
def test_a_process_whose_task_fails_while_it_is_cancelled_does_not_begin_again(
    monkeypatch: pytest.MonkeyPatch, kept: str
) -> None:
    """The group round a process reports the error of a task of its own, in the place of the cancellation."""
    begun: list[str] = []

    async def fails() -> None:
        try:
            await asyncio.sleep(HANG)
        except asyncio.CancelledError:
            raise Bug from None

    async def run_process() -> str:
        begun.append(kept)
        if len(begun) > 1:  # or a keeper without end would hang the test
            raise asyncio.CancelledError
        async with asyncio.TaskGroup() as group:
            group.create_task(fails())
        return ""

    async def scenario() -> None:
        speech, (process,) = LocalSpeech(LocalSpeechOptions()), MediaEngine(MediaOptions())._processes
        for one in (speech, process):
            monkeypatch.setattr(one, "_run_process", run_process)
        keep = process.keep_alive if kept == "media" else speech._keep_alive
        task = asyncio.get_running_loop().create_task(keep())
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait({task}, timeout=HANG)
        assert task.done()

    run(scenario())
    assert begun == [kept]


def test_work_that_fails_while_it_is_cancelled_does_not_begin_again() -> None:
    begun: list[str] = []

    async def work() -> None:
        begun.append("work")
        try:
            await asyncio.sleep(HANG)
        except asyncio.CancelledError:
            raise Bug from None

    async def scenario() -> None:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(lasting(work, "x"))
            await asyncio.sleep(0)
            task.cancel()

    run(scenario())
    assert begun == ["work"]
