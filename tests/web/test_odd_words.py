"""Words that no page can show as they are."""

from pathlib import Path

from agent.records import ToolRun, Turn, TurnEnded
from sipgw.events import CallReported
from tests.web.gateway_view import Visit
from tests.web.test_one_call import NOW, hold, looking


def test_half_of_a_character_in_what_a_tool_returns_does_not_close_the_page(tmp_path: Path) -> None:
    async def look(visitor: Visit) -> None:
        hold(visitor, "a@1", end=False)
        turn = Turn("hello", "hi", "hi", tools=[ToolRun("look_up", {}, "half \ud83d")])
        visitor.gateway.evidence.watch(CallReported("a@1", NOW, TurnEnded(turn)))
        found = (await visitor.browser.get("/calls/a@1/timeline.json")).json()
        assert found["turns"][-1]["tools"][0]["result"] == "half ?"

    looking(tmp_path, look)
