"""The page of prompts: drafts, what they change, a comparison by ``sipgw eval``, publishing and going back."""

import difflib
import hashlib
from collections.abc import Sequence
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from sipgw.agents.agents import AgentDefinition
from sipgw.agents.prompt_files import PromptChangedError, PromptFiles
from sipgw.config.agent_files import DEFAULT
from sipgw.config.errors import ConfigError, OperatorError
from sipgw.config.masking import inside
from sipgw.config.prompt_text import LONGEST, checked
from sipgw.records.store.prompts import FROM_FILE, Prompts, PromptVersion
from sipgw.web.comparisons import Comparison, ComparisonRefusedError
from sipgw.web.principal import AdminRole
from sipgw.web.state import READING, App, Here, note, page

router = APIRouter()

CONTEXT = 3
"""Unchanged lines around a change."""
IN_USE = "in-use"
"""The name of the prompt in use in a comparison."""


class NewVersion(BaseModel):
    """A request to keep a draft."""

    text: str = Field(max_length=2 * LONGEST)
    latest: int = 0
    """The number of the latest version when the text was opened; 0: there was none."""


class Publish(BaseModel):
    """A request to publish a version in place of the prompt that the page has shown."""

    seen: str = Field(max_length=64)


class DiffLine(NamedTuple):
    """A line of a difference."""

    kind: str
    """``gone``, ``come``, ``same`` or ``place``."""
    text: str


def _files(app: Here) -> PromptFiles:
    if app.prompts.files is None:
        raise HTTPException(409, "this gateway was started without files of agents")
    return app.prompts.files


Files = Annotated[PromptFiles, Depends(_files)]


@router.get("/prompts")
async def prompts(
    request: Request, app: Here, _who: AdminRole, agent: str = DEFAULT, version: int = 0, against: int = 0,
    meanwhile: bool = False,
) -> Response:  # fmt: skip
    """The page of the prompt of `agent`: a version or the latest one, and the differences from another version.
    `meanwhile`: another person has saved this other version in the meantime."""
    brain = bool(_agent(app, agent).config.agent.brain)
    kept = Prompts(app.gateway.store)
    versions = await kept.versions(agent)
    shown = await _version(kept, agent, version) if version else next(iter(versions), None)
    other = await _version(kept, agent, against) if against else None
    files = app.prompts.files
    written, problem = None, "" if files else "This gateway was started without files; nothing can be published."
    try:
        written = await files.read(agent) if files else None
    except OperatorError as error:
        problem = str(error)
    running = _running(app, agent)
    differs = await READING.run(_difference, other.text if other else running, shown.text) if shown else []
    return page(
        request, "prompts.html", title="Prompts", agent=agent, agents=sorted(app.gateway.agents.all), shown=shown,
        versions=versions, running=running, seen=_digest(written), problem=problem, against=other, difference=differs,
        stale=not problem and written is not None and written.strip() != running, brain=brain,
        longest=LONGEST, meanwhile=meanwhile and other, compared=_of_version(app.prompts.comparisons.latest(agent)),
    )  # fmt: skip


@router.post("/api/prompts/{agent}/versions", status_code=201)
async def add(request: Request, app: Here, who: AdminRole, agent: str, wanted: NewVersion) -> dict[str, int]:
    """Keep a draft. No call gets it before it is published. If another draft was saved while this one was written, both
    are kept; ``meanwhile`` is the number of the other draft, or 0."""
    text, kept = _usable(app, agent, wanted.text), Prompts(app.gateway.store)
    before = next(iter(await kept.versions(agent)), None)
    await _keep(kept, agent, _running(app, agent))
    number = await kept.add(agent, text, who.name)
    await note(request, "saved a prompt", agent, f"version {number}")
    return {"version": number, "meanwhile": before.id if before and wanted.latest < before.id != number else 0}


@router.post("/api/prompts/{agent}/versions/{version}/publish")
async def publish(
    request: Request, app: Here, files: Files, who: AdminRole, agent: str, version: int, wanted: Publish
) -> dict[str, int]:  # fmt: skip
    """Use a version in all calls from now on, by writing it into the agent's file."""
    kept = Prompts(app.gateway.store)
    text = _usable(app, agent, (await _version(kept, agent, version)).text)
    try:
        before = await files.read(agent)
        if _digest(before) != wanted.seen:
            raise PromptChangedError("the file was changed meanwhile; load the page again and compare")
        await _keep(kept, agent, (before or "").strip())
        await files.publish(agent, text, before)
    except OperatorError as error:
        raise HTTPException(409, str(error)) from None
    await kept.published(version, who.name)
    await note(request, "published a prompt", agent, f"version {version}")
    return {"version": version}


