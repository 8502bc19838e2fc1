"""Whole calls, turn by turn, as the conversation sends them: user, assistant, tool call, tool result."""

from typing import Any

import pytest

from agent.providers.local.brain.phrases import QUESTIONS, Ask, question_heard
from tests.agent.brain.caller import CALLBACK, HANG_UP, ORDER, PERSON, TOOLS, Caller, pieces, schema

MORE = QUESTIONS[Ask.MORE]
STATUS = f"Order 7 3 4 6, a blue raincoat, is out for delivery. It is expected today before six. {MORE}"
ASK_NUMBER = "I can look that up. What is your order number?"
BYE = ("hang_up", {"reason": "the caller said goodbye"})


def test_the_demo_call() -> None:
    call = Caller()
    assert call.says("Hi, I would like to know where my order is.") == ASK_NUMBER
    assert call.says("7, 3, 4, 6.", hears="Order 7 3 4 6, a blue raincoat, is out—") == STATUS
    question = call.says("Sorry, can someone call me back tomorrow morning?")
    assert question == "Sure, tomorrow morning. Which phone number should we call?"
    confirmation = call.says("4 1 5 5 5 5 0 1 2 3")
    assert confirmation == "That is 4 1 5, 5 5 5, 0 1 2 3, tomorrow morning. Is that right?"
    assert call.says("Yes, that's right.") == f"It is arranged. We will call you tomorrow morning. {MORE}"
    assert call.says("No, that's all. Thank you. Goodbye.") == "Thank you for calling the Lamp Shop. Goodbye."
    assert call.calls == [
        ("get_order_status", {"order_number": "7346"}),
        ("schedule_callback", {"phone_number": "4155550123", "when": "tomorrow morning", "topic": "order 7346"}),
        BYE,
    ]


@pytest.mark.parametrize(
    "heard",
    [
        "Sorry it can someone called me back tomorrow morning",
        "Sorry, can't some one call me back tomorrow morning?",
        "Sorry, Ken Son, call me back tomorrow morning.",
    ],
)
def test_the_interruption_is_understood_as_the_recogniser_mishears_it(heard: str) -> None:
    call = Caller()
    call.says("where is my order")
    call.says("seven three four six", hears="Order 7 3 4 6—")
    assert call.says(heard) == "Sure, tomorrow morning. Which phone number should we call?"


def test_number_in_the_first_sentence() -> None:
    call = Caller()
    assert call.says("Where is my order? The number is seven three four six.") == STATUS


def test_number_on_the_keypad() -> None:
    call = Caller()
    call.says("where is my order")
    assert call.says("[pressed 7 3 4 6]") == STATUS


def test_number_in_two_turns() -> None:
    call = Caller()
    call.says("where is my order")
    assert call.says("it's seven three") == "7 3, and then?"
    assert call.says("four six") == STATUS


def test_a_short_number_is_looked_up_when_the_caller_says_that_it_is_all() -> None:
    call = Caller()
    call.says("where is my order")
    assert call.says("seven three four") == "7 3 4, and then?"
    assert call.says("that's it") == "I could not find order 7 3 4. Could you say the order number again?"
    assert call.says("six") == STATUS


def test_a_second_number_that_is_not_found_leads_to_a_person() -> None:
    call = Caller()
    call.says("where is my order")
    assert call.says("9 9 9 9") == "I could not find order 9 9 9 9. Could you say the order number again?"
    assert call.says("9 9 9 8") == f"I could not find order 9 9 9 8. {QUESTIONS[Ask.PERSON]}"
    assert call.says("yes please") == "I will put you through. One moment, please."
    assert call.calls[-1][0] == "transfer_to_human"


def test_a_corrected_number_is_looked_up() -> None:
    call = Caller()
    call.says("where is my order")
    call.says("1234")
    assert call.says("no, I meant seven three four six") == STATUS


