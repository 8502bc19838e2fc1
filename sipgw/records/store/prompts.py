"""Versions of the prompts of agents. The file of an agent says which version it uses: see
`sipgw.agents.prompt_files`."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Index, String, Text, delete, select, update
from sqlalchemy.orm import Mapped, mapped_column

from sipgw.records.store.engine import Database
from sipgw.records.store.tables import Base, UtcDateTime

KEPT = 100
"""Kept versions of each agent; the oldest are deleted."""
FROM_FILE = "the file"
"""The author of a version that was written into the file by other means, and is kept so that it can be restored."""


class PromptVersion(Base):
    """A version of an agent's prompt; a draft until it is published."""

    __tablename__ = "prompt_versions"
    __table_args__ = (Index("prompt_versions_by_agent", "agent", "id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    agent: Mapped[str] = mapped_column(String(40))
    text: Mapped[str] = mapped_column(Text)
    made_by: Mapped[str] = mapped_column(String(64))
    made: Mapped[datetime] = mapped_column(UtcDateTime)
    published_by: Mapped[str | None] = mapped_column(String(64))
    """User who published it last."""
    published: Mapped[datetime | None] = mapped_column(UtcDateTime)


MOST = 2**31 - 1
"""The highest number of a version; databases refuse to look for a higher one."""


class Prompts:
    """The versions. Every method may raise `SQLAlchemyError`."""

    def __init__(self, store: Database) -> None:
        self._store = store

    async def versions(self, agent: str) -> Sequence[PromptVersion]:
        """Versions of the prompt of `agent`, newest first."""
        query = select(PromptVersion).where(PromptVersion.agent == agent).order_by(PromptVersion.id.desc())
        async with self._store.read() as session:
            return list(await session.scalars(query.limit(KEPT)))

    async def version(self, agent: str, number: int) -> PromptVersion | None:
        """The version `number` of `agent`; None if there is none."""
        if not 0 < number <= MOST:
            return None
        async with self._store.read() as session:
            found = await session.get(PromptVersion, number)
            return found if found and found.agent == agent else None

    async def add(self, agent: str, text: str, who: str) -> int:
        """Keep a version; returns its number. The latest one is not kept twice."""
        mine = PromptVersion.agent == agent
        latest = select(PromptVersion).where(mine).order_by(PromptVersion.id.desc())
        async with self._store.write() as session:
            last = await session.scalar(latest.limit(1))
            if last is not None and last.text == text:
                return last.id
            made = PromptVersion(agent=agent, text=text, made_by=who[:64], made=datetime.now(UTC))
            session.add(made)
            await session.flush()
            oldest = await session.scalar(latest.with_only_columns(PromptVersion.id).offset(KEPT).limit(1))
            if oldest is not None:
                await session.execute(delete(PromptVersion).where(mine, PromptVersion.id <= oldest))
            return made.id

    async def published(self, number: int, who: str) -> None:
        """Write down that a version was published now."""
        values = {"published_by": who[:64], "published": datetime.now(UTC)}
        async with self._store.write() as session:
            await session.execute(update(PromptVersion).where(PromptVersion.id == number).values(values))