@router.post("/api/prompts/{agent}/versions/{version}/comparison", status_code=202)
async def compare(
    request: Request, app: Here, files: Files, who: AdminRole, agent: str, version: int
) -> dict[str, str]:  # fmt: skip
    """Begin to compare a version with the prompt in use."""
    text = _usable(app, agent, (await _version(Prompts(app.gateway.store), agent, version)).text)
    running = _agent(app, agent).config.agent.prompt
    try:
        made = app.prompts.comparisons.begin(
            files.config, agent, version, {IN_USE: running, f"version-{version}": text}
        )
    except ComparisonRefusedError as error:
        raise HTTPException(409, str(error)) from None
    await note(request, "compared a prompt", agent, f"version {version}")
    return {"state": made.state}


@router.get("/api/prompts/{agent}/comparison")
async def comparison(app: Here, _who: AdminRole, agent: str) -> dict[str, str]:
    """The state of the agent's latest comparison."""
    found = app.prompts.comparisons.latest(agent)
    return {"state": found.state if found else "none"}


def _agent(app: App, agent: str) -> AgentDefinition:
    found = app.gateway.agents.all.get(agent)
    if found is None:
        raise HTTPException(404, "there is no such agent")
    return found


def _running(app: App, agent: str) -> str:
    """The prompt in use as its file has it, with references instead of values of the environment."""
    return str(inside(inside(_agent(app, agent).config.written, "agent"), "prompt") or "").strip()


async def _keep(kept: Prompts, agent: str, text: str) -> None:
    """Keep a prompt that was written into the file by other means, so that it can be restored."""
    if text and all(one.text != text for one in await kept.versions(agent)):
        await kept.add(agent, text, FROM_FILE)


async def _version(kept: Prompts, agent: str, number: int) -> PromptVersion:
    found = await kept.version(agent, number)
    if found is None:
        raise HTTPException(404, "there is no such version of this agent's prompt")
    return found


def _usable(app: App, agent: str, text: str) -> str:
    """The prompt `text`, if the agent can use it. Raises a 409 otherwise."""
    _agent(app, agent)
    try:
        text = checked(text)
        app.gateway.agents.drafting(agent, text)
    except ConfigError as error:
        raise HTTPException(409, str(error)) from None
    return text


def _digest(prompt: str | None) -> str:
    """A digest of the prompt in the file, by which a later change of the file is noticed."""
    return "" if prompt is None else hashlib.sha256(prompt.encode()).hexdigest()


def _difference(before: str, after: str) -> list[DiffLine]:
    kinds = {"-": "gone", "+": "come", " ": "same"}
    found: Sequence[str] = list(difflib.unified_diff(before.split("\n"), after.split("\n"), n=CONTEXT, lineterm=""))
    return [
        DiffLine("place", "…") if line.startswith("@@") else DiffLine(kinds[line[0]], line[1:]) for line in found[2:]
    ]


class ComparedCall(NamedTuple):
    """A call of a comparison, on both sides."""

    name: str
    faults: list[list[str]]
    conversations: list[str]


def _of_version(found: Comparison | None) -> dict[str, object] | None:
    """A comparison as the page shows it."""
    if found is None:
        return None
    sides = found.result.get("contestants", [])
    calls = [
        ComparedCall(both[0]["scenario"], [one["faults"] for one in both], [one["conversation"] for one in both])
        for both in zip(*(side["calls"] for side in sides), strict=True)
    ]
    return {
        "version": found.version, "set": found.evaluated, "state": found.state, "problem": found.problem,
        "cost": found.cost, "calls": calls, "began": found.began,
        "sides": [
            {"name": side["name"], "failed": sum(bool(call["faults"]) for call in side["calls"]),
             "calls": len(side["calls"]), "answered_ms": side["answered_ms"]}
            for side in sides
        ],
    }  # fmt: skip
