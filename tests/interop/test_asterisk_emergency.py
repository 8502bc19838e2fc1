"""A caller behind Asterisk asks for 112: they hear the sentence of the owner, and no call goes there by any way."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.stock import STOCK
from sipgw.config.agent import LanguageOptions, Sentence
from sipgw.config.config import GatewayConfig
from sipgw.config.people import PersonOptions
from tests.fakes.assemblyai import Said
from tests.fakes.openai import Reply
from tests.interop.office import Office, office
from tests.waiting import HANG

pytestmark = [pytest.mark.slow, pytest.mark.programs("asterisk")]

OWN = "Nobody here can call for help. Please hang up, and dial {{emergency_number}} now."
NOBODY = "The guard does not answer."


def changed(config: GatewayConfig, sentence: str) -> GatewayConfig:
    """An owner with a `sentence` for emergencies, and a guard whose telephone sends all calls on to 112."""
    said: dict[Sentence, str] = {"emergency": sentence} if sentence else {}
    guard = PersonOptions("guard", "655", trunk="asterisk")
    return replace(
        config, languages=(LanguageOptions("en", sentences=said),), people=(guard,),
        gate=replace(config.gate, extensions=("1??", "6??", "7??")),
    )  # fmt: skip


def helper(request: dict[str, Any]) -> Reply:
    """A model that does what it is asked, and says what the tool `emergency` returns."""
    last = request["messages"][-1]
    if last["role"] == "tool" and "say" in last["content"]:
        return Reply(text=[json.loads(last["content"])["say"]])
    if last["role"] == "user" and "112" in last["content"]:
        return Reply(calls=[("c1", "emergency", "{}")])
    if last["role"] == "user" and "guard" in last["content"]:
        return Reply(calls=[("c2", "transfer_to_human", '{"to": "guard", "reason": "a fire"}')])
    return Reply(text=[NOBODY])


async def tells(company: Office, text: str) -> None:
    """The caller says this: the recogniser hears it next."""
    heard = len(company.world.stt.sessions[-1].audio) // 8
    company.world.stt.script.append(Said(text, heard + 200, heard + 1200))


async def becomes(true: Any) -> None:
    async with asyncio.timeout(HANG):
        while not await true():
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("sentence", [OWN, ""], ids=["the owner's sentence", "the sentence of the project"])
def test_who_asks_for_112_hears_the_sentence_and_no_call_goes_there(tmp_path: Path, sentence: str) -> None:
    """Neither the agent by the guard whose calls the PBX sends on to 112 (302), nor an operator can call it."""
    told = (sentence or STOCK["en"]["emergency"]).replace("{{emergency_number}}", "1 1 2")

    async def scenario() -> None:
        async with office(tmp_path, change=lambda config: changed(config, sentence), country="DE") as company:
            company.world.llm.script = helper
            call = await company.desks.call("201", "700")
            session = await company.session("201")
            await company.hears(session, "201")

            async def said() -> bool:
                texts = company.world.tts.texts
                return told in " ".join(texts) and all(call.sound.has(one) for one in texts if one in told)

            await tells(company, "Please call 112, it burns here!")
            await becomes(said)
            await tells(company, "Then connect me with the guard.")

            async def failed() -> bool:
                return session.transfers.outcome is not None

            await becomes(failed)
            assert session.transfers.outcome is not None and not session.transfers.outcome.accepted
            assert (await company.originate("112").ended()).kind == "not_permitted"
            call.leg.hangup()
            record = await company.record(session.info.id)
            lines = [json.loads(line) for file in audits(company) for line in file.read_text().splitlines()]
            refused = [(one["number"], one["rule"]) for one in lines if not one["permitted"]]
            assert refused == [("112", "emergency")] * 2, lines
            used = [run["name"] for turn in record["turns"] for run in turn["tools"]]
            assert used == ["emergency", "transfer_to_human"], used
            assert "Executing [655@" in company.pbx.log, "the guard was called"
            assert "Executing [112@" not in company.pbx.log

    asyncio.run(scenario())


def audits(company: Office) -> list[Path]:
    return sorted(Path(company.world.gateway.config.audit_folder).glob("gate-*.jsonl"))
