"""Threads for what blocks: one kind of work that hangs holds up no other, and is told when there is too much of it."""

import ast
import asyncio
import contextvars
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from agent.pool import POOLS, Pool, PoolFullError
from agent.tools import NOT_BEGUN, TOOLS, Toolbox, tool
from sipgw.policy.gate.hook import HOOKS, Hook
from sipgw.policy.gate.rules import GateRequest
from sipgw.web.accounts import SIGN_IN
from tests.waiting import HANG, until

ROOT = Path(__file__).parent.parent.parent


def test_work_is_done_in_a_thread_with_the_context_of_who_asks() -> None:
    who = contextvars.ContextVar("who", default="nobody")

    async def scene() -> None:
        who.set("call 1")
        pool = Pool("test", 1, 1)
        assert await pool.run(lambda: (who.get(), threading.current_thread().name)) == ("call 1", "test 1")
        with pytest.raises(ValueError, match="wrong"):
            await pool.run(int, "wrong")
        with pytest.raises(RuntimeError, match="StopIteration"):
            await pool.run(next, iter(()))
        assert (pool.busy, pool.queued, pool.refused) == (0, 0, 0)

    asyncio.run(scene())


@pytest.mark.faults("A3")
def test_a_full_pool_says_so_and_counts_it() -> None:
    async def scene() -> None:
        pool, let_go = Pool("test", 2, 1), threading.Event()
        async with asyncio.timeout(HANG), asyncio.TaskGroup() as group:
            done = [group.create_task(pool.run(let_go.wait)) for _ in range(3)]
            await until(lambda: (pool.busy, pool.queued) == (2, 1))
            with pytest.raises(PoolFullError, match="all 2 threads for test are busy and 1 more"):
                await pool.run(int)
            assert pool.refused == 1
            done[2].cancel()  # it waits, and gives its place up
            await asyncio.wait([done[2]])
            assert pool.queued == 0
            again = group.create_task(pool.run(int, "7"))
            let_go.set()
            assert await again == 7

    asyncio.run(scene())


@pytest.mark.faults("A3")
def test_tools_that_hang_hold_up_neither_hooks_nor_sign_in_nor_names(tmp_path: Path) -> None:
    (tmp_path / "hook.py").write_text("def may_call(dial): return True")
    hook, let_go = Hook(tmp_path / "hook.py", HANG), threading.Event()

    @tool(timeout=0.05)
    def quick() -> str:
        """Answer."""
        return "done"

    async def scene() -> None:
        before = TOOLS.refused
        async with asyncio.timeout(HANG), asyncio.TaskGroup() as group:
            for _ in range(TOOLS.workers):
                group.create_task(TOOLS.run(let_go.wait, HANG))
            await until(lambda: TOOLS.busy == TOOLS.workers)
            boxes = [Toolbox([quick], str(number)) for number in range(TOOLS.waiting + 1)]
            runs = [group.create_task(box.run("quick", "{}")) for box in boxes]
            assert await asyncio.get_running_loop().getaddrinfo("127.0.0.1", 80)
            assert await hook.refusal(dial()) is None
            assert await SIGN_IN.run(int, "7") == 7
            errors = [(await run).error for run in runs]
            let_go.set()
        assert TOOLS.refused - before == 1
        assert errors == [NOT_BEGUN] * len(runs), "the refused one, and those that waited in vain"

    try:
        asyncio.run(scene())
    finally:
        let_go.set()


@pytest.mark.faults("A3")
def test_an_order_that_waited_for_a_thread_in_vain_is_known_not_to_be_done() -> None:
    let_go, ran = threading.Event(), []

    @tool(timeout=0.05, side_effect=True)
    def order() -> str:
        """Order something."""
        ran.append("tea")
        return "ordered"

    async def scene() -> None:
        async with asyncio.timeout(HANG), asyncio.TaskGroup() as group:
            for _ in range(TOOLS.workers):
                group.create_task(TOOLS.run(let_go.wait, HANG))
            await until(lambda: TOOLS.busy == TOOLS.workers)
            box = Toolbox([order])
            assert (await box.run("order", "{}")).error == NOT_BEGUN
            let_go.set()
            await until(lambda: TOOLS.busy == 0)
            assert ran == [], "it did not begin later either"
            box.offer([replace(order, timeout=HANG)])
            assert (await box.run("order", "{}")).result == "ordered", "it may be tried again"
        assert ran == ["tea"]

    try:
        asyncio.run(scene())
    finally:
        let_go.set()


@pytest.mark.faults("A3")
def test_hooks_that_hang_hold_up_no_tools_and_let_nobody_be_called(tmp_path: Path) -> None:
    (tmp_path / "hook.py").write_text("def may_call(dial): return True")
    hook, let_go = Hook(tmp_path / "hook.py", 0.05), threading.Event()

    @tool
    def quick() -> str:
        """Answer."""
        return "done"

    async def scene() -> None:
        async with asyncio.timeout(HANG), asyncio.TaskGroup() as group:
            for _ in range(HOOKS.workers + HOOKS.waiting):
                group.create_task(HOOKS.run(let_go.wait, HANG))
            await until(lambda: (HOOKS.busy, HOOKS.queued) == (HOOKS.workers, HOOKS.waiting))
            refused = await hook.refusal(dial())
            assert refused is not None
            assert refused.unable
            assert "too much work" in refused.reason
            assert (await Toolbox([quick]).run("quick", "{}")).result == "done"
            assert await asyncio.get_running_loop().getaddrinfo("127.0.0.1", 80)
            let_go.set()

    asyncio.run(scene())


def dial() -> GateRequest:
    return GateRequest("+14155550123", "office")


SHARED = ("run_in_executor", "to_thread", "set_default_executor", "getaddrinfo", "getnameinfo")
"""Methods of the loop that work in its threads, or look names up there."""
LOOPS = ("asyncio.run", "asyncio.Runner", "asyncio.new_event_loop")
"""What makes a loop."""


@pytest.mark.faults("A3")
def test_nothing_shares_the_threads_of_the_loop() -> None:
    """`asyncio.to_thread` is banned by ruff; the other ways to them are methods, which ruff does not see.

    `agent.lookups` is where names are looked up, for which `sipgw doctor` may ask the loop. Who runs a loop does it
    with that, save for loops of virtual time, in which no name is looked up, and that of browsers' sound: its threads
    have nothing else to do than to look up one name, and its process does not wait for them.
    """
    used = [
        str(path.relative_to(ROOT))
        for top in ("sipgw", "media", "agent")
        for path in (ROOT / top).rglob("*.py")
        if any(name in (text := path.read_text()) for name in (*SHARED, *LOOPS))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Attribute)
        and (node.attr in SHARED or ast.unparse(node) in LOOPS)
        and ast.unparse(node) != "socket.getaddrinfo"
    ]
    assert sorted(used) == [
        "agent/lookups.py", "agent/lookups.py", "media/browsers/worker.py", "sipgw/tools/conformance/trials.py",
        "sipgw/tools/doctor/machine.py", "sipgw/tools/replay/run.py",
    ]  # fmt: skip
    assert '"asyncio.to_thread"' in (ROOT / "pyproject.toml").read_text()
    assert len(POOLS) > 5
