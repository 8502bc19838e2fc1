"""What is private in a recording is covered while its call goes on and after it, and nobody hears it before."""

import asyncio
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import AsyncMock, Mock

import pytest
from sqlalchemy import true

from agent.records import AgentSays
from media.recording.redact import TONE, Span, redact
from sipgw.calls.info import CallInfo
from sipgw.calls.session import CallSession
from sipgw.config.records import PrivacyOptions
from sipgw.events import CallAnswered, CallEnded, CallReported, Watchers
from sipgw.policy.inbound.limits import Caller
from sipgw.records.artifacts import audio_redactor, hosts
from sipgw.records.artifacts.audio_redactor import AudioRedactor, RecordedCall
from sipgw.records.artifacts.recordings import CallRecording
from sipgw.records.artifacts.work import BACK_OFF
from sipgw.records.store.artifact_states import ArtifactKind, ArtifactState
from sipgw.sip.identity import Identity
from sipgw.trunks.trunks import LOCAL_TRUNK
from tests.cdr_events import artifact
from tests.records.test_artifacts import later, recorded, world
from tests.records.test_audio_redactor import LOUD, sides, wav
from tests.waiting import HANG, until

pytestmark = pytest.mark.faults("C15")


@pytest.mark.parametrize("spoilt", ["no wav", "no span"])
def test_what_cannot_be_covered_stays_closed_and_is_tried_again_after_longer_and_longer_times(
    tmp_path: Path, spoilt: str
) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(b"RIFF" + bytes(500)) if spoilt == "no wav" else wav(path, 1)

    async def run() -> None:
        async with world(tmp_path) as here:
            async with here.store.write() as session:
                spans = {"spans": ["L:0-1" if spoilt == "no wav" else "X"]}
                session.add(artifact("a@1", str(path), state=ArtifactState.TO_REDACT.value, redact=spans))
            now = datetime.now(UTC)
            for attempts in range(1, 7):
                await here.worker.work(now)
                row = await here.row(path)
                assert row and (row.state, row.attempts) == (ArtifactState.TO_REDACT, attempts) and row.problem
                wait = timedelta(seconds=BACK_OFF[min(attempts, len(BACK_OFF)) - 1])
                assert row.next_try == now + wait
                await here.worker.work(now + wait - timedelta(seconds=1))
                assert not await here.opened(path)
                now += wait

    asyncio.run(run())


def test_a_recording_is_closed_while_something_private_may_be_in_it_and_the_rest_is_covered_after_the_call(
    tmp_path: Path,
) -> None:
    path = wav(tmp_path / "x.wav", 1)

    async def run() -> None:
        async with world(tmp_path) as here:
            one = here.artifacts.begin(ArtifactKind.RECORDING, "a@1", str(path))
            assert await here.opened(path), "nothing private was said yet"
            first, second = [Span("L", 0.0, 0.5)], [Span("R", 0.0, 0.5)]
            one.want(first)
            one.want(second)
            assert not await here.opened(path)
            one.covered(second)
            await here.worker.work(later(), again=True)
            assert sides(path)[0] == LOUD * 8000, "a call that goes on is left alone"
            one.end()
            one.covered(first)  # too late: the row says that it is to be done
            assert not await here.opened(path)
            await here.worker.work(later())
            row = await here.row(path)
            assert row and row.state == ArtifactState.REDACTED and await here.opened(path)
            judged = here.artifacts.begin(ArtifactKind.RECORDING, "b@2", str(tmp_path / "y.wav"), redact=True)
            assert not await here.opened(tmp_path / "y.wav"), "of nothing is known whether it is private"
            judged.end()
            assert await here.opened(tmp_path / "y.wav")

    asyncio.run(run())
    assert sides(path) == (TONE * 500 + LOUD * 4000, LOUD * 8000)


def test_one_recording_that_fails_does_not_end_the_redaction_of_the_others(tmp_path: Path) -> None:
    path = str(wav(tmp_path / "x.wav", 1))
    bad, good = Mock(path=path, state=ArtifactState.WRITING), Mock(path=path, state=ArtifactState.WRITING)
    bad.covered.side_effect = OSError("stale")
    done = asyncio.Event()
    good.covered.side_effect = lambda _: done.set()

    async def run() -> None:
        async with AudioRedactor(Watchers(), lambda _: None, lambda _: PrivacyOptions()) as watched:
            for one in (bad, good):
                watched._jobs.put_nowait(audio_redactor._Job(0.0, one, [Span("L", 0.0, 0.5)]))
            async with asyncio.timeout(HANG):
                await done.wait()

    asyncio.run(run())
    assert TONE in sides(Path(path))[0]