def test_a_question_about_the_same_order_needs_no_number_and_another_order_does() -> None:
    call = Caller()
    call.says("where is my order, it's 7346")
    assert call.says("when will it arrive?") == STATUS
    assert call.says("and where is my other order?") == ASK_NUMBER


def test_a_tool_that_fails_is_explained_and_a_person_offered() -> None:
    call = Caller(answer=lambda name, arguments: {"error": "timed out after 5 s at 10.0.0.1"})
    call.says("where is my order")
    assert call.says("7346") == f"I am sorry, I could not look that up just now. {QUESTIONS[Ask.PERSON]}"


def test_without_the_order_number_a_person_is_offered() -> None:
    call = Caller()
    call.says("where is my order")
    answer = call.says("I don't have my order number")
    assert answer == f"I need the order number to look it up. {QUESTIONS[Ask.PERSON]}"
    assert call.says("no") == f"All right. {MORE}"
    assert call.says("no thank you") == "Thank you for calling the Lamp Shop. Goodbye."


def test_a_call_back_in_one_sentence() -> None:
    call = Caller()
    answer = call.says("Please call me back on 415 555 0123 Monday at three p.m. about my broken lamp.")
    assert answer == "That is 4 1 5, 5 5 5, 0 1 2 3, Monday at three p.m. Is that right?"
    call.says("Correct.")
    arguments = {"phone_number": "4155550123", "when": "Monday at three p.m", "topic": "my broken lamp"}
    assert call.calls == [("schedule_callback", arguments)]


def test_a_call_back_is_corrected_before_it_is_arranged() -> None:
    call = Caller()
    call.says("can someone call me back")
    assert call.says("415 555") == "4 1 5 5 5 5, and then?"
    assert call.says("0123") == QUESTIONS[Ask.WHEN]
    assert call.says("three") == "That is 4 1 5, 5 5 5, 0 1 2 3, at three. Is that right?"
    assert call.says("no") == QUESTIONS[Ask.CHANGE]
    assert call.says("the time") == QUESTIONS[Ask.WHEN]
    assert call.says("Friday afternoon") == "That is 4 1 5, 5 5 5, 0 1 2 3, Friday afternoon. Is that right?"
    assert call.says("no, it ends in 24") == "That is 4 1 5, 5 5 5, 0 1 2 4, Friday afternoon. Is that right?"
    assert not call.calls
    call.says("yes")
    assert call.calls == [("schedule_callback", {"phone_number": "4155550124", "when": "Friday afternoon"})]


def test_a_phone_number_continued_after_a_pause_is_not_taken_for_a_time() -> None:
    call = Caller()
    call.says("can someone call me back")
    assert call.says("415 555 5") == QUESTIONS[Ask.WHEN]
    call.says("0 1 2")
    assert call.says("around ten thirty") == "That is 4 1 5, 5 5 5, 5 0 1 2, around ten thirty. Is that right?"


def test_this_number_is_not_known() -> None:
    call = Caller()
    call.says("can someone call me back tomorrow")
    assert call.says("on this number").startswith("I cannot see your number.")


def test_a_call_back_that_fails_leads_to_a_person() -> None:
    call = Caller(answer=lambda name, arguments: {"error": "disk full"})
    call.says("call me back tomorrow at noon on 4155550123")
    assert call.says("yes") == f"I am sorry, I could not arrange that. {QUESTIONS[Ask.PERSON]}"


def test_a_yes_to_a_question_that_was_not_heard_arranges_nothing() -> None:
    call = Caller()
    question = "That is 4 1 5, 5 5 5, 0 1 2 3, tomorrow. Is that right?"
    assert call.says("call me back tomorrow on 4155550123", hears="That is 4 1—") == question
    assert call.says("yes") == question
    assert not call.calls
    call.says("yes")
    assert call.calls[0][0] == "schedule_callback"


