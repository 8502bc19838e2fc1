# mypy: disable-error-code="comparison-overlap"
"""Who answered: recorded people, machines that speak, beeps and fax tones. Sound in, a judgement out."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.g711 import from_linear
from media.tones import Tone, Tones
from sipgw.calls.machine_detection import WORDS, AnsweredParty, AnsweringMachineDetector
from tests.bench.answering import recorded, silence, tone

SPEECH = dict(recorded())
VOICE = Path(__file__).parents[2] / "sipgw" / "demo_voice"


def talk(seconds: float) -> bytes:
    """Somebody who speaks so long without a pause: recorded speech, its pauses cut out."""
    jfk = SPEECH["jfk"]
    frames = [jfk[at : at + 160] for at in range(0, len(jfk) - 160, 160)]
    loud = [frame for frame in frames if np.std(np.frombuffer(frame, np.uint8) & 0x7F) > 12]
    return (b"".join(loud) * 5)[: int(seconds * 8000)]


def judged(*sounds: bytes, words: str = "") -> AnsweringMachineDetector:
    one, sound = AnsweringMachineDetector(), b"".join(sounds)
    for at in range(0, len(sound), 480):
        one.hear(sound[at : at + 480])
    if words:
        one.understand(words)
    return one


@pytest.mark.parametrize("name", sorted(SPEECH))
def test_no_recorded_person_is_taken_for_a_machine(name: str) -> None:
    assert judged(silence(0.3), SPEECH[name], silence(3)).who is AnsweredParty.HUMAN


def test_the_first_words_of_a_human_are_followed_by_a_pause() -> None:
    one = judged(silence(0.5), talk(1.0), silence(0.5))
    assert one.who is AnsweredParty.UNKNOWN
    assert one.hear(silence(0.6))
    assert (one.who, one.why) == (AnsweredParty.HUMAN, "a few words and a pause")


def test_who_talks_on_and_on_is_a_machine() -> None:
    assert judged(silence(0.3), talk(3.3)).who is AnsweredParty.UNKNOWN
    one = judged(silence(0.3), talk(14))
    assert (one.who, one.why) == (AnsweredParty.MACHINE, "it speaks on and on")
    assert not one.beeped


@pytest.mark.parametrize("hz", [440.0, 1000.0, 1400.0, 1980.0])
@pytest.mark.parametrize(("seconds", "amplitude"), [(0.16, 3000), (0.4, 1000), (1.0, 12000)])
def test_a_beep_after_a_greeting_is_a_machine_that_listens(hz: float, seconds: float, amplitude: int) -> None:
    one = judged(silence(0.3), talk(2.5), silence(0.4), tone(hz, seconds, amplitude), silence(WORDS))
    assert one.who is AnsweredParty.MACHINE
    assert one.why == f"a beep of {round(hz)} Hz"
    assert one.beeped


NAME = "At the tone, please say your name."
TONED = silence(0.3) + talk(2.5) + silence(0.2) + tone(1000, 0.3, 8000)


@pytest.mark.parametrize(
    ("words", "who"), [(NAME, AnsweredParty.SCREEN), ("It's Bob, I'm out surfing.", AnsweredParty.MACHINE)]
)
def test_a_beep_is_judged_when_the_words_before_it_are_known(words: str, who: AnsweredParty) -> None:
    """Call screens beep as machines do, and the recogniser tells their words after the beep."""
    one = judged(TONED, silence(WORDS - 0.5))
    assert one.who is AnsweredParty.UNKNOWN
    one.understand(words)
    one.hear(silence(WORDS))
    assert one.who is who
    assert one.beeped is (who is AnsweredParty.MACHINE), (
        "a screen's beep does not stand for that of the voicemail behind it"
    )


def test_a_beep_after_words_that_are_known_is_judged_at_once() -> None:
    one = judged(silence(0.3), talk(2.5), silence(0.2))
    one.understand("It's Bob, I'm out surfing.")
    one.hear(tone(1000, 0.3, 8000) + silence(0.2))
    assert (one.who, one.why) == (AnsweredParty.MACHINE, "a beep of 1000 Hz")


def test_a_beep_whose_words_do_not_come_is_a_machine_and_no_person_who_waits() -> None:
    one = judged(TONED, silence(WORDS - 0.5))
    assert one.who is AnsweredParty.UNKNOWN
    one.hear(silence(0.6))
    assert one.who is AnsweredParty.MACHINE


def broken(sound: bytes, hole: float, every: float) -> bytes:
    """Sound whose frames were late: silence is put in between, and nothing is lost."""
    step = round(every * 8000)
    return b"".join(sound[at : at + step] + silence(hole) for at in range(0, len(sound), step))


@pytest.mark.parametrize(("hole", "every"), [(0.02, 0.12), (0.04, 0.14), (0.04, 0.1)])
def test_a_beep_with_holes_is_a_beep(hole: float, every: float) -> None:
    """Late frames and slips of the clocks on the way cut a beep into pieces, each too short to be one."""
    one = judged(silence(0.3), talk(2.5), silence(0.4), broken(tone(1000, 0.4, 8000), hole, every), silence(WORDS))
    assert (one.who, one.why) == (AnsweredParty.MACHINE, "a beep of 1000 Hz")
    assert one.beeped


def test_a_beep_before_anybody_spoke_or_in_the_middle_of_a_conversation_says_nothing() -> None:
    assert judged(silence(0.5), tone(1000, 0.5, 8000), silence(1)).who is AnsweredParty.UNKNOWN
    waits = (silence(0.3), talk(1.0), silence(12), talk(2), silence(0.5), tone(1000, 0.3, 8000), silence(1))
    assert judged(*waits).who is AnsweredParty.HUMAN


def test_ringback_after_the_answer_is_nobody() -> None:
    """A PBX that answers and then rings the person: 425 Hz, one second in five."""
    assert judged(*[tone(425, 1.0, 5000) + silence(4)] * 4).who is AnsweredParty.UNKNOWN


@pytest.mark.parametrize(
    ("sound", "why"),
    [
        (silence(1) + tone(2100, 2.6, 4000), "2100 Hz"),
        (silence(2) + tone(1100, 0.5, 4000) + silence(0.5), "1100 Hz"),
    ],
)
def test_fax_machines_are_told_by_their_tones(sound: bytes, why: str) -> None:
    """ITU-T T.30 §4.1: CED is 2100 Hz for 2.6 to 4 s, CNG 1100 Hz for half a second."""
    one = judged(sound)
    assert one.who is AnsweredParty.FAX
    assert why in one.why
    assert one.decided


@pytest.mark.parametrize(
    "words",
    [
        "please leave your message after the beep",
        "You've reached the voicemail of",
        "I can't come to the phone right now",
        "the person you are trying to reach",
        "Your call has been forwarded to",
        "the customer you have called is not available",
        "Hi, you have reached Anna. I'm not available",
        "the mailbox is full",
        "leave a message and I'll get back to you",
        "Por favor, deje su mensaje después de la señal",
        "Le atiende el buzón de voz de",
        "Bonjour, vous êtes bien chez Anne, je suis absente. Laissez un message après le bip.",
        "Vous êtes sur la messagerie de",
        "Sie haben die Mailbox von",
        "Bitte hinterlassen Sie eine Nachricht nach dem Signalton",
        "Der gewünschte Gesprächspartner ist zurzeit nicht erreichbar",
        "Sua chamada está sendo encaminhada para a caixa postal",
        "Deixe seu recado após o sinal",
        "Risponde la segreteria telefonica di",
        "Lasciate un messaggio dopo il segnale acustico",
        "कृपया बीप के बाद अपना संदेश छोड़ें",
    ],
)
def test_what_machines_say(words: str) -> None:
    assert judged(words=words).who is AnsweredParty.MACHINE


@pytest.mark.parametrize(
    "words",
    [
        "Hello?",
        "Smith and Sons, Anna speaking, how can I help you?",
        "He is not available at the moment. Would you like to leave a message?",
        "Thank you for calling Acme, how can I help you?",
        "Sorry, can you call back in an hour?",
        "Who is this?",
        "I am busy, can I call you back?",
        "You've reached the right person.",
        "Hola, dígame",
        "No está disponible, ¿quiere dejar un mensaje?",
        "Allô ? Voulez-vous laisser un message pour elle ?",
        "Er ist leider nicht da. Möchten Sie eine Nachricht hinterlassen?",
        "Schmidt, guten Tag. Wie kann ich Ihnen helfen?",
        "Ele não está, quer deixar recado?",
        "Pronto? Vuole lasciare un messaggio?",
        "हैलो, कौन बोल रहा है?",
    ],
)
def test_what_humans_say(words: str) -> None:
    assert judged(words=words).who is not AnsweredParty.MACHINE


def test_a_human_who_turns_out_to_be_a_machine() -> None:
    """ "Hi, it's Bob." — a pause — "Leave a message." — beep."""
    one = judged(silence(0.3), talk(1.0), silence(1))
    assert one.who is AnsweredParty.HUMAN
    one.understand("Hi, it's Bob. Leave a message.")
    assert one.who is AnsweredParty.HUMAN
    one.hear(talk(1.0) + silence(0.3) + tone(1000, 0.3, 8000) + silence(WORDS))
    assert one.who is AnsweredParty.MACHINE


@pytest.mark.slow
def test_later_nothing_turns_a_human_into_a_machine() -> None:
    one = judged(silence(0.3), talk(1.0), silence(31), words="leave a message after the beep, voicemail")
    assert one.decided
    assert one.who is AnsweredParty.HUMAN


def test_a_tone_is_told_by_its_length_and_its_end() -> None:
    found = Tones().feed(silence(0.1) + tone(1000, 0.3, 5000) + silence(0.2))
    assert [one.over for one in found] == [False] * (len(found) - 1) + [True]
    assert abs(found[-1].hz - 1000) < 2
    assert 0.22 <= found[-1].seconds <= 0.32
    assert Tones().feed(silence(0.1) + tone(1000, 0.1, 5000) + silence(0.2)) == []


@pytest.mark.slow
def test_no_tone_is_heard_in_speech_or_noise_or_keys() -> None:
    noise = np.random.default_rng(1).integers(-8000, 8000, 80_000).astype("<i2").tobytes()
    keys = np.frombuffer(np.zeros(4000, "<i2").tobytes(), "<i2") + (
        4000 * (np.sin(2 * np.pi * 697 * np.arange(4000) / 8000) + np.sin(2 * np.pi * 1209 * np.arange(4000) / 8000))
    ).astype("<i2")
    for sound in (from_linear(noise), from_linear(keys.tobytes()), silence(2)):
        assert Tones().feed(sound) == []
    heard: list[Tone] = []
    for sound in SPEECH.values():
        heard += Tones().feed(sound)
    assert not [one for one in heard if one.over and one.seconds >= 0.2]


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(max_size=2000), max_size=10), st.text(max_size=200))
def test_whatever_is_heard_is_judged(sounds: list[bytes], words: str) -> None:
    one = judged(*sounds, words=words)
    assert (one.why == "") is (one.who is AnsweredParty.UNKNOWN)


SCREENS = [
    "Hi, if you record your name and reason for calling, I'll see if this person is available.",
    "Hi, the person you're calling is using a screening service from Google and will get a copy of this conversation.",
    "Go ahead and say your name and why you are calling.",
    "Diga su nombre y el motivo de la llamada.",
    "Dites votre nom et la raison de votre appel.",
    "Bitte nennen Sie Ihren Namen und den Grund Ihres Anrufs.",
    "Por favor, diga o seu nome e o motivo da chamada.",
    "Dica il suo nome e il motivo della chiamata.",
    "अपना नाम और कॉल करने का कारण बताइए।",
]


@pytest.mark.faults("D16")
def test_a_company_s_queue_is_no_answering_machine() -> None:
    """Where the agent walks through menus; it rings with the tone of a beep, too."""
    one = AnsweringMachineDetector(menus=True)
    one.hear(talk(2.0))
    one.understand("Thank you for calling Acme. We will answer as soon as possible. Nobody is not available.")
    assert one.who is AnsweredParty.UNKNOWN
    one.understand("Please hold.")
    assert one.who is AnsweredParty.MENU
    for _ in range(3):
        one.hear(talk(2.0) + tone(425, 1.0, 8000) + silence(1))
    assert one.who is AnsweredParty.MENU
    one.understand("Please leave a message after the tone.")
    assert one.who is AnsweredParty.MACHINE


def test_a_call_screen_that_asks_for_a_key_is_a_screen_also_for_who_walks_through_menus() -> None:
    one = AnsweringMachineDetector(menus=True)
    one.understand("We're screening our calls. Please say your name after the tone then press hash.")
    assert one.who is AnsweredParty.SCREEN


@pytest.mark.parametrize("text", SCREENS)
def test_a_call_screen_is_no_machine_however_much_of_it_was_heard(text: str) -> None:
    one, words = judged(silence(0.3), talk(3.0), silence(0.3)), text.split()
    for many in range(1, len(words)):
        one.understand(" ".join(words[:many]), final=False)
        assert one.who is not AnsweredParty.MACHINE
    one.understand(text)
    assert one.who is AnsweredParty.SCREEN
    one.hear(talk(2.0) + silence(0.3) + tone(1000, 0.4, 8000) + silence(0.5))
    assert one.who is AnsweredParty.SCREEN, "its beep is none of a machine"
    assert not one.understand("Thanks, please stay on the line.")


@pytest.mark.faults("D16")
@pytest.mark.parametrize(
    ("then", "who"),
    [
        ("Hello? Who is this?", AnsweredParty.HUMAN),
        ("Please leave your message after the tone.", AnsweredParty.MACHINE),
    ],
)
def test_what_comes_after_a_call_screen(then: str, who: AnsweredParty) -> None:
    one = AnsweringMachineDetector()
    one.understand(SCREENS[0])
    assert one.understand(then)
    assert one.who is who


def test_a_machine_whose_sentence_begins_like_a_call_screens_is_one_when_it_is_complete() -> None:
    one = AnsweringMachineDetector()
    assert not one.understand("the person you are calling is not", final=False)
    assert one.understand("The person you are calling is not available.")
    assert one.who is AnsweredParty.MACHINE
