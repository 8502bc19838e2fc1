"""Replays a bundle: feeds its packets and the answers of its providers to the present code, on a virtual clock."""

import asyncio
import contextvars
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from agent.active_agent import CascadeRole
from agent.call_control import CallControl
from agent.conversation import Conversation
from agent.errors import first
from agent.records import Outcome, Report
from media.process import channel as media
from sipgw.agents.providers import Providers, assembled
from sipgw.calls.amd import AmdSetup, AmdTalk, follow, tell_screen
from sipgw.calls.machine_detection import AnsweredParty
from sipgw.calls.phone_line import PhoneLine
from sipgw.calls.screen_classifier import installed, is_screen
from sipgw.calls.talk import NOT_HUMAN, Talk
from sipgw.records.bundles.bundle import Bundle, privacy_of
from sipgw.records.bundles.call_result import CallResult
from sipgw.records.bundles.conversation_setup import seen_transfer
from sipgw.records.bundles.recorder import RECORDER, BundleRecorder, Frame
from sipgw.records.privacy.redaction import in_json, redactor_for
from sipgw.sip.offer_answer import NotAcceptable
from sipgw.tools.replay.clock import VirtualLoop, until
from sipgw.tools.replay.media_harness import MediaHarness
from sipgw.tools.replay.script import ReplayedLlm, ReplayedStt, ReplayedTts, ReplayScript
from sipgw.tools.replay.signalling import Descriptions
from sipgw.tools.replay.stubs import tools_of, transfer_of

LONGER = 20.0
"""Seconds for which a call may go on beyond its recorded end."""
SIGNALS, STEPS = ("exchange", "key", "end"), ("step_aside", "step_back")
FROM_OUTSIDE = ("gateway_stopped", "ended_here", "cancelled", "over_budget")
"""Endings whose cause is not in the bundle. Such a call ends at the recorded time with the recorded ending."""


@dataclass(frozen=True)
class Replayed:
    """The result of a call with the present code."""

    story: CallResult
    frames: list[Frame]
    left: str
    """The place where the code departed from the recording, or failed, in words; empty if it did neither."""
    seconds: float
    """Length of the replayed call in seconds."""
    took: float
    """Real seconds that the replay took."""

    @property
    def speed(self) -> float:
        """How many times faster than the call the replay was."""
        return self.seconds / self.took if self.took else 0.0


def replay(bundle: Bundle) -> Replayed:
    """Replay the call of `bundle` with the present code. An error of the code is in `Replayed.left`."""
    began = time.perf_counter()
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        replay_run = runner.run(_play(bundle))
    frames = replay_run.recorder.frames
    seconds = frames[-1]["t"] if frames else 0.0
    return Replayed(CallResult.of(frames), frames, replay_run.left, seconds, time.perf_counter() - began)


async def _play(bundle: Bundle) -> "ReplayRun":
    replay_run = ReplayRun(bundle)
    try:
        await replay_run.run()
    except Exception as error:  # noqa: BLE001  the call boundary: the gateway would have ended the call
        replay_run.left = f"{replay_run.recorder.now:.1f} s: {_failure(error)}"
    return replay_run


def _failure(error: BaseException) -> str:
    error = first(error)
    return f"the code failed: {type(error).__name__}: {error}"


