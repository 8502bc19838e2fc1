"""Words of mails about messages, in the languages of their owners."""

from typing import NamedTuple


class MailWords(NamedTuple):
    """The words of one language."""

    message: str
    """The subject; ``{name}`` and ``{number}`` stand for those of the caller."""
    urgent_message: str
    name: str
    number: str
    urgency: str
    levels: tuple[str, str, str]
    """Names of the levels low, normal and urgent."""
    taken: str
    recording: str
    """The sentence on the recording, in all mails of a call but the first."""


LEVELS = ("low", "normal", "urgent")
WORDS = {
    "en": MailWords(
        "Message from {name}, {number}", "Urgent message from {name}, {number}", "Name", "Call back", "Urgency", LEVELS,
        "Taken by the agent {agent} at {at}, in the call {call}.",
        "If the call was recorded, the recording is with its first message.",
    ),
    "de": MailWords(
        "Nachricht von {name}, {number}", "Dringende Nachricht von {name}, {number}", "Name", "Rückruf an",
        "Dringlichkeit", ("niedrig", "normal", "dringend"),
        "Angenommen vom Agenten {agent} um {at}, im Anruf {call}.",
        "Wenn der Anruf aufgezeichnet wurde, liegt die Aufnahme bei seiner ersten Nachricht.",
    ),
    "fr": MailWords(
        "Message de {name}, {number}", "Message urgent de {name}, {number}", "Nom", "À rappeler au", "Urgence",
        ("faible", "normale", "urgent"), "Pris par l'agent {agent} à {at}, pendant l'appel {call}.",
        "Si l'appel a été enregistré, l'enregistrement est joint à son premier message.",
    ),
    "es": MailWords(
        "Mensaje de {name}, {number}", "Mensaje urgente de {name}, {number}", "Nombre", "Devolver la llamada a",
        "Urgencia", ("baja", "normal", "urgente"), "Tomado por el agente {agent} a las {at}, en la llamada {call}.",
        "Si la llamada se grabó, la grabación está con su primer mensaje.",
    ),
    "pt": MailWords(
        "Mensagem de {name}, {number}", "Mensagem urgente de {name}, {number}", "Nome", "Retornar para", "Urgência",
        ("baixa", "normal", "urgente"), "Anotada pelo agente {agent} às {at}, na chamada {call}.",
        "Se a chamada foi gravada, a gravação está na primeira mensagem dela.",
    ),
    "it": MailWords(
        "Messaggio di {name}, {number}", "Messaggio urgente di {name}, {number}", "Nome", "Richiamare al", "Urgenza",
        ("bassa", "normale", "urgente"), "Preso dall'agente {agent} alle {at}, nella chiamata {call}.",
        "Se la chiamata è stata registrata, la registrazione è con il suo primo messaggio.",
    ),
    "hi": MailWords(
        "{name}, {number} का संदेश", "{name}, {number} का ज़रूरी संदेश", "नाम", "वापस कॉल करें", "तात्कालिकता",
        ("कम", "सामान्य", "ज़रूरी"), "एजेंट {agent} ने {at} पर कॉल {call} में लिया।",
        "अगर कॉल रिकॉर्ड हुई, तो रिकॉर्डिंग उसके पहले संदेश के साथ है।",
    ),
}  # fmt: skip
"""The words by ISO 639-1 code."""


def words_in(language: str) -> MailWords:
    """The words of `language`; English if the language is unknown."""
    return WORDS.get(language, WORDS["en"])