def test_a_no_over_the_answer_does_not_hang_up() -> None:
    call = Caller()
    call.says("where is my order, number 7346", hears="Order 7 3 4 6—")
    call.says("no")
    assert BYE not in call.calls


def test_changing_the_subject_in_the_middle() -> None:
    call = Caller()
    call.says("can someone call me back")
    assert call.says("Actually, where is my order?") == ASK_NUMBER
    assert call.says("I want to speak to a human") == "I will put you through. One moment, please."


def test_never_mind_ends_the_task() -> None:
    call = Caller()
    call.says("can someone call me back")
    assert call.says("never mind") == f"All right. {MORE}"


def test_repeat_says_everything_again_and_the_question_counts_again() -> None:
    call = Caller()
    question = call.says("call me back tomorrow on 4155550123", hears="That is—")
    assert call.says("Sorry, can you repeat that?") == question
    call.says("yes")
    assert call.calls[0][0] == "schedule_callback"


def test_waiting_does_not_lose_the_question() -> None:
    call = Caller()
    call.says("where is my order")
    assert call.says("hold on, let me look for it") == "Sure, take your time."
    assert call.says("7346") == STATUS


def test_unclear_speech_is_asked_again_twice_then_a_person_is_offered() -> None:
    call = Caller()
    assert call.says("[inaudible]") == "Sorry, I did not catch that. Could you say it again?"
    assert call.says("mfff") == "Sorry, I did not catch that. Could you say it again?"
    assert call.says("...") == f"I am sorry, I do not understand. {QUESTIONS[Ask.PERSON]}"
    assert call.says("no") == f"All right. {MORE}"


def test_an_unclear_answer_repeats_the_question() -> None:
    call = Caller()
    call.says("call me back tomorrow on 4155550123")
    assert call.says("mfff") == "Sorry, I did not catch that. Is that right?"
    call.says("yes")
    assert call.calls[0][0] == "schedule_callback"


def test_out_of_scope_says_what_it_can_do_and_returns_to_the_question() -> None:
    call = Caller()
    call.says("where is my order")
    answer = call.says("By the way, what is the weather like today?")
    assert "cannot help with that" in answer
    assert "look up an order, arrange a call back, or put you through to a person" in answer
    assert answer.endswith(QUESTIONS[Ask.NUMBER])
    assert call.says("7346") == STATUS


def test_changes_of_an_order_are_for_a_person() -> None:
    assert Caller().says("I want to cancel my order").endswith(QUESTIONS[Ask.PERSON])


@pytest.mark.parametrize("farewell", ["Bye.", "Okay, goodbye.", "That's all for today, thanks."])
def test_goodbye_hangs_up(farewell: str) -> None:
    call = Caller()
    assert call.says(farewell) == "Thank you for calling the Lamp Shop. Goodbye."
    assert call.calls == [BYE]


def test_thanks_hang_up_only_after_anything_else() -> None:
    call = Caller()
    assert call.says("Thank you.") == f"You are welcome. {MORE}"
    assert call.says("Thank you.") == "Thank you for calling the Lamp Shop. Goodbye."


def test_zero_on_the_keypad_is_the_operator() -> None:
    call = Caller()
    call.says("[pressed 0]")
    assert call.calls[0][0] == "transfer_to_human"


def test_small_talk_is_short() -> None:
    call = Caller()
    assert call.says("Hello?") == "Hello. How can I help you?"
    assert call.says("Are you a robot?") == "I am the automatic assistant of the Lamp Shop. How can I help you?"


