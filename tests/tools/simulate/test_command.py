"""A simulation over real SIP and RTP, the network in between, and the command."""

import asyncio
import json
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sipgw.cli.main import app
from sipgw.config.config import GatewayConfig
from sipgw.config.people import PersonOptions
from sipgw.tools.caller import Call
from sipgw.tools.evaluation.conversation import ConversationLog, unexpected
from sipgw.tools.evaluation.eval_set import CallOptions, EvalSet
from sipgw.tools.simulate import command
from sipgw.tools.simulate.relay import NetworkRelay
from sipgw.tools.simulate.run import simulate
from sipgw.tools.simulate.scenario import NetworkOptions, ProviderFaults, Scenario, Step
from sipgw.tools.simulate.verdict import CallVerdict, TurnVerdict
from sipgw.tools.trial import EMBEDDED
from tests.cloud import cloud
from tests.fakes.assemblyai import Said
from tests.fakes.openai import Reply
from tests.tools.doctor.broken import on_loop
from tests.waiting import HANG

runner = CliRunner()
VERDICT = CallVerdict(0.1, 0.2, (), (), 0, 100, 0, "BYE")


@pytest.fixture(autouse=True)
def patient_with_the_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sipgw.tools.simulate.run.OVER", HANG)


class Box(asyncio.DatagramProtocol):
    """Remembers what came from where."""

    def __init__(self) -> None:
        self.came: list[tuple[bytes, int]] = []
        self.arrived = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.place = transport.get_extra_info("sockname")

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.came.append((data, addr[1]))
        self.arrived.set()

    async def next(self) -> tuple[bytes, int]:
        async with asyncio.timeout(HANG):
            await self.arrived.wait()
        self.arrived.clear()
        return self.came[-1]


async def box() -> Box:
    _, protocol = await asyncio.get_running_loop().create_datagram_endpoint(Box, ("127.0.0.1", 0))
    return protocol


@on_loop
async def test_a_nat_that_forgets_the_way_takes_another_port_and_loses_what_is_sent_to_the_old_one() -> None:
    async with NetworkRelay(NetworkOptions(rebind=3600), 1) as relay:
        caller, far = await box(), await box()
        offered = await relay.between(caller.place[1])
        onward = relay.onward(far.place)
        caller.transport.sendto(b"one", onward)
        assert await far.next() == (b"one", offered)
        far.transport.sendto(b"back", ("127.0.0.1", offered))
        assert (await caller.next())[0] == b"back"
        relay._rebind()
        caller.transport.sendto(b"two", onward)
        data, port = await far.next()
        assert data == b"two"
        assert port != offered
        far.transport.sendto(b"lost", ("127.0.0.1", offered))
        far.transport.sendto(b"found", ("127.0.0.1", port))
        assert (await caller.next())[0] == b"found"
        assert b"lost" not in [data for data, _ in caller.came]
        for one in (caller, far):
            one.transport.close()


@pytest.mark.slow
@on_loop
async def test_a_call_over_a_bad_network(tmp_path: Path) -> None:
    """The gateway hears and speaks through the strict fakes; the caller and the network are the simulator's."""
    steps = (Step(wav="ask_order.wav"), Step(hang_up=True))
    scenario = Scenario(steps, limit=HANG, network=NetworkOptions(loss=0.1, jitter=0.01))
    said = [Said("Where is my order?", 1000, 3000)]
    async with cloud(tmp_path, said, [Reply(text=["It is on its way."])]) as world:
        verdict, call = await simulate(scenario, tmp_path, lambda who, what: None, target=world.target)
    assert verdict.left == 0
    assert verdict.broken == []
    assert verdict.turns[0].did == "said 'ask_order.wav'"
    assert verdict.lost > 0
    assert verdict.received > 20
    assert call.ending == "the caller hung up"


@pytest.mark.slow
@on_loop
async def test_a_caller_that_the_agent_hands_over_is_asked_to_call_somebody_else(tmp_path: Path) -> None:
    person = PersonOptions("billing", "+14155550124", hours=("sat 00:00-00:01",))
    config = GatewayConfig(agent=EMBEDDED, people=(person,))
    scenario = Scenario((Step(say="May I speak to a human, please?"), Step(silent=30.0)), limit=HANG)
    told = ConversationLog()
    _, call = await simulate(scenario, tmp_path, lambda who, what: None, config=config, watch=told.watch)
    assert told.handed_over, told.conversation
    assert call.ending == "the caller was handed over"
    wanted = CallOptions("x", handed_over=True)
    assert not unexpected(wanted, told, replace(VERDICT, turns=()), EvalSet(calls=(wanted,)))


