"""What goes wrong with a model is told alike by both interfaces: in time, with its meaning, without the key."""

import pytest

from agent.model import Text
from tests.agent.providers.replying import ASK, KEY, TOOLS, both
from tests.fakes.openai import Reply

NEVER = 3600.0
"""Seconds: a limit that no busy machine reaches, beside the one that is to be reached."""


@both
def test_a_reply_that_does_not_begin_in_time_is_a_temporary_error(kind):
    for events in (0, kind.wordless):
        error = kind.failure(Reply(["Hi."], stall_after=events), first_token_limit=0.1, gap_limit=NEVER)
        assert "nothing within 0.1 s" in error.problem
        assert error.temporary


@both
def test_a_reply_that_does_not_go_on_in_time_is_a_temporary_error(kind):
    error = kind.failure(Reply(["Hi."], stall_after=kind.begun), first_token_limit=NEVER, gap_limit=0.1)
    assert "nothing within 0.1 s" in error.problem
    assert error.temporary


@both
@pytest.mark.parametrize(
    ("status", "temporary"),
    [(400, False), (403, False), (404, False), (422, False), (429, True), (500, True), (503, True)],
)
def test_a_refusal_keeps_its_meaning_and_hides_the_key(kind, status, temporary):
    error = kind.failure(Reply(status=status, status_words=f"no, {KEY}", retry_after="20"))
    assert error.temporary is temporary
    assert error.retry_after == 20.0
    assert "no, ***" in error.problem


@both
def test_a_wrong_key_is_refused_without_a_part_of_it(kind):
    error = kind.failure(Reply(["Hi."]), key="sk-another")
    assert not error.temporary
    assert "check the key" in error.advice
    assert "sk-t" not in str(error)


@both
def test_an_endless_reply_is_cut_off(kind):
    assert not kind.failure(Reply(["x" * 3000] * 10)).temporary


@both
def test_closing_the_reply_cancels_it_upstream(kind):
    async def scenario(model, fake):
        reply = model.reply(ASK, TOOLS)
        assert await anext(reply) == Text("one")
        await reply.aclose()
        await fake.until_cancelled()

    kind.thinking(scenario, Reply(["one", "two"], stall_after=kind.begun))
