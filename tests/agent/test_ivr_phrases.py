"""What menus, queues and people say."""

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
