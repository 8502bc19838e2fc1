"""Tables of the calls that are still to be made: campaigns, and jobs."""

from typing import Literal

from sqlalchemy import JSON, Float, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from sipgw.outbound.campaign_names import LONGEST
from sipgw.records.store.tables import Base

CampaignState = Literal["running", "paused", "stopped"]
OPEN = text("state IN ('planned', 'dialling')")
"""Jobs that gateways dial and that are not over. The condition is text, because a database uses a partial index only
for exactly the condition of the index."""
HELD = text("lease > 0")
"""Jobs with a call, ringing or answered; also the jobs of processes that were killed."""


class Campaign(Base):
    """How the rows of a campaign are dialled. The pace holds for all gateways together."""

    __tablename__ = "campaigns"
    name: Mapped[str] = mapped_column(String(LONGEST), primary_key=True)
    """See `sipgw.outbound.campaign_names`."""
    state: Mapped[str] = mapped_column(String(16), default="running")
    """``running``; ``paused``: no new calls, and running calls go on; ``stopped``: running calls are ended, too."""
    concurrent: Mapped[int] = mapped_column(default=5)
    """Calls at the same time."""
    per_second: Mapped[float] = mapped_column(Float, default=1.0)
    """New calls per second."""
    attempts: Mapped[int] = mapped_column(default=3)
    """Calls to one number in all."""
    busy: Mapped[float] = mapped_column(Float, default=300.0)
    """Seconds until a busy number is called again."""
    no_answer: Mapped[float] = mapped_column(Float, default=1800.0)
    """Seconds until a number that did not answer is called again."""
    next: Mapped[float] = mapped_column(Float, default=0.0)
    """Earliest time of the next new call, in seconds since 1970."""


class Job(Base):
    """A call to be made. Times are seconds since 1970, so that every database compares them in the same way."""

    __tablename__ = "jobs"
    __table_args__ = (
        UniqueConstraint("campaign", "key"),
        # Finished jobs are never read again. The index has only the open ones, in the order in which they are dialled.
        Index("jobs_open", "campaign", "due", "id", sqlite_where=OPEN, postgresql_where=OPEN),
        Index("jobs_held", "campaign", "lease", sqlite_where=HELD, postgresql_where=HELD),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    campaign: Mapped[str] = mapped_column(String(LONGEST), index=True)
    """Empty for callbacks."""
    key: Mapped[str] = mapped_column(String(320))
    """Two jobs of a campaign with the same key are the same job."""
    line: Mapped[int] = mapped_column(default=0)
    """Line number in the campaign's file."""
    number: Mapped[str] = mapped_column(String(64))
    agent: Mapped[str] = mapped_column(String(40))
    trunk: Mapped[str] = mapped_column(String(64), default="")
    variables: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    consent: Mapped[bool] = mapped_column(default=False)
    due: Mapped[float] = mapped_column(Float, index=True)
    state: Mapped[str] = mapped_column(String(16), default="planned")
    """``planned``, ``dialling``, ``done`` or ``failed``; ``by_hand`` if a person makes the call and no gateway does."""
    attempts: Mapped[int] = mapped_column(default=0)
    """Calls that were made for the job."""
    reason: Mapped[str] = mapped_column(String(500), default="")
    """How the last call ended, or why no call was made."""
    call: Mapped[str] = mapped_column(String(255), default="")
    """The identity of the last call, as in the records."""
    holder: Mapped[str] = mapped_column(String(40), default="")
    """The process that claimed the job last."""
    lease: Mapped[float] = mapped_column(Float, default=0.0)
    """When the claim ends if it is not renewed; 0 if no process has a call for it."""