def test_ours_asks_nothing_that_only_the_gateway_knows_of_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    played: list[Scenario] = []

    async def play(scenario: Scenario, *rest: Any, **named: Any) -> tuple[CallVerdict, Call]:
        played.append(scenario)
        return VERDICT, Call()

    monkeypatch.setattr(command, "simulate", play)
    assert runner.invoke(app, ["simulate", "--target", "sip:x@127.0.0.1"]).exit_code == 0
    assert runner.invoke(app, ["simulate"]).exit_code == 0
    assert ([bool(one.inside) for one in played], len(played[0].steps)) == ([False, True], len(played[1].steps))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere.toml"], "cannot read nowhere.toml"),
        (["-c", "nowhere.toml"], "cannot read nowhere.toml"),
        (["--loss", "much"], "no part like 3%"),
        (["--jitter", "2 fortnights"], "no duration like 40ms"),
        (["--provider-down", "cat"], "stt, llm or tts"),
        (["--loss", "100%"], "loss: must be from 0 to less than 1"),
        (["--target", "sip:x@127.0.0.1", "--llm-slow", "1s"], "leave --target out"),
        (
            ["inside.toml", "--target", "sip:x@127.0.0.1"],
            "hears, heard, ending: only of a gateway that is started here",
        ),
        (["-c", "realtime.toml", "--llm-slow", "1s"], "[agent] realtime takes the place of stt, llm and tts"),
        (["--target", "mailto:x"], "mailto:x is not a SIP address"),
        (["--wav", "nowhere/x.wav"], "nowhere/x.wav cannot be written"),
    ],
)
def test_bad_input_has_exit_status_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("inside.toml").write_text('ending = "silence"\n[[steps]]\npress = "1"\nhears = "hello"\nheard = ["yes"]\n')
    Path("realtime.toml").write_text('[agent]\nrealtime = "openai"\n')
    ran = runner.invoke(app, ["simulate", *arguments])
    assert ran.exit_code == 2, ran.output
    assert says in " ".join(ran.output.split()).replace("│ ", "")


def test_every_flag_says_what_goes_wrong_and_what_the_caller_heard_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    played: list[Scenario] = []

    async def play(scenario: Scenario, *rest: Any, **named: Any) -> tuple[CallVerdict, Call]:
        played.append(scenario)
        turns = (
            TurnVerdict("said 'hi'", 3.5, 1.2, 0.15, ""),
            TurnVerdict("pressed 1", 8.0, None, None, "no answer came"),
        )
        return CallVerdict(0.1, 0.2, turns, ((7.0, 0.9),), 3, 97, 0, "nobody spoke"), Call()

    monkeypatch.setattr(command, "simulate", play)
    network = "--loss 3% --burst 4 --jitter 40ms --reorder 1% --delay 0.1 --nat-rebind 15s"
    faults = "--stt-stall 2s --llm-slow 3s --tts-drop 30% --provider-down tts --seed 5"
    ran = runner.invoke(app, ["simulate", *network.split(), *faults.split()])
    assert ran.exit_code == 1
    for told in (
        "set up in 100 ms, greeted 200 ms after the answer",
        "said 'hi': answered after 1200 ms, agent silent after 150 ms",
        "pressed 1: no answer\n",
        "broken: pressed 1: no answer came",
        "gaps in replies: 900 ms at 7.0 s",
        "97 received, 3 lost or late of 100",
        "1 broken",
    ):
        assert told in ran.output
    assert played[0].network == NetworkOptions(0.03, 4, 0.04, 0.01, 0.1, 15)
    assert played[0].providers == ProviderFaults(stt_stall=2, llm_slow=3, tts_drop=0.3, down="tts")
    assert played[0].seed == 5


def test_a_host_that_does_not_answer_is_one_line_and_status_2(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        target = f"sip:agent@127.0.0.1:{port};transport=tcp"
        (tmp_path / "x.toml").write_text('[[steps]]\npress = "1"\n')
        ran = runner.invoke(app, ["simulate", str(tmp_path / "x.toml"), "--target", target, "--json"])
    assert ran.exit_code == 2
    assert len(ran.output.strip().splitlines()) == 1
    assert target in ran.output
    with pytest.raises(json.JSONDecodeError):
        json.loads(ran.output)
