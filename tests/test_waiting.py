"""No test has a time limit of its own in real time; no unit test waits for a time where it can wait for what happens.

Tests on virtual time wait as they please: there a second is as long on a busy machine as on any other.
"""

import ast
from collections import Counter
from collections.abc import Iterable, Iterator

from tests.source import ROOT, files, nodes, parsed

OTHERS = ("interop", "bench", "soak", "images", "scenarios", "load")
FILES = {
    str(path.relative_to(ROOT)): path
    for path in files("tests")
    if path.relative_to(ROOT).parts[1] not in OTHERS
    and path.name not in ("waiting.py", "test_waiting.py", "measure.py")
}
PROGRAMS = {
    str(path.relative_to(ROOT)): path
    for path in files("tests/interop")
    if path.name not in ("pjsua_demanding.py", "pyvoip_phone.py")  # programs of their own
}
"""Files of the tests with real programs."""
VIRTUAL = (
    "sipgw.tools.replay.clock", "tests.virtual", "tests.agent.holding", "tests.agent.realtime_holding",
    "tests.agent.relay.holding", "tests.sip.wire", "sipgw.tools.conformance.trials",
)  # fmt: skip
"""Who imports one of these runs on virtual time."""
LIMITED = (
    "timeout", "wait_for", "run", "communicate", "wait", "over", "check_output", "check_call", "urlopen", "join",
    "to_contain_text", "to_have_text", "to_be_visible", "wait_for_selector", "to_thread",
)  # fmt: skip
"""What takes a time limit: the only value of `timeout` and `over`, the second one of `wait_for`, or `timeout=`."""
SHORT = 0.1
"""Seconds that a test may sleep between two looks."""

ASLEEP = Counter(
    {
        "tests/browser/test_browser_phone.py": 1,  # nothing comes meanwhile
        "tests/calls/test_cloud_dtmf.py": 2,
        "tests/media/test_engine.py": 1,  # the gateway stands still
        "tests/media/test_soak.py": 1,  # a process stands still
        "tests/outbound/test_campaign.py": 1,  # nothing happens meanwhile
        "tests/tools/replay/scripted_gateway.py": 2,  # how people speak and press keys
        "tests/tools/replay/scenes.py": 17,
        "tests/tools/replay/tools.py": 3,
        "tests/calls/test_bridged_transfer.py": 1,  # nothing comes meanwhile
    }
)
"""Real sleeps that are what is tried, or how a caller of a scene behaves. The list may only shrink."""

LIMITS = Counter({"tests/interop/test_why.py": 1})  # no answer comes to an INVITE that is dropped
"""Limits in real time that are what is tried."""


def number(node: ast.expr | None) -> float | None:
    """The value of a literal."""
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return value
    return None


def limits(nodes: Iterable[ast.AST]) -> Iterator[int]:
    """The lines where something in real time has a limit that is a number."""
    for node in nodes:
        match node:
            case ast.BinOp(ast.Call(func=ast.Attribute(attr="monotonic")), ast.Add(), value) if number(value):
                yield node.lineno
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LIMITED):
            continue
        name, given = node.func.attr, node.args
        named = [each.value for each in node.keywords if each.arg == "timeout"]
        place = {"timeout": given[:1], "over": given[:1], "wait_for": given[1:2]}.get(name, [])
        if any(number(each) for each in [*place, *named]):
            yield node.lineno


def sleeps(nodes: Iterable[ast.AST]) -> Iterator[int]:
    """The lines where somebody sleeps for a number of seconds."""
    for node in nodes:
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name("asyncio" | "time"), attr="sleep"), args=[value]):
                if (number(value) or 0) > SHORT:
                    yield node.lineno


def on_virtual_time(tree: ast.Module) -> bool:
    """Whether a file of tests runs on virtual time."""
    return any(isinstance(node, ast.ImportFrom) and node.module in VIRTUAL for node in tree.body)


def test_a_test_with_a_program_has_no_limit_but_a_hang() -> None:
    for name, path in PROGRAMS.items():
        found = [f"{name}:{line}" for line in limits(nodes(path))]
        assert len(found) == LIMITS[name], f"{found}: give it HANG of tests/waiting.py"


def test_nothing_but_a_hang_has_a_limit_in_real_time() -> None:
    found, asleep = list[str](), Counter[str]()
    for name, path in FILES.items():
        text = path.read_text()
        if "sleep" in text or any(f"{each}(" in text for each in (*LIMITED, "monotonic")):
            found += (f"{name}:{line}" for line in limits(nodes(path)))
            asleep[name] = 0 if on_virtual_time(parsed(path)) else len(list(sleeps(nodes(path))))
    assert not found, f"{found}: give it HANG of tests/waiting.py, or wait with until() or within()"
    more, fewer = asleep - ASLEEP, ASLEEP - asleep
    assert not more, f"{+more}: wait for what is to happen, with until() of tests/waiting.py"
    assert not fewer, f"{fewer} sleep less than they did: make the list shorter"


def test_what_is_looked_for_is_found() -> None:
    written = """
async def one():
    async with asyncio.timeout(20):
        await asyncio.sleep(3)
    await asyncio.wait_for(event.wait(), 5)
    subprocess.run(command, timeout=60)
    await leg.over(5)
    await asyncio.sleep(0.01)
    until = time.monotonic() + 20
    async with asyncio.timeout(HANG):
        subprocess.run(command, timeout=HANG)
"""
    assert sorted(limits(ast.walk(ast.parse(written)))) == [3, 5, 6, 7, 9]
    assert list(sleeps(ast.walk(ast.parse(written)))) == [4]


def test_the_lists_name_files_that_are_there() -> None:
    assert LIMITS.keys() <= PROGRAMS.keys()
    assert ASLEEP.keys() <= FILES.keys()
