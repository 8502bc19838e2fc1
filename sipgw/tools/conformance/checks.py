"""The checks of the kit. Each raises `NonconformingError` if the provider does something wrong."""

import asyncio
import contextlib
import gc
import threading
import time
import tracemalloc
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import partial
from typing import Any, Protocol

from agent.errors import ProviderError
from agent.line import SAMPLE_RATE
from agent.providers.provider import Provider
from agent.ulaw import to_linear
from sipgw.tools.conformance import exercises, trials
from sipgw.tools.conformance.exercises import ExerciseResult, Given, NonconformingError
from sipgw.tools.conformance.proxy import ConnectionFault
from sipgw.tools.conformance.time_skipping_loop import starved
from sipgw.tools.conformance.trials import CLOSE_LIMIT, Trial

WAITING = 500_000
"""Maximum bytes that may wait for a server that does not read; 5 s of sound at 24 kHz in base64 are 320,000."""
LATE = 0.001
"""Real seconds that a call of `send_audio` may take. More than half of the calls must keep to it, because a single one
may be late by chance."""
UNREAD = 4_000_000
"""Maximum bytes that may wait for a reader; 5 minutes of sound are 2,400,000."""
NO_TOOL = "it called no tool: the server has to call the tool that it is given"


class Tried(Protocol):
    """The subject of a check that needs no server, such as `Trial` and `EmbeddedTrial`."""

    record: Provider


def describes_itself(trial: Tried) -> None:
    """Check that the record of the provider fits its options."""
    record, options = trial.record, trial.record.options()
    known = {one.name for one in fields(options)}
    if not getattr(options, "__dataclass_params__").frozen:  # noqa: B009  mypy knows no such attribute
        raise NonconformingError("the options are not frozen")
    shown = [key for key in (*record.required, "api_key") if key in known and _field(options, key).repr]
    if shown and record.required:
        raise NonconformingError(f"the option {shown[0]!r} is a secret: declare it with field(default='', repr=False)")
    if record.redacts(options) and "redact" not in known:
        raise NonconformingError("it redacts, but has no option `redact`")
    if record.usable(options) and record.required and not record.keyless:
        raise NonconformingError("it takes itself for usable without its keys")


def _field(options: Any, name: str) -> Any:
    return next(one for one in fields(options) if one.name == name)


def works(trial: Trial) -> None:
    """Check that the provider does its work, as its record says."""
    found, _ = trial.served()
    record = trial.record
    if record.part in ("stt", "llm") and not found.text:
        raise NonconformingError("no words came")
    if record.part in ("llm", "realtime") and not found.calls:
        raise NonconformingError(NO_TOOL)
    if record.part in ("tts", "realtime") and len(to_linear(found.sound)) < SAMPLE_RATE // 10:
        raise NonconformingError("no sound came")
    if record.word_times(trial.options) is not bool(found.times):
        came = "times of words" if found.times else "no time of a word"
        raise NonconformingError(f"its record says word_times = {not found.times}, but {came} came")

    async def ends_turns(made: Any) -> bool:
        return bool(made.ends_turns)

    if record.part == "stt" and trial.run(ends_turns)[0] is not (said := record.ends_turns(trial.options)):
        raise NonconformingError(f"its record says ends_turns = {said}")


def takes_results_of_tools(trial: Trial) -> None:
    """Check that the provider calls a tool and says something about each result, whenever it comes, also if the tool
    fails."""
    if trial.record.part not in ("llm", "realtime"):
        return
    for given in Given:
        found, _ = trial.run(partial(exercises.told, trial.record, given))
        if isinstance(found, ProviderError):
            raise NonconformingError(f"it fails at a result {given.value}: {found}")
        if not found.done:
            raise NonconformingError(f"it says nothing of a result {given.value}" if found.calls else NO_TOOL)


def refuses_wrong_keys(trial: Trial) -> None:
    """Check that a refused key is an error that does not pass by itself, and that its text does not contain the key."""
    for key in trial.record.required:
        wrong: dict[str, Any] = {key: "a-wrong-key-of-the-kit"}
        found, _ = trial.use(**wrong)
        if not (isinstance(found, ProviderError) and not found.temporary):
            raise NonconformingError(f"a wrong {key} is no `ProviderError` with temporary=False, but {found!r}")


def bears_no_server(trial: Trial) -> None:
    """Check that the provider, without a server, fails with an error that may pass by itself."""
    found, _ = trial.use(url=_nowhere(trial.record))
    if not (isinstance(found, ProviderError) and found.temporary):
        raise NonconformingError(f"without a server it is no `ProviderError` with temporary=True, but {found!r}")


def _nowhere(record: Provider) -> str:
    scheme = urllib.parse.urlsplit(record.options().url or "https:").scheme
    return f"{ {'wss': 'ws', 'https': 'http'}.get(scheme, scheme) }://127.0.0.1:9/"


def bears(fault: ConnectionFault, trial: Trial) -> None:
    """Check that, at whatever point `fault` happens, the provider does its work or raises `ProviderError`, in time."""
    whole, points = trial.served()
    for after in points:
        _at(after, partial(_borne, trial, fault, after, whole))


def _borne(trial: Trial, fault: ConnectionFault, after: int, whole: ExerciseResult) -> None:
    found, _ = trial.use(fault, after)
    if isinstance(found, ExerciseResult) and found.lacks(whole):
        raise NonconformingError(f"it takes {told_of(found)} for the whole, {told_of(whole)}")