class ReplayRun:
    """The replay of one call."""

    def __init__(self, bundle: Bundle) -> None:
        self.recorder = BundleRecorder()
        self.left = ""
        self._bundle = bundle
        self._ours = _own(bundle.frames)
        privacy = privacy_of(bundle.about)
        self._script = ReplayScript(
            bundle.frames, bundle.sound, partial(in_json, redact=redactor_for(privacy, "exports"))
        )
        self._descriptions = Descriptions(bundle.sip)
        self._line = PhoneLine(inband_keys=any(one.get("format", {}).get("inband_keys") for one in self._ours))
        self._booth = MediaHarness(bundle.packets, self.recorder.zero, self._on_media)
        self._line.attach(self._booth.channel)
        self._amd: AmdTalk | None = None
        self._control: CallControl | None = None
        self._gone: Frame | None = None

    async def run(self) -> None:
        """Play the call from its beginning to its end."""
        self._booth.start(contextvars.copy_context())  # an event of the media process is no signalling
        RECORDER.set(self.recorder)
        talk = self._talk()
        async with asyncio.TaskGroup() as group:
            signalling, talking = group.create_task(self._signal()), group.create_task(self._hold(talk))
            await asyncio.wait(_all(talking, self._script.left), return_when=asyncio.FIRST_COMPLETED)
            if self._script.left.done() and not talking.done():
                self.left = f"{self.recorder.now:.1f} s: {self._script.left.result()}"
            signalling.cancel()
            talking.cancel()
        self._booth.stop()

    async def _hold(self, talk: Talk) -> None:
        """Run the conversation from the answer to the end of the call."""
        frames = self._bundle.frames
        ended = next((one for one in frames if one["of"] == "ended"), {"t": frames[-1]["t"], "kind": ""})
        fixed = ended["kind"] in FROM_OUTSIDE
        kind = ended["kind"] if fixed else "goes on"
        try:
            async with asyncio.timeout_at(self.recorder.zero + ended["t"] + (0.0 if fixed else LONGER)):
                await until(self.recorder.zero + next((one["t"] for one in self._ours), 0.0))
                await talk.open()
                answered = next((one["t"] for one in frames if one["of"] == "answered"), 0.0)
                await until(self.recorder.zero + answered)
                self.recorder.note("answered")
                kind = self._ending(await talk.run())
        except TimeoutError:
            pass
        self.recorder.note("ended", kind=kind)

    def _ending(self, outcome: Outcome) -> str:
        """The name of the call's ending, as in `sipgw.calls.session.CallSession`."""
        transfers = [
            frame["connected"] for frame in self.recorder.frames if frame["of"] == "transfer" and frame["do"] == "ended"
        ]
        if transfers and transfers[-1]:
            return "transferred"
        kind = outcome.kind
        if self._gone and kind not in NOT_HUMAN:
            kind = "line_lost" if _lost(self._gone) else "caller_hung_up"
        if kind == "caller_hung_up" and self._bundle.about["direction"] == "out":
            return "callee_hung_up"
        return "transfer_failed" if transfers and kind == "failed" else kind

    async def _signal(self) -> None:
        """Give the line the recorded events of the signalling, at their recorded times."""
        for frame in self._ours:
            await until(self.recorder.zero + frame["t"])
            self._tell(frame)

    def _tell(self, frame: Frame) -> None:
        match frame["do"]:
            case "exchange":
                self._exchange(frame)
            case "key":
                self._line.press(frame["key"], "info", self.recorder.zero + frame["t"])
            case "step_aside":
                self._line.suspend_agent()
            case "step_back":
                self._line.resume_agent()
            case "end":
                self._gone = frame
                self._line.end(frame["cause"], lost=_lost(frame))

    def _exchange(self, frame: Frame) -> None:
        try:
            self._line.exchange(self._descriptions.agreed(frame))
        except NotAcceptable as error:
            self._script.leave(f"what was agreed on cannot be used: {error}")

    def _talk(self) -> Talk:
        setting, script, providers = self._bundle.setting, self._script, self._providers()
        tools, languages = tools_of(setting.tools, script), setting.languages
        role = CascadeRole(
            persona=setting.persona, llm=providers.llm, tts=providers.tts, tools=tools, languages=languages
        )
        conversation = Conversation(
            self._line,
            providers.stt(),
            role,
            options=replace(setting.turns, model=""),  # it answers when it does
            ivr=setting.ivr,
            transfer=seen_transfer(transfer_of(script, self._tell)) if setting.can_transfer else None,
            people=setting.people,
            observer=self._report,
            call=self._bundle.about["call"],
        )
        if setting.voicemail is None:
            return conversation
        self._control = conversation.call_control
        screening = AmdSetup(
            self._line,
            lambda: providers.tts(""),
            setting.voicemail,
            self._report,
            self._answered_by,
            languages[0],
            partial(tell_screen, self._control),
            setting.screening,
            menus=setting.ivr is not None,
            resembles=_resembles if installed() else None,
            known=is_screen,
            heard=lambda: conversation.call_control.is_heard,
        )
        self._amd = AmdTalk(conversation, screening)
        return self._amd

    def _providers(self) -> Providers:
        script, parts = self._script, self._bundle.about["parts"]

        def made(part: str, make: Callable[[ReplayScript, str], Any]) -> list[Callable[[], Any]]:
            names = script.names(part)
            names += [f"another {part}"] * (parts[part] - len(names))
            return [partial(make, script, name) for name in names]

        llms = [make() for make in made("llm", ReplayedLlm)]
        return assembled(
            made("stt", ReplayedStt),
            llms,
            made("tts", ReplayedTts),
            self._bundle.setting.failover,
            again=script.again("stt"),
        )

    def _on_media(self, event: media.MediaEvent) -> None:
        if isinstance(event, media.Frames) and self._amd is not None:
            self._amd.hear(event.ulaw)
        if not isinstance(event, media.Quality):
            self._line.on_media(event)

    def _report(self, report: Report) -> None:
        self.recorder.report(report)
        if self._amd is not None:
            self._amd.understand(report)

    def _answered_by(self, who: AnsweredParty, why: str) -> None:
        self.recorder.note("answered_by", who=who.value, why=why)
        if self._control is not None:
            follow(self._control, who)


async def _resembles(text: str, final: bool) -> bool | None:
    """See `sipgw.calls.screen_classifier.resembles_screen`; the clock waits for it here."""
    return is_screen(text, final)


def _own(frames: Iterable[Frame]) -> list[Frame]:
    """The commands of the caller's line. Those of a colleague's line, which has another channel, and of transfers,
    which have a stub, are left out."""
    found: list[Frame] = []
    connecting = False
    for frame in frames:
        if frame["of"] == "transfer":
            connecting = frame["do"] == "asked"
        elif frame["of"] == "line" and frame["channel"] == (found or [frame])[0]["channel"]:
            found += [frame] if frame["do"] in SIGNALS or (frame["do"] in STEPS and not connecting) else []
    return found


def _lost(end: Frame) -> bool:
    """Whether the line was lost, so that nobody hung up. Bundles of the first releases report a lost line as hung
    up."""
    return bool(end.get("lost"))


def _all(*futures: asyncio.Future[Any]) -> list[asyncio.Future[Any]]:
    return list(futures)