def test_what_is_found_at_the_end_of_a_call_is_covered_before_anybody_hears_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The agent says a number, and the call ends before its turn does."""
    path = wav(tmp_path / "x.wav", 20)

    async def run() -> None:
        async with world(tmp_path) as here:
            call_recording = CallRecording(str(path), call="a@1", redact=True, artifacts=here.artifacts)
            session = CallSession(CallInfo("a@1", LOCAL_TRUNK, Identity()), Mock(watchers=here.watchers))
            session.context.call_recording = call_recording
            redactor = AudioRedactor(
                here.watchers, lambda _: RecordedCall("agent", call_recording), lambda _: PrivacyOptions()
            )
            async with redactor:
                await recorded(call_recording)
                await until(lambda: call_recording.began)
                assert call_recording.began
                at = call_recording.began + timedelta(seconds=5)
                here.watchers.tell(CallAnswered("a@1", call_recording.began))
                here.watchers.tell(CallReported("a@1", at, AgentSays("It is 4111 1111 1111 1111.")))
                limits = SimpleNamespace(admit=AsyncMock(side_effect=RuntimeError))
                session.services = SimpleNamespace(limits=limits, tenants=AsyncMock())  # type: ignore[assignment]
                ended = lambda how: here.watchers.tell(CallEnded("a@1", at, how, {}))  # noqa: E731
                monkeypatch.setattr(session, "_end", ended)
                connection = SimpleNamespace(close=AsyncMock())
                await session.accept(connection, Caller("", "", ""))  # type: ignore[arg-type]
            assert not await here.opened(path)
            await here.worker.work(later())
            assert await here.opened(path)

    asyncio.run(run())
    assert TONE in sides(path)[1]


@pytest.mark.parametrize("growing", [False, True], ids=["its call is over", "its call goes on"])
def test_what_the_recorder_has_not_written_yet_does_not_count_as_covered(tmp_path: Path, growing: bool) -> None:
    path = wav(tmp_path / "x.wav", 1)
    beyond = [Span("L", 0.5, 1.5)]
    if not growing:
        os.utime(path)
    with pytest.raises(ValueError, match="still written"):
        redact(str(path), beyond, growing=growing)
    redact(str(path), [Span("R", 0.0, 1.0)], growing=growing)
    os.utime(path, (1e9, 1e9))
    redact(str(path), beyond)
    assert asyncio.run(audio_redactor.cover(str(path), beyond, growing=True)).endswith("still written")
    assert sides(path) == (LOUD * 4000 + TONE * 500, TONE * 1000)


@pytest.mark.parametrize("state", [ArtifactState.TO_DELETE, ArtifactState.TO_REDACT])
@pytest.mark.parametrize("kind", [ArtifactKind.RECORDING, ArtifactKind.AUDIT])
def test_what_another_gateway_has_on_its_disk_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: ArtifactState, kind: ArtifactKind
) -> None:
    """It was off for a month, or a clock was wrong."""
    path = tmp_path / "there.wav"

    async def run() -> None:
        async with world(tmp_path) as here:
            async with here.store.write() as session:
                redacted = {"spans": ["L:0-1"]}
                session.add(artifact("a@1", str(path), kind, state=state.value, redact=redacted, gateway="other"))
            monkeypatch.setattr(hosts, "ours", lambda *_: true())
            monkeypatch.setattr(here.store, "options", replace(here.store.options, url="postgresql://x"))
            await here.worker.work(datetime.now(UTC), again=True)
            row = await here.row(path)
            assert row and (row.state, row.redact, row.attempts, row.problem) == (state, redacted, 0, "")
            assert row.next_try and row.next_try > datetime.now(UTC), "it is not looked for every few seconds"

    asyncio.run(run())


def test_what_a_wrong_clock_put_off_for_years_is_due(tmp_path: Path) -> None:
    path = wav(tmp_path / "x.wav", 1)

    async def run() -> None:
        async with world(tmp_path) as here:
            now = datetime.now(UTC)
            async with here.store.write() as session:
                spans, late = {"spans": ["L:0-1"]}, now + timedelta(days=900)
                session.add(artifact("a", str(path), state=ArtifactState.TO_REDACT.value, redact=spans, next_try=late))
            await here.worker.work(now)
            assert await here.opened(path)

    asyncio.run(run())
