"""Tools of a replayed call are known again by what the model wrote, however that was read."""

import asyncio
import json
from typing import Any, NoReturn

import pytest

from sipgw.tools.replay.script import ReplayScript
from sipgw.tools.replay.stubs import tools_of

WRITTEN = {"mail": "jo at example dot com"}
FRAMES: list[dict[str, Any]] = [
    {"t": 1.0, "of": "tool", "do": "started", "name": "sign_up", "arguments": json.dumps(WRITTEN)},
    {"t": 1.1, "of": "tool", "do": "done", "name": "sign_up", "arguments": {"mail": "jo@example.com", "many": 1},
     "result": "sent", "error": "", "seconds": 0.0},
]  # fmt: skip
SIGN_UP = {
    "name": "sign_up",
    "description": "Send the newsletter.",
    "parameters": {"properties": {"mail": {"type": "string"}, "many": {"default": 1}}, "required": ["mail"]},
}


def called(given: dict[str, Any]) -> Any:
    """What the stub returns for these arguments. Raises `LookupError` where it was never called with them."""

    async def call() -> Any:
        script = ReplayScript(FRAMES, b"", lambda text: text)

        async def missing(what: str) -> NoReturn:
            raise LookupError(what)

        script.unanswered = missing  # type: ignore[method-assign]
        (found,) = tools_of([SIGN_UP], script)
        return await found.function(**given)

    return asyncio.run(call())


def test_a_field_that_was_read_in_other_words_is_the_same_call() -> None:
    assert called(WRITTEN | {"many": 1}) == "sent"


@pytest.mark.parametrize("given", [WRITTEN | {"many": 2}, {"mail": "jo at example dot org", "many": 1}])
def test_another_call_is_not(given: dict[str, Any]) -> None:
    with pytest.raises(LookupError, match="sign_up"):
        called(given)
