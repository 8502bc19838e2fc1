"""Requests and responses of the REST interface about campaigns."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field, StringConstraints

from sipgw.config.agent_files import DEFAULT
from sipgw.outbound.planning import Verdict
from sipgw.outbound.tables import CampaignState
from sipgw.web.models import Given

LONGEST = 1_000_000
"""Characters of a file."""
DAY = 86_400.0
Whole = Annotated[
    int, BeforeValidator(lambda value: int(value) if isinstance(value, float) and value.is_integer() else value)
]
"""An integer; JSON may write it as ``5.0``."""
Name = Annotated[str, StringConstraints(max_length=64)]


class CampaignFile(Given):
    """A campaign and its file."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=64)] = Field(
        description="letters, digits, spaces and . @ + - _; a campaign that is known gets the further rows"
    )
    file: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST)] = Field(
        description="the CSV: a column `number`, and one for each variable of the agent"
    )
    agent: Annotated[str, StringConstraints(max_length=40)] = Field(DEFAULT, description="who speaks")
    trunk: Name = Field("", description="the trunk to call through; empty: all, in their order")
    consent: bool = Field(False, description="whether the people have asked to be called")
    concurrent: Whole = Field(5, ge=1, le=500, description="calls at the same time")
    per_second: float = Field(0.0, ge=0, le=500, description="new calls; 0: what the trunk allows")
    attempts: Whole = Field(3, ge=1, le=20, description="calls to one number in all")
    busy: float = Field(300.0, ge=10, le=7 * DAY, description="seconds until a busy number is called again")
    no_answer: float = Field(1800.0, ge=10, le=7 * DAY, description="seconds until one that did not answer is")


class CampaignStart(CampaignFile):
    """A campaign that was checked by a dry run."""

    confirm: Annotated[str, StringConstraints(min_length=1, max_length=64)] = Field(
        description="`confirm` of the dry run of the same campaign"
    )


class BrokenRow(BaseModel):
    """A row of the file that is left out."""

    line: int
    problem: str


class GateDecision(BaseModel):
    """Present decision of the gate on some numbers, by one rule."""

    verdict: Verdict = Field(description="later: the gateway asks the gate again by itself; never: it is not called")
    rule: str = Field(description="empty if every rule permits the call")
    example: str = Field(description="the reason for the first of them")
    numbers: int
    lines: list[int] = Field(description="the first of their lines in the file")


class CostEstimate(BaseModel):
    """Possible cost of the campaign."""

    total: float = Field(description="if everybody answers whom the gate does not refuse for good")
    per_call: float = Field(description="the mean of earlier answered calls of the agent")
    currency: str
    calls: int = Field(description="how many earlier calls")
    direction: Literal["out", "in"] = Field(description="in: the agent has made no call out yet")


class DryRun(BaseModel):
    """Effect of a campaign, without a start."""

    confirm: str = Field(description="give it when the campaign is started; it fits only the same file and settings")
    numbers: int = Field(description="rows that would be called")
    known: int = Field(description="rows of them that the campaign has already; they are not called again")
    broken: list[BrokenRow] = Field(description="the first rows that are left out")
    left_out: int = Field(description="all rows that are left out")
    unused: list[str] = Field(description="columns that the agent has no variable for")
    trunk: str = Field(description="the trunk that is tried first; empty for tenants")
    per_second: float
    judged: int = Field(description="numbers that the gate was asked about")
    decisions: list[GateDecision]
    cost: CostEstimate | None = Field(description="null if no earlier call of the agent has a cost")


class Started(BaseModel):
    """A campaign that runs."""

    name: str
    new: int = Field(description="rows that the campaign did not have before")


class CampaignCounts(BaseModel):
    """Counts of a campaign's jobs by state."""

    name: str
    state: Literal["running", "paused", "stopped", "over"] = Field(description="over: no number is left")
    planned: int = 0
    dialling: int = 0
    done: int = 0
    failed: int = 0


class AllCampaigns(BaseModel):
    """The campaigns."""

    campaigns: list[CampaignCounts]


class ChangeState(Given):
    """Change of the state of a campaign."""

    state: CampaignState = Field(
        description="paused: no new calls, running ones go on; stopped: these are ended, too; running: goes on"
    )
