"""How many telephone menus of `tests/data/menus` the agent walks through to a person, on virtual time."""

from collections.abc import Iterator
from unittest.mock import patch

from agent.hearing.voice import Pitch
from tests.agent.holding import Setting, hold
from tests.agent.test_ivr import MENUS, ON, Menu, wants
from tests.bench.gate import Gate

KEPT = "clinic"
"""The menu that was written after the code."""


def gates() -> Iterator[Gate]:
    """Measure."""
    reached: dict[str, bool] = {}
    asked = allowed = 0
    for path in MENUS:
        other = Menu(path)

        async def plan(caller, line, stt, other=other) -> None:
            await other.answer(caller, line)
            await caller.sound(6, loud=False)
            caller.hang_up()

        with patch("agent.hearing.caller.make_judge", Pitch):  # callers of scripts make tones
            held = hold(plan, Setting(script=wants(other.menu), ivr=ON))
        reached[path.stem] = other.visited == other.menu["path"] and held.line.pressed == other.menu["pressed"]
        asked, allowed = asked + len(held.llm.asked), allowed + other.menu["asked"]
    kept = reached.pop(KEPT)
    yield Gate(
        "calls", "menus_walked_to_a_person", f"{sum(reached.values())} of {len(reached)}", "all", all(reached.values())
    )
    yield Gate("calls", "menu_kept_back", "walked" if kept else "not walked", "walked", kept)
    yield Gate("calls", "menus_requests_to_the_model", str(asked), f"<= {allowed}", asked <= allowed)
