"""Phrases of a call screen after its first request, in the languages of the agents; all are matched at
once. Other words are said by the person whom the call is for."""

import re
from enum import Enum

from sipgw.calls.machine_phrases import HOLDS


class Further(Enum):
    """The meaning of words after a call screen's request."""

    AGAIN = "it asks once more"
    CHECKING = "it asks the person"
    REFUSED = "nobody takes the call"
    OTHER = "no screen says it"


AGAIN = {
    "en": r"(?:didn't|did not|couldn't|could not) (?:quite )?(?:catch|get|hear|understand)|repeat|say (?:it|that) again"
    r"|(?:try|speak) (?:again(?! later)|more clearly|louder)|urgent|tell (?:me|us) more|more (?:details|information)",
    "es": r"no (?:lo |le |te )?(?:he )?(?:entend|escuch|oí)|repet|repit|otra vez|urgente|más (?:información|detalles)",
    "fr": r"(?:pas|mal) (?:bien )?(?:compris|entendu|saisi)|répéte|urgent|en dire plus|plus de (?:détails|précisions)",
    "de": r"nicht (?:ganz |richtig |gut )?verstanden|wiederhol|noch ?(?:ein)?mal|dringend|mehr dazu|genauer sagen",
    "pt": r"não (?:entendi|compreendi|ouvi)|repet|repit|de novo|novamente|urgente|mais (?:informações|detalhes)",
    "it": r"non ho (?:capito|sentito)|ripet|di nuovo|urgente|più (?:informazioni|dettagli)",
    "hi": r"(?:समझ|सुन) नहीं|दोहरा|फिर से|दोबारा|ज़रूरी|जरूरी|और जानकारी",
}
"""By ISO 639-1 code: a repeated request, or a request for more."""
CHECKING = {
    "en": r"(?:i'll|i will|let me|we'll|we will|i'm going to) (?:just |now |go )?(?:check|see if|see whether|ask|try"
    r"|find out|connect|transfer|put you|look)|(?:checking|connecting|trying|contacting|reaching|ringing|notifying)\b"
    r"|(?:one|just a|a) (?:moment|second|minute)|bear with|please (?:remain|stay)",
    "es": r"(?:voy a|déjeme|permítame|un segundo)|(?:compruebo|consulto|pregunto|verifico)|(?:consult|comprob|verific"
    r"|conect|contact)ando|espere|manténgase|(?:intentar|tratar)(?:é|emos)",
    "fr": r"je (?:vérifie|demande|regarde|vais|vous (?:mets|passe|transfère))|patient(?:ez|er)|un moment"
    r"|(?:veuillez|merci de) attendre|établi(?:r|s|t)? la connexion"
    r"|en cours|ne raccrochez",
    "de": r"ich (?:frage|prüfe|schaue|sehe|verbinde|versuche|kläre|stelle)\b|(?:wird|werde) (?:gefragt|verbunden"
    r"|durchgestellt)|einen (?:moment|augenblick)|wird (?:nun |jetzt )?(?:benachrichtigt|angerufen)",
    "pt": r"(?:vou|deixe-me) (?:verificar|ver|perguntar|consultar|tentar|transferir|checar)|(?:verific|consult|conect"
    r"|tent|transfer)(?:ando|indo)|um (?:momento|instante)|espere",
    "it": r"(?:verifico|controllo|chiedo|provo|vedo se|sto (?:chiam|contatt|verific|collegand))|un (?:attimo|momento)"
    r"|attend[ae]",
    "hi": r"पूछ(?:ता|ती|कर)|(?:देख|जाँच|जांच)(?:ता|ती) ह|कनेक्ट|एक (?:मिनट|क्षण|पल)|प्रतीक्षा|होल्ड",
}
"""By ISO 639-1 code: thanks, and phrases that the person is being asked."""
REFUSED = {
    "en": r"(?:isn't|is not|aren't|are not) (?:available|accepting|taking|able)|unavailable"
    r"|(?:let|tell) (?:them|him|her|this person)(?: know)? (?:that )?you(?:'ve| have)? (?:called|rang)"
    r"|(?:can't|cannot|can not|won't be able to|unable to) (?:take|answer|accept|come)|(?:declined|rejected)"
    r"|please (?:call|try) (?:back |again )?later|pass (?:it|this|that) on|good ?bye"
    r"|have a (?:nice|good|great) (?:day|one)",
    "es": r"no (?:está|se encuentra) disponible|no (?:puede|acepta|desea)|(?:diré|informaré|avisaré) (?:de )?que"
    r"|adiós|hasta luego|buen día\W*$|rechazad",
    "fr": r"(?:n'est|est) pas disponible|ne (?:peut|souhaite|prend) pas|(?:dirai|préviendrai|informerai)"
    r"|au revoir|bonne journée|refusé",
    "de": r"nicht (?:verfügbar|erreichbar|zu sprechen|möglich)|(?:kann|möchte) (?:den|ihren) anruf|richte (?:es )?aus"
    r"|(?:sage|gebe) .{0,20}(?:bescheid|dass sie angerufen)|auf wiederhören|abgelehnt",
    "pt": r"não (?:está|se encontra) disponível|não (?:pode|aceita|deseja) (?:atender|a )|(?:avisarei|direi|vou avisar)"
    r"|tchau|adeus|até logo|tenha um bom|recusad",
    "it": r"non è disponibile|non (?:può|vuole|accetta) (?:rispondere|la)|(?:riferirò|dirò|avviserò)"
    r"|arrivederci|buona giornata|rifiutat",
    "hi": r"उपलब्ध नहीं|(?:बात|कॉल) नहीं|बता (?:दूँगा|दूँगी|दूंगा|दूंगी)|अलविदा",
}
"""By ISO 639-1 code: phrases that nobody takes the call."""
_FURTHER = (
    (Further.REFUSED, re.compile("|".join(REFUSED.values()))),
    (Further.AGAIN, re.compile("|".join(AGAIN.values()))),
    (Further.CHECKING, re.compile("|".join((HOLDS, *CHECKING.values())))),
)
TONE = re.compile(
    r"\b(?:the|a) (?:tone|beep|signal)\b|signalton|piepton|nach dem ton|le (?:bip|signal)|la tonalité"
    r"|(?:la señal|el tono)|o (?:sinal|bip)\b|il (?:segnale|bip|tono)\b|टोन|बीप"
)
"""Phrases of a prompt that ends with a tone."""


def further(plain: str) -> Further:
    """Meaning of these words of a call screen, in lower case, that follow its request."""
    return next((what for what, one in _FURTHER if one.search(plain)), Further.OTHER)
