"""A gateway with something to look at: calls that go on, calls that are over, a trunk that has turned somebody away."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from agent.records import ProviderFailed, Times, Turn, TurnEnded
from agent.turn_taking.table import State
from sipgw.config.agent_files import load_agents
from sipgw.config.config import load
from sipgw.config.records import StoreOptions
from sipgw.events import CallBegan, CallReported
from sipgw.outbound.jobs import Jobs
from sipgw.outbound.tables import Campaign, Job
from sipgw.policy.cost.cost import Cost
from sipgw.policy.inbound.refusals import RefusalEntry
from sipgw.records.artifacts.artifact import Artifacts
from sipgw.records.store.store import Store
from sipgw.records.store.tables import CallRecord, ReportRecord
from sipgw.trunks.call_alarms import BadCalls
from sipgw.trunks.watch import TrunkStatus
from sipgw.web.server import Dashboard
from tests.cdr_events import artifact
from tests.web.gateway_view import FakeGatewayView, Talking, live_call
from tests.web.sample_calls import SILENT, SLOW, play
from tests.web.sample_days import add_days

TOML = """
[agent]
business = "Harbour Books"
greeting = "Harbour Books, good morning. How can I help?"
stt = "assemblyai"
stt_backup = ["deepgram"]
[assemblyai]
api_key = "${ASSEMBLYAI_API_KEY}"
[[trunks]]
name = "telnyx"
mode = "register"
registrar = "sip.telnyx.com"
user = "harbour"
password = "${TRUNK_PASSWORD}"
[[trunks]]
name = "office"
mode = "peer"
networks = ["10.0.0.0/8"]
transfer_to = "sip:reception@10.0.0.5"
"""
KEYS = {
    "ASSEMBLYAI_API_KEY": "aai-secret", "DEEPGRAM_API_KEY": "dg-secret", "TRUNK_PASSWORD": "trunk-secret",
    "OPENAI_API_KEY": "oai-secret", "ELEVENLABS_API_KEY": "el-secret",
}  # fmt: skip
SOUND = (BadCalls("one_way", 12, 50, True), BadCalls("foreign", 2, 50, False), BadCalls("quality", 0, 50, False))
SCRIPT = '<img src=x onerror=alert(1)><script>alert("x")</script>'
HOUSE = [
    ("+15550100", "agent", State.SPEAKING, 4.4), ("+15550142", "repairs", State.LISTENING, 4.3),
    ("+442079460018", "agent", State.HEARING, 3.9), ("withheld", "agent", State.THINKING, 4.2),
    ("+15550177", "repairs", State.DECIDING, 2.8),
]  # fmt: skip
ENDINGS = [
    ("caller_hung_up", "the caller hung up"), ("agent_hung_up", "the conversation was over"),
    ("transferred", "to sip:reception@10.0.0.5: 200 OK"), ("silence", "the caller said nothing"),
    ("refused", "they offered only G.729; ask the carrier to enable PCMU"),
    ("failed", "tts failed: ElevenLabs: no sound for 2.5 s"),
]  # fmt: skip


DECISIONS = [
    {"at": f"2026-11-20T{hour}:12:00+00:00", "number": number, "permitted": not reason, "agent": "agent",
     "reason": reason or "every rule lets it be called"}
    for hour, number, reason in (
        ("09", "+15550100", ""), ("10", "+442079460018", "it is 21:10 in Europe/London, outside 09:00 to 20:00"),
        ("11", "+15550177", "+15550177 is on our own do-not-call list; sipgw dnc remove takes it off"),
    )
]  # fmt: skip


class Bought(NamedTuple):
    """The bill of a call that goes on."""

    total: float

    def cost(self, at: datetime) -> Cost:
        return Cost(self.total, {})


class Busy(FakeGatewayView):
    """Two trunks, one of which has failed to register."""

    def status(self) -> list[TrunkStatus]:
        return [
            TrunkStatus("telnyx", "failed", "403 Forbidden: wrong password?", "down", "no answer in 32 s", 0),
            TrunkStatus("office", "", "", "up", "", len(self.calls), SOUND),
        ]


def reports(now: datetime, instead: str) -> list[ReportRecord]:
    """A report that is filled in, perhaps with something else `instead` of its words, and one that is not made."""
    heard = {"value": True, "turn": 0, "quote": instead or "out for delivery", "by": "agent"}
    content = {
        "summary": instead or "The caller asked where order 7346 is, and was told that it comes today.",
        "outcome": None, "achieved": heard, "unproven": ["outcome"],
        "fields": {"order_number": heard | {"value": instead or "7346"}, "reason": None},
    }  # fmt: skip
    capped = "the call has cost 0.51 of 0.50 ([cost] per_call)"
    return [
        ReportRecord(call=SLOW, state="filled", at=now, content=content),
        ReportRecord(call=SILENT, state="not made", at=now, problem=instead or capped),
    ]


async def fill(gateway: FakeGatewayView, folder: Path, *, hostile: bool = False, huge: bool = False) -> None:
    now, past = datetime.now(UTC), 2000 if huge else 60
    play(gateway, folder, SCRIPT if hostile else "word " * 2000 if huge else "", 300 if huge else 1)
    async with gateway.store.write() as session:
        session.add(artifact(SLOW, str(folder / "slow.wav")))
        session.add_all(reports(now, SCRIPT if hostile else "word" * 100 if huge else ""))
    for number, (caller, agent, state, mos) in enumerate(HOUSE * (100 if huge else 1)):
        played = gateway.evidence.sip.latest(f"call-{number}")
        began = played.at if played else now - timedelta(seconds=40 + 97 * number)
        gateway.begin(
            live_call(
                number, SCRIPT if hostile else caller, agent=agent, began=began, answered=began, mos=mos,
                conversation=Talking(state), bill=Bought(0.0173 * (1 + number % 7)),
            )
        )  # fmt: skip
    records = []
    for number in range(past):
        ending, cause = ENDINGS[number % len(ENDINGS)]
        began = datetime(2026, 11, 20, 16, 0, tzinfo=UTC) - timedelta(minutes=7 * number)
        values: dict[str, Any] = {
            "id": f"past-{number}@10.0.0.5", "trunk": "office", "agent": ("agent", "repairs")[number % 2],
            "direction": "out" if number % 5 == 4 else "in", "caller": HOUSE[number % 3][0], "called": "+15550199",
            "began": began, "answered": began, "ended": began + timedelta(seconds=35 + 13 * (number % 11)),
            "ending": ending, "cause": SCRIPT if hostile else cause, "media": {"mos": 4.4 - number % 4 / 10},
            "identity": None, "cost": 0.0131 + number / 1000,
        }  # fmt: skip
        records.append(CallRecord(**values))
    async with gateway.store.write() as session:
        session.add_all(records)
    await add_days(gateway.store, SCRIPT if hostile else "")
    about = {"topic": SCRIPT if hostile else "the blue coat"}
    due = datetime(2026, 11, 22, 10, 0, tzinfo=UTC).timestamp()
    job = Job(campaign="", key="k", number="+15550123", agent="agent", due=due, variables=about, call="past-1")
    await Jobs(gateway.store, "").add(job)
    await _campaign(gateway.store, SCRIPT if hostile else "busy: 486 Busy Here", huge=past > 60)
    _turns(gateway, SCRIPT if hostile else "ElevenLabs: no sound for 2.5 s")
    refusals, at = gateway.admission.refusals, asyncio.get_running_loop().time()
    refusals.note("office", RefusalEntry(at - 300, "10.0.0.7", "INVITE", 503, "the trunk has 30 calls, its max_calls"))
    for last in (66, 67, 91):
        refusals.note("", RefusalEntry(at - last, f"203.0.113.{last}", "INVITE", 0, ""))


async def _campaign(store: Store, reason: str, *, huge: bool) -> None:
    """Winter appointments: some are over."""
    states = ["done"] * 31 + ["failed"] * 4 + ["dialling"] * 2 + ["planned"] * 83
    jobs = [
        Job(
            campaign="winter appointments" if not huge else f"{'winter' * 9} {line % 3}", key=f"{line}", line=line + 2,
            number=f"+1555{line:07}", agent="agent", due=0.0, state=state, attempts=3 * (state == "failed"),
            reason=reason if state == "failed" else "",
        )
        for line, state in enumerate(states * (40 if huge else 1))
    ]  # fmt: skip
    async with store.write() as session:
        session.add_all(jobs)
        session.add_all([Campaign(name=name) for name in {job.campaign for job in jobs}])


def _turns(gateway: FakeGatewayView, cause: str) -> None:
    at = datetime.now(UTC)
    gateway.watchers.tell(CallBegan("c", at, "in", "office", "agent", "+1", "+2", {}))
    for number in range(200):
        times = Times(0.0, 0.21 + number / 2000, 0.5 + number / 900, 0.6 + number / 900, 0.75 + number / 800,
                      0.77 + number / 800)  # fmt: skip
        gateway.watchers.tell(CallReported("c", at, TurnEnded(Turn(times=times))))
    gateway.watchers.tell(CallReported("c", at - timedelta(minutes=12), ProviderFailed("tts", cause)))


@contextlib.asynccontextmanager
async def served(
    folder: Path, *, busy: bool = True, hostile: bool = False, huge: bool = False, more: str = "", port: int = 0
) -> AsyncIterator[tuple[FakeGatewayView, str]]:
    """A dashboard on a port of its own; yields the house and the address."""
    file = folder / "sipgw.toml"
    file.write_text(f'{TOML}[gate]\naudit = "{folder}"\n[web]\nport = {port}\n{more}')
    config = load(file, KEYS)
    (folder / "gate-2026-11.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in DECISIONS if busy))
    async with Store(StoreOptions(str(folder / "scene.db"))) as store:
        gateway = Busy(config, store, others=load_agents(folder / "agents", config, KEYS))
        async with (
            gateway.evidence.timelines.kept_in(folder / "calls", Artifacts()),
            Dashboard(gateway, config.web, prompts=gateway.files(file, KEYS)) as dashboard,  # type: ignore[arg-type]
        ):
            if busy:
                await fill(gateway, folder, hostile=hostile, huge=huge)
            yield gateway, dashboard.url.rstrip("/")
