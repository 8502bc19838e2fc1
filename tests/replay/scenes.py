"""The scenes of which the bundles of `tests/data/bundles` are made: hard cases, each a short call."""

from agent.turns import State
from tests.fakes.line import calls, says
from tests.replay.acting import Caller, Cast, Scene

GOODBYE = {"bye": [0.2, *says("Goodbye then."), calls("hang_up")], "tool": []}


async def plain(me: Caller) -> None:
    await me.listen()
    await me.say("What are your opening hours today")
    await me.listen()
    await me.say("Thank you bye")


SCENES = {
    "plain": lambda: Scene(plain, Cast({"opening": [0.3, *says("We are open from nine to five.")], **GOODBYE})),
}
