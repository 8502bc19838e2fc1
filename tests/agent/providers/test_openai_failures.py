"""What goes wrong with a model is told alike by every interfaces: in time, with its meaning, without the key."""

from typing import Any

import pytest

from agent.errors import ProviderError
from agent.llm import Text, ToolCall
from agent.providers.anthropic_messages import said
from tests.agent.providers.replying import ASK, CALLS, CHAT, KEY, MESSAGES, RESPONSES, TOOLS, every
from tests.fakes.openai import Reply

NEVER = 6.0
"""Seconds: a limit that no busy machine reaches, beside the one that is to be reached."""


@every
def test_a_reply_that_does_not_begin_in_time_is_a_temporary_error(kind):
    for events in (0, kind.wordless):
        error = kind.failure(Reply(["Hi."], stall_after=events), first_token_limit=0.1, gap_limit=NEVER)
        assert "nothing within 0.1 s" in error.problem
        assert error.temporary
        assert not error.refused, "it may be at work, which is to be paid"


@every
def test_a_reply_that_does_not_go_on_in_time_is_a_temporary_error(kind):
    error = kind.failure(Reply(["Hi."], stall_after=kind.begun), first_token_limit=NEVER, gap_limit=0.1)
    assert "nothing within 0.1 s" in error.problem
    assert error.temporary


@every
@pytest.mark.parametrize(
    ("status", "temporary"),
    [(400, False), (403, False), (404, False), (422, False), (429, True), (500, True), (503, True)],
)
def test_a_refusal_keeps_its_meaning_and_hides_the_key(kind, status, temporary):
    error = kind.failure(Reply(status=status, status_words=f"no, {KEY}", retry_after="20"))
    assert error.temporary is temporary
    assert error.retry_after == 20.0
    assert "no, ***" in error.problem


@pytest.mark.parametrize("kind", [CHAT, RESPONSES])
def test_a_tool_call_that_the_model_has_miswritten_may_go_well_the_next_time(kind):
    words = "Failed to call a function. Please adjust your prompt. See 'failed_generation' for more details."
    error = kind.failure(Reply(status=400, status_words=words, status_code="tool_use_failed"))
    assert error.temporary
    assert "Failed to call" in error.problem


@every
def test_a_wrong_key_is_refused_without_a_part_of_it(kind):
    error = kind.failure(Reply(["Hi."]), key="sk-another")
    assert not error.temporary
    assert "check the key" in error.advice
    assert "sk-t" not in str(error)


LONG: list[dict[str, Any]] = [
    ASK[0],
    {"role": "assistant", "content": "Hello, this is Acme Store."},
    {"role": "user", "content": "Where is my order?"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "call_a", "type": "function", "function": {"name": "lookup", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "call_a", "content": '{"status": "on its way", "seen": "in Lisbon"}'},
    {"role": "assistant", "content": "It is on its way."},
    {"role": "user", "content": "And the lamp?"},
]
"""A conversation of two turns; half of it does not hold the first."""


@every
def test_a_conversation_too_long_for_the_model_is_put_to_it_without_its_oldest_turns(kind):
    async def scenario(model, fake):
        for _ in range(2):
            assert [piece async for piece in model.reply(LONG, TOOLS) if isinstance(piece, Text)] == [Text("Yes.")]
        return fake.requests

    requests = kind.thinking(scenario, Reply(["Yes."], holds=4))
    heard = [request.get("messages") or request.get("input") for request in requests]
    left = said(LONG[6:]) if kind is MESSAGES else [LONG[0], LONG[6]]  # type: ignore[arg-type]
    assert heard == [heard[0], left] * 2
    assert set(requests[1]) == set(requests[0]), "the limit of the reply stays"


@every
def test_a_conversation_that_cannot_be_shorter_is_refused_once(kind):
    async def scenario(model, fake):
        with pytest.raises(ProviderError, match="context length"):
            async for _ in model.reply(ASK, TOOLS):
                pass
        return len(fake.requests)

    assert kind.thinking(scenario, Reply(["Yes."], holds=1)) == 1


@every
def test_an_endless_reply_is_cut_off(kind):
    assert not kind.failure(Reply(["x" * 3000] * 10)).temporary


@every
@pytest.mark.parametrize("written", ["", '{"orders": "al'])
def test_a_tool_call_that_the_limit_of_tokens_cut_off_is_not_done(kind, written):
    cut = ("call_c", "cancel_orders", written)
    found = kind.pieces(Reply(calls=[*CALLS, cut], finish=kind.spent))
    assert [piece.id for piece in found if isinstance(piece, ToolCall)] == ["call_a", "call_b"]
    for words in ([], ["I cancel them."]):
        assert "used up the limit of tokens" in kind.failure(Reply(words, calls=[cut], finish=kind.spent)).problem


def test_a_tool_call_that_a_content_filter_cut_off_is_not_done():
    cut = Reply(["One moment."], calls=[("call_c", "cancel_orders", "")], finish="content_filter")
    assert "content filter" in CHAT.failure(cut).problem


@every
def test_closing_the_reply_cancels_it_upstream(kind):
    async def scenario(model, fake):
        reply = model.reply(ASK, TOOLS)
        assert await anext(reply) == Text("one")
        await reply.aclose()
        await fake.until_cancelled()

    kind.thinking(scenario, Reply(["one", "two"], stall_after=kind.begun))


@every
def test_half_of_a_character_in_what_was_said_ends_no_call(kind):
    """A recogniser or a model may tell one: ``\\ud83d`` alone is good JSON."""

    async def scenario(model, fake):
        asked = [{**one, "content": f"{one['content']}\ud83d"} if one["content"] else one for one in LONG]
        found = [piece async for piece in model.reply(asked, TOOLS) if isinstance(piece, Text)]
        return found, str(fake.requests)

    found, requests = kind.thinking(scenario, Reply(["Yes."]))
    assert found == [Text("Yes.")]
    assert "And the lamp??" in requests
