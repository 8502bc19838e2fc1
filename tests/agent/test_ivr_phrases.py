"""What menus, queues and people say."""

import re
import tomllib
from pathlib import Path

import pytest

from agent.ivr.phrases import asks_for_keys, asks_to_wait

DATA = Path(__file__).parents[1] / "data"


@pytest.mark.parametrize(
    ("text", "keys", "waits"),
    [
        ("For billing, press 2.", True, False),
        ("Press or say three for the pharmacy.", True, False),
        ("Para español, oprima el dos.", True, False),
        ("Pour le service client, tapez 1.", True, False),
        ("Für den Kundendienst drücken Sie die 3.", True, False),
        ("Para vendas, digite 1.", True, False),
        ("Per assistenza, premere 2.", True, False),
        ("सेल्स के लिए 1 दबाएँ।", True, False),
        ("Your call is important to us. Please stay on the line.", False, True),
        ("Please hold. What is your date of birth?", False, False),
        ("Ne quittez pas, tous nos conseillers sont en ligne.", False, True),
        ("Bitte warten Sie. Sie werden verbunden.", False, True),
        ("I am in a hurry, so press on.", False, False),
        ("Hello, this is Ann, how can I help you?", False, False),
        ("Sure, one second. Let me read the number to you: four, two, one.", False, False),
    ],
)
def test_what_menus_and_queues_say(text: str, keys: bool, waits: bool) -> None:
    assert (asks_for_keys(text), asks_to_wait(text)) == (keys, waits)


@pytest.mark.parametrize(
    "greeting",
    [
        "Thank you for holding, this is Ann from support, how can I help you?",
        "Thank you for your patience, my name is Ann, may I have your order number?",
        "Thanks for waiting on the line. Thank you for holding. Ann speaking.",
        "Thank you for waiting, what is your order number?",
        "I'm sorry for the wait, I'm Ann. Thank you for holding.",
        "I'm sorry about that, thank you for holding, this is Ann.",
        "Gracias por esperar, le habla Ana de soporte, ¿en qué puedo ayudarle?",
        "Gracias por su paciencia, me llamo Ana.",
        "Merci de votre patience, Anne à l'appareil, que puis-je faire pour vous ?",
        "Merci de patienter, c'est Anne du support.",
        "Vielen Dank für Ihre Geduld, mein Name ist Anna Schmidt, was kann ich für Sie tun?",
        "Vielen Dank für Ihre Geduld, hier ist Anna vom Kundendienst.",
        "Obrigada por aguardar, aqui é a Ana do suporte, em que posso ajudar?",
        "Obrigado por aguardar, meu nome é João.",
        "Grazie per l'attesa, sono Anna dell'assistenza, come posso aiutarla?",
        "Grazie per aver atteso, mi chiamo Anna.",
        "कृपया लाइन पर बने रहने के लिए धन्यवाद, मैं अंजलि बोल रही हूँ, आपकी क्या मदद कर सकती हूँ?",
    ],
)
def test_who_picks_up_from_a_queue_is_no_recording(greeting: str) -> None:
    bare = re.sub(r"[.,?¿]", "", greeting).lower()
    assert not asks_to_wait(greeting)
    assert not asks_to_wait(bare)


@pytest.mark.parametrize(
    "recording",
    [
        "Your call is very important to us and will be answered in the order it was received.",
        "All our agents are busy helping other customers, so the wait may be longer than usual.",
        "One moment, I'll connect you.",
        "I'm sorry, all of our representatives are currently assisting other customers. Please stay on the line.",
        "I am very sorry, all our agents are busy. Please hold.",
        "I'm sorry for the delay, your call is important to us.",
        "I apologize, all our agents are still busy. Please hold.",
        "Please hold. Give me one moment.",
        "Es tut mir leid, alle Mitarbeiter sind im Gespräch. Bitte bleiben Sie in der Leitung.",
        "Entschuldigen Sie mich bitte, einen Moment.",
        "Je suis désolé, tous nos conseillers sont en communication. Veuillez patienter.",
        "Je suis désolée, tous nos conseillers sont en ligne. Merci de patienter.",
        "मुझे खेद है, कृपया प्रतीक्षा करें।",
        "The next available agent will be with you to help you.",
        "Let me transfer your call. Please hold.",
        "Todos nuestros agentes están ocupados, no cuelgue, por favor.",
        "Merci de patienter, tous nos conseillers sont en communication.",
        "Bitte bleiben Sie am Apparat. Ich verbinde Sie, einen Moment bitte.",
        "Bitte warten Sie, der nächste freie Mitarbeiter ist gleich für Sie da.",
        "Sua ligação é muito importante para nós, aguarde na linha.",
        "Tutti i nostri operatori sono occupati, la preghiamo di attendere in linea.",
        "I nostri operatori sono occupati, ma resti in linea.",
        "This is our main office, please hold.",
        "सभी प्रतिनिधि व्यस्त हैं, कृपया लाइन पर बने रहें।",
    ],
)
def test_what_a_queue_says_asks_to_wait(recording: str) -> None:
    assert asks_to_wait(recording)


@pytest.mark.parametrize(
    "text",
    [
        "I have one for Tuesday.",
        "We have two to speak to you.",
        "There is one to reach the station.",
        "I will press one for you.",
        "Did you press two?",
        "Let me just enter your account number.",
        "You can enter the building from the back.",
        "Press the bell when you are here.",
        "We have the main menu or the lunch menu.",
        "We have a few menu options for groups.",
        "I hit two cars on the way.",
        "Push one of them to me, please.",
        "One for me, please.",
        "Geben Sie mir ein paar Minuten.",
        "Vous faites un virement.",
        "Marque um horário no site.",
    ],
)
def test_what_people_say_about_keys_and_numbers_is_no_menu(text: str) -> None:
    assert not asks_for_keys(text)


@pytest.mark.parametrize(
    "text",
    [
        "One for sales, two for support.",
        "Or zero to speak to an operator.",
        "Please listen carefully, as our menu options have changed.",
        "Main menu.",
        "To return to the main menu, press star.",
        "Enter the last four digits of your card.",
        "Please enter your date of birth.",
        "Please press the pound key.",
        "You can press 1 at any time.",
        "Press any key to go on.",
        "Geben Sie bitte Ihre Kundennummer ein.",
        "Pour les ventes, faites le un.",
        "Dites votre nom et appuyez sur une touche.",
        "Tapez un pour les ventes.",
        "Para vendas, digite um.",
        "Digite um para vendas.",
        "Geben Sie Ihr Geburtsdatum ein.",
        "one for sales two for support",
        "Enter your ten-digit card number.",
    ],
)
def test_menus_are_known_in_other_words(text: str) -> None:
    assert asks_for_keys(text)


def test_no_person_of_the_screening_corpus_is_a_menu_and_no_sentence_of_a_menu_is_lost() -> None:
    people = DATA.joinpath("screening", "people.tsv").read_text("utf-8").splitlines()
    assert [line for line in people if asks_for_keys(line.partition("\t")[2])] == []
    said = [tomllib.loads(path.read_text("utf-8"))["places"].values() for path in DATA.joinpath("menus").glob("*.toml")]
    menus = [" ".join(place["says"]) for places in said for place in places if place.get("keys")]
    assert menus and [one for one in menus if not asks_for_keys(one)] == []
