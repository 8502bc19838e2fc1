"""How many phrasings of `tool_phrasings.toml` lead to the right call: ``python -m tests.agent.brain.measure_tools``.

Four of the five businesses were looked at while the brain was written, the fifth only afterwards.
"""

import json
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from agent.providers.local.brain.llm import LocalLlm
from agent.tools import CONFIRM, Tool
from tests.agent.brain.caller import HANG_UP, INTENTS, Caller
from tests.agent.brain.owner_tools import BUSINESSES

PHRASINGS = Path(__file__).parent / "tool_phrasings.toml"
MODEL = LocalLlm(business="the Lamp Shop", intents=INTENTS, today=lambda: date(2026, 11, 23))
UNSEEN = "unseen"


class Phrasing(NamedTuple):
    tool: str
    business: str
    said: list[str]
    wants: dict[str, Any]


class Try(NamedTuple):
    phrasing: Phrasing
    called: tuple[str, dict[str, Any]] | None
    talk: list[str]

    @property
    def right_tool(self) -> bool:
        return self.called is not None and self.called[0] == self.phrasing.tool

    @property
    def right(self) -> bool:
        return self.right_tool and self.called is not None and plain(self.called[1]) == plain(self.phrasing.wants)


def plain(arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments as they are compared: without capitals, articles and defaults that say nothing."""
    return {key: text(value) for key, value in arguments.items()}


def text(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return value.casefold().strip(" .").removeprefix("the ").removeprefix("at ").removeprefix("on ")


def phrasings() -> Iterator[Phrasing]:
    rows = tomllib.loads(PHRASINGS.read_text(encoding="utf-8"))
    for business, tools in BUSINESSES.items():
        for one in tools:
            for row in rows[one.name]:
                yield Phrasing(one.name, business, row["said"], row["wants"])


def tried(phrasing: Phrasing, tools: tuple[Tool, ...]) -> Try:
    confirmed = {one.name for one in tools if one.confirm}
    asked: set[str] = set()

    def answer(name: str, arguments: Any) -> Any:
        key = json.dumps([name, arguments])
        if name in confirmed and key not in asked:
            asked.add(key)
            return {"status": CONFIRM}
        return {"ok": True}

    call = Caller([*(one.schema for one in tools), HANG_UP], answer, MODEL)
    talk = []  # type: ignore[var-annotated]
    for said in (*phrasing.said, "Yes."):
        if said == "Yes." and not (talk and talk[-1].endswith("Is that right?")):
            break
        talk += [f"C: {said}", f"A: {call.says(said)}"]
    return Try(phrasing, call.calls[-1] if call.calls else None, talk)


def main() -> None:
    seen = [one for one in phrasings() if one.business != UNSEEN]
    together = tuple(one for business, tools in BUSINESSES.items() if business != UNSEEN for one in tools)
    sets = {
        "five tools each": [(one, BUSINESSES[one.business]) for one in seen],
        "twenty together": [(one, together) for one in seen],
        "unseen": [(one, BUSINESSES[UNSEEN]) for one in phrasings() if one.business == UNSEEN],
    }
    for name, rows in sets.items():
        tries = [tried(*row) for row in rows]
        tools, right = sum(one.right_tool for one in tries), sum(one.right for one in tries)
        print(f"{name}: {len(tries)} phrasings, right tool {tools}, right arguments too {right}")
        for one in tries:
            if not one.right:
                print("  ", one.phrasing.tool, one.phrasing.wants, "called", one.called)
                print("     ", "\n      ".join(one.talk))


if __name__ == "__main__":
    main()