def can_be_cancelled(trial: Trial) -> None:
    """Check that the provider's work can be cancelled at any point."""
    for after in trial.served()[1]:
        _at(after, partial(_cancelled, trial, after))


def _cancelled(trial: Trial, after: int) -> None:
    tasks: list[asyncio.Task[Any]] = []
    asked: list[asyncio.Task[Any]] = []
    late: list[asyncio.Task[Any]] = []

    def cancel() -> None:
        asked.extend(one for one in tasks if one.cancel())
        look = asyncio.get_running_loop().call_later
        look(CLOSE_LIMIT, lambda: late.extend(one for one in asked if not one.done()))

    async def work(made: Any) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                tasks.append(group.create_task(exercises.use(trial.record, made)))
        except ExceptionGroup as group_error:
            raise group_error.exceptions[0] from None

    trial.run(work, after=after, reached=cancel)
    if late or not all(one.cancelled() for one in asked):
        raise NonconformingError("it was cancelled, and does not pass that on")


def _at(after: int, work: Callable[[], object]) -> None:
    try:
        work()
    except Exception as error:
        raise NonconformingError(f"after {after} pieces of the server: {type(error).__name__}: {error}") from error


def bounds_what_waits(trial: Trial) -> None:
    """Check that sound for a server that does not read is dropped, and that `send_audio` never blocks."""
    if trial.record.part not in ("stt", "realtime"):
        return

    async def work(made: Any) -> int:
        await exercises.opened(made)
        await flooded(made, 600)  # afterwards the buffers of the kernel are full
        # Memory that is allocated once, such as by an import, counts in one of the measurements only.
        return min([await flooded(made, 200), await flooded(made, 200)])

    found, _ = trial.run(work, ConnectionFault.DEAF, 1)
    if not isinstance(found, ProviderError) and found > WAITING:
        raise NonconformingError(f"it holds {found} bytes for a server that does not read")


async def flooded(made: Any, seconds: int) -> int:
    """The bytes by which memory grows while `seconds` of sound are sent."""
    pieces, late, waited = seconds * SAMPLE_RATE // exercises.PIECE, 0, 0.0
    before = starved(threading.get_native_id())
    with measured() as grown:
        for _ in range(pieces):
            began, worked = time.monotonic(), time.thread_time()
            made.send_audio(b"\xff" * exercises.PIECE)
            spent = time.monotonic() - began - (time.thread_time() - worked)
            late, waited = late + (spent > LATE), waited + spent
            if late > pieces / 2 or waited - (starved(threading.get_native_id()) - before) > trials.STUCK:
                raise NonconformingError("send_audio blocks while the server does not read")
            await asyncio.sleep(0)
    return grown[0]


def bounds_what_comes(trial: Trial) -> None:
    """Check that endless data that nobody reads does not fill the memory."""

    async def work(made: Any) -> int:
        with measured() as grown:
            stream = await exercises.begin(trial.record, made)
            await asyncio.sleep(3.0)
        if stream is not None:
            await stream.aclose()
        return grown[0]

    last = trial.use()[1].pieces
    for after in sorted({max(1, last // 2), max(1, last - 1)}):
        found, _ = trial.run(work, ConnectionFault.FLOOD, after)
        if not isinstance(found, ProviderError) and found > UNREAD:
            raise NonconformingError(f"after {after} pieces of the server it holds {found} bytes that nobody reads")


@contextlib.contextmanager
def measured() -> Iterator[list[int]]:
    """Give a list. After the block its only item is the number of bytes by which memory grew in the block."""
    grown: list[int] = []
    gc.collect()
    tracemalloc.start()
    try:
        yield grown
        gc.collect()
        grown.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()


def tells_no_stale_sound(trial: Trial) -> None:
    """Check that after a stopped sentence the next one has no sound of the first."""
    if trial.record.part != "tts":
        return

    async def alone(made: Any) -> bytes:
        await exercises.opened(made)
        return await exercises.said(made)

    wanted, again = trial.run(alone)[0], trial.run(alone)[0]
    for one in (wanted, again):
        if isinstance(one, ProviderError):
            raise NonconformingError(f"it fails with a server that serves it: {one}")
    if wanted != again:
        raise NonconformingError("a sentence is not the same each time: stale sound cannot be told from its own")
    found = trial.run(exercises.interrupted)[0]
    if found != wanted:
        raise NonconformingError(f"the sentence after one that was broken off sounds otherwise: {told_of(found)}")


def told_of(found: object) -> str:
    """The outcome `found` in words."""
    match found:
        case ExerciseResult():
            called = "".join(f", {name}({arguments[:100]})" for name, arguments in found.calls)
            return f"{found.text[:200]!r}{called}" if found.text or called else f"{len(found.sound)} bytes of sound"
        case bytes():
            return f"{len(found)} bytes"
    return str(found)


CHECKS: dict[str, Callable[[Trial], None]] = {
    "describes itself": describes_itself,
    "works": works,
    "takes results of tools": takes_results_of_tools,
    "refuses wrong keys": refuses_wrong_keys,
    "bears no server": bears_no_server,
    **{
        f"bears a connection that is {fault.value}": partial(bears, fault)
        for fault in (ConnectionFault.CUT, ConnectionFault.CLOSE, ConnectionFault.STALL, ConnectionFault.GARBLE)
    },
    "can be cancelled": can_be_cancelled,
    "bounds what waits": bounds_what_waits,
    "bounds what comes": bounds_what_comes,
    "tells no stale sound": tells_no_stale_sound,
}
