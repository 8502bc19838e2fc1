"""Folders of documents for tests, and what reads them."""

import contextlib
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

from sipgw.agents.knowledge.knowledge_base import KnowledgeBase
from sipgw.agents.products import prices_of
from sipgw.config.config import GatewayConfig
from sipgw.config.knowledge import KnowledgeOptions
from sipgw.config.records import StoreOptions
from sipgw.policy.cost.cost import Expenses
from sipgw.records.store.store import Store

FOLDER = Path(__file__).parents[1] / "data" / "knowledge" / "folder"
QUESTIONS = FOLDER.parent / "questions.toml"


@contextlib.asynccontextmanager
async def base_of(config: GatewayConfig, gateway: str = "here", **more: Any) -> AsyncIterator[KnowledgeBase]:
    """The documents of the agent of `config`, read by the gateway of that name."""
    async with Store(config.store) as store:
        expenses = Expenses(prices_of(config), lambda: datetime.now().astimezone())
        async with KnowledgeBase(store, expenses, lambda: gateway, **more) as knowledge_base:
            knowledge_base.put(await knowledge_base.load({"agent": config}))
            yield knowledge_base


def configured(folder: Path, database: Path, **options: Any) -> GatewayConfig:
    return GatewayConfig(
        knowledge=KnowledgeOptions(folder=str(folder), **options), store=StoreOptions(str(database / "x.db"))
    )


def documents(folder: Path, **texts: str) -> Path:
    """A folder of Markdown files by their names."""
    made = folder / "documents"
    made.mkdir(exist_ok=True)
    for name, text in texts.items():
        (made / f"{name}.md").write_text(text, encoding="utf-8")
    return made