@pytest.mark.parametrize(
    ("tools", "text", "answer"),
    [
        ([PERSON], "where is my order", f"I am sorry, I cannot look up orders on this line. {QUESTIONS[Ask.PERSON]}"),
        ([ORDER], "call me back", f"I am sorry, I cannot arrange call backs on this line. {MORE}"),
        (
            [CALLBACK],
            "give me a human",
            f"I am sorry, I cannot put calls through on this line. {QUESTIONS[Ask.CALLBACK]}",
        ),
        ([], "bye", "Thank you for calling the Lamp Shop. Goodbye."),
        ([], "what can you do", "On this line I can only talk to you and end the call. How can I help you?"),
        ([ORDER, PERSON], "help", "I can look up an order or put you through to a person. How can I help you?"),
    ],
)
def test_without_a_tool_it_says_so_and_offers_what_there_is(tools: list[Any], text: str, answer: str) -> None:
    call = Caller(tools=tools)
    assert call.says(text) == answer
    assert not call.calls


def test_a_transfer_that_fails_is_explained() -> None:
    call = Caller(answer=lambda name, arguments: {"error": "busy"})
    call.says("operator please")
    assert call.messages[-1]["role"] == "tool"
    said = "".join(piece.delta for piece in pieces(call.messages, [CALLBACK, PERSON, HANG_UP]))
    assert said == f"I am sorry, nobody can take your call now. {QUESTIONS[Ask.CALLBACK]}"


def test_a_result_in_plain_text_is_read_out() -> None:
    assert (
        Caller(answer=lambda name, arguments: "fine").says("where is my order, 7346") == f"Order 7 3 4 6: fine. {MORE}"
    )


@pytest.mark.parametrize("ask", list(Ask))
def test_every_question_is_recognised_in_what_was_heard(ask: Ask) -> None:
    assert question_heard(f"Sure. {QUESTIONS[ask]}") is ask


def test_no_question_is_recognised_in_an_answer() -> None:
    assert question_heard("Order 7 3 4 6, a blue raincoat, is out for delivery. It is expected—") is None


@pytest.mark.parametrize(
    "heard",
    [
        "Stop calling me.",
        "Please stop calling me!",
        "Don't call me again.",
        "Do not ever call me again, please.",
        "Never call this number again.",
        "Put me on your do not call list.",
        "Take me off your list.",
        "I want you to remove my number from your system.",
    ],
)
def test_whoever_wants_no_more_calls_is_put_on_the_list(heard: str) -> None:
    done = "I have put your number on our list."
    tools = [schema("stop_calling"), *TOOLS]
    call = Caller(tools, lambda name, arguments: {"say": done} if name == "stop_calling" else {"ok": True})
    assert call.says(heard) == f"{done} {MORE}"
    assert call.calls == [("stop_calling", {})]


@pytest.mark.parametrize("heard", ["Can someone call me back?", "Do not call me before noon.", "Stop."])
def test_other_wishes_about_calls_put_nobody_on_the_list(heard: str) -> None:
    call = Caller(tools=[schema("stop_calling"), *TOOLS])
    call.says(heard)
    assert ("stop_calling", {}) not in call.calls


@pytest.mark.faults("D9")
def test_a_yes_that_goes_on_arranges_nothing() -> None:
    call = Caller()
    call.says("can someone call me back tomorrow morning")
    asked = call.says("4 1 5 5 5 5 0 1 2 3")
    for answer in ("Okay so tell me the price first", "no, wait"):
        call.says(answer)
        assert call.calls == []
    call = Caller()
    call.says("can someone call me back tomorrow morning")
    assert call.says("4 1 5 5 5 5 0 1 2 3") == asked
    call.says("Sounds good.")
    assert [name for name, _ in call.calls] == ["schedule_callback"]


@pytest.mark.parametrize(
    "heard",
    ["Call me an ambulance!", "I need the police.", "Please get a doctor.", "Can you call nine one one?",
     "Put me through to the emergency services.", "Dial 112, quick."],
)  # fmt: skip
def test_whoever_needs_the_emergency_services_is_told_at_once_to_call_them(heard: str) -> None:
    said = "I cannot call them. Please hang up and call 9 1 1 yourself."
    call = Caller([schema("emergency"), *TOOLS], lambda name, arguments: {"say": said})
    assert call.says(heard) == said
    assert call.calls == [("emergency", {})]
