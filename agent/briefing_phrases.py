"""The sentences of a briefing, by language."""

from dataclasses import dataclass

from agent.llm import Message

SUMMARISE = (
    "You hand the caller over to a colleague. Tell the colleague, in one short plain sentence in {language} that is "
    "spoken on the telephone, who calls and what they want, without greeting. Say nothing else."
)


@dataclass(frozen=True)
class BriefingPhrases:
    """The sentences, and the name of the language for the model, which writes the sentence about the call."""

    language: str = "English"
    opening: str = "A caller for you."
    question: str = "Say yes or press 1 to take the call, say no or press 2 to decline."
    accepted: str = "I connect you."
    declined: str = "All right. Goodbye."

    @property
    def summarise(self) -> str:
        """Request to the model for a summary."""
        return SUMMARISE.format(language=self.language)


def is_request(message: Message) -> bool:
    """Whether `message` asks a model for that sentence, in whatever language."""
    return str(message.get("content")).startswith(SUMMARISE.partition("{")[0])


BRIEFINGS = {
    "en": BriefingPhrases(),
    "es": BriefingPhrases(
        "Spanish", "Una llamada para usted.",
        "Diga sí o pulse 1 para atender la llamada, diga no o pulse 2 para rechazarla.",
        "Le paso la llamada.", "De acuerdo. Adiós.",
    ),
    "fr": BriefingPhrases(
        "French", "Un appel pour vous.",
        "Dites oui ou appuyez sur 1 pour prendre l'appel, dites non ou appuyez sur 2 pour refuser.",
        "Je vous mets en relation.", "Très bien. Au revoir.",
    ),
    "de": BriefingPhrases(
        "German", "Ein Anruf für Sie.",
        "Sagen Sie ja oder drücken Sie die 1, um ihn anzunehmen; sagen Sie nein oder drücken Sie die 2, um abzulehnen.",
        "Ich verbinde Sie.", "In Ordnung. Auf Wiederhören.",
    ),
    "pt": BriefingPhrases(
        "Portuguese", "Uma chamada para você.",
        "Diga sim ou tecle 1 para atender, diga não ou tecle 2 para recusar.",
        "Vou conectar a chamada.", "Tudo bem. Até logo.",
    ),
    "it": BriefingPhrases(
        "Italian", "Una chiamata per lei.",
        "Dica sì o prema 1 per rispondere, dica no o prema 2 per rifiutare.",
        "La metto in comunicazione.", "Va bene. Arrivederci.",
    ),
    "hi": BriefingPhrases(
        "Hindi", "आपके लिए एक कॉल है।",
        "कॉल लेने के लिए हाँ कहिए या 1 दबाइए, मना करने के लिए नहीं कहिए या 2 दबाइए।",
        "मैं आपको जोड़ता हूँ।", "ठीक है। नमस्ते।",
    ),
}  # fmt: skip
"""By ISO 639-1 code."""


def briefing_in(code: str) -> BriefingPhrases:
    """The sentences in a language; in English where there are none."""
    return BRIEFINGS.get(code, BRIEFINGS["en"])
