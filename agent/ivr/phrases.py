"""Phrases of telephone menus and of queues, in the languages of the agents; all are matched at once."""

import re

_DIGIT = r"(?:[0-9]|one|two|three|four|five|six|seven|eight|nine|zero|star|pound|hash)\b"
_KEY = rf"(?:{_DIGIT}|any key\b)(?! (?:of|more|hundred|thousand|million)\b)"
_KEYED = (
    r"(?:numbers?|code|pin|passcode|password|digits?|extension|date|year|zip|amount|account|card|id|name|selection"
    r"|choice|option|keys?|pound|hash|star|keypad)\b"
)
_STARTS = r"(?:^|[.,;:!?] )(?:and |or |then )?"
MENU = {
    "en": rf"(?:press|dial|push|enter|hit) (?:or say )?{_KEY}|say or press"
    rf"|{_STARTS}{_DIGIT} (?:for .{{2,60}}?[,.;]? (?:and |or )?{_DIGIT} for|to (?:reach|speak))\b"
    rf"|(?:press|enter|key in) (?:your|the) (?:[\w'-]+ ){{0,6}}?{_KEYED}|followed by the (?:pound|hash|star)"
    rf"|{_STARTS}(?:(?:this is|you are in) the )?main menu|(?:return|back|go) to the (?:main|previous) menu"
    r"|following (?:menu|options)|your menu options|listen .{0,40}\boptions|options have (?:recently )?changed",
    "es": r"(?:oprima|presione|pulse|marque|digite)(?: el| la)? (?:\d|uno|dos|tres|cuatro|cinco|seis|siete|ocho"
    r"|nueve|cero"
    r"|asterisco|numeral|almohadilla|su)|menú principal|siguientes opciones",
    "fr": r"(?:tapez|appuyez sur|faites|composez)(?: le| la touche)? (?:\d|une touche"
    r"|un(?=[.,;:!]|$| (?:pour|si|et|ou)\b)|deux|trois|quatre|cinq|six|sept|huit|neuf|zéro"
    r"|étoile|dièse|votre)|menu principal|choix suivants",
    "de": r"(?:drücken|wählen) sie (?:bitte )?(?:die )?(?:\d|eins|zwei|drei|vier|fünf|sechs|sieben|acht|neun|null"
    r"|stern|raute)"
    r"|geben sie (?!(?:mir|uns|ihm|ihnen)\b).{0,40} ein\b|hauptmenü|folgenden? (?:optionen|auswahl)",
    "pt": r"(?:digite|pressione|tecle|disque|marque) (?:o |a )?(?:\d|um(?=[.,;:!]|$| (?:para|se|e|ou)\b)|dois|três"
    r"|quatro|cinco|seis|sete|oito|nove|zero"
    r"|asterisco|cardinal|jogo|seu)|menu principal|seguintes opções",
    "it": r"(?:premere|premi|prema|digitare|digiti|digita)(?: il| la)? (?:tasto )?(?:\d|uno|due|tre|quattro|cinque"
    r"|sei|sette|otto"
    r"|nove|zero|asterisco|cancelletto|il)|menu principale|seguenti opzioni",
    "hi": r"(?:के लिए|हेतु) .{0,15}(?:\d|एक|दो|तीन|चार|पाँच|पांच|छह|सात|आठ|नौ|शून्य) .{0,6}दबा|दबाएँ|दबाएं|dabaye"
    r"|मुख्य मेनू",
}
"""By ISO 639-1 code: regular expressions for texts that ask for a key."""
HOLD = {
    "en": r"(?:please |kindly )(?:hold|wait|stay on the line|remain on the line)|(?:hold|stay|remain) on the line"
    r"|your call is"
    r" (?:very )?important|(?:agents?|representatives?|advisors?|operators?|lines?) (?:are"
    r"|is) (?:all )?(?:currently |still )?(?:busy"
    r"|assisting|helping|speaking)|next available|in the (?:order|queue)|(?:number|caller"
    r"|position) .{0,12} in (?:the )?(?:line|queue)"
    r"|(?:estimated|expected|average) wait|answered (?:shortly|in the order)|thank you for (?:holding|waiting"
    r"|your patience"
    r"|continuing to hold)|(?:connect|transfer)(?:ing)? (?:you|your call)|(?:be|with you) (?:right|shortly)"
    r"|high(?:er)? (?:than"
    r" normal )?call volume|this call (?:may be|is|will be) (?:being )?(?:recorded|monitored)|one moment",
    "es": r"no cuelgue|permanezca en (?:la )?línea|su llamada es (?:muy )?importante|en breve|espere|todos nuestros"
    r"|gracias por (?:esperar|su paciencia)|será (?:atendid|grabada)|transferimos|un momento|tiempo de espera",
    "fr": r"ne quittez pas|(?:veuillez|merci de) (?:patienter|rester|votre patience)"
    r"|votre appel est (?:très )?important"
    r"|tous nos (?:conseillers|agents)|temps d'attente|mis en relation|un instant|(?:est|être) enregistré",
    "de": r"bleiben sie .{0,12}(?:apparat|leitung|dran)|ihr anruf ist uns|(?:bitte )?(?:warten|gedulden) sie"
    r"|nächste(?:r|n)? freie"
    r"|alle (?:unsere )?(?:mitarbeiter|leitungen|plätze)|wartezeit|vielen dank für ihre geduld|werden verbunden"
    r"|einen moment"
    r"|aufgezeichnet|position .{0,12} warteschlange",
    "pt": r"(?:aguarde|permaneça) (?:na|em)? ?linha|aguarde|sua (?:ligação|chamada) é (?:muito )?importante"
    r"|todos (?:os )?nossos"
    r"|tempo de espera|obrigad[oa] por aguardar|transferindo|um momento|será gravada",
    "it": r"(?:resti|rimanga|attenda) in linea|(?:la preghiamo di )?attendere|la sua chiamata è|tutti i nostri"
    r"|tempo di attesa"
    r"|grazie per (?:l'attesa|aver atteso)|la stiamo trasferendo|un attimo|sarà registrata|prossimo operatore",
    "hi": r"कृपया (?:प्रतीक्षा|लाइन पर|होल्ड)|आपकी कॉल (?:हमारे लिए )?(?:बहुत )?महत्वपूर्ण|सभी .{0,30}व्यस्त"
    r"|प्रतीक्षा समय|लाइन पर बने"
    r"|kripya (?:pratiksha|line)",
}
"""By ISO 639-1 code: regular expressions for texts that callers hear while they wait."""
PERSON = {
    "en": r"(?:i'm|i've|i'd|i'll|my)\b|i (?:can|will|have|see|help|am|do|need|got|understand|was|just)\b"
    r"|(?:can|may|could|do|did|shall|should|am) i\b|(?:give|tell|for|with|to) me\b|how (?:can|may) we\b"
    r"|this is (?!(?:the|an?|your|our|not|being)\b)\w|speaking\W*$"
    r"|what(?:'s| is| was) (?:your|the)\b|go ahead",
    "es": r"(?:me llamo|mi nombre|soy|puedo|podría|tengo|dígame|cuénteme)\b|le (?:habla|atiende|saluda|ayudo)\b"
    r"|(?:cuál|cómo) (?:es|se) ",
    "fr": r"(?:je|moi|mon)\b|j'|puis-je|à l'appareil|c'est (?!(?:le|la|un|une|à)\b)\w+ (?:de|du|à)\b"
    r"|quel(?:le)? est\b",
    "de": r"(?:ich|mir|mich|meine?)\b|hier (?:ist|spricht) (?!(?:die|der|das)\b)\w|am apparat"
    r"|(?:wie|was) (?:ist|lautet) ihre?\b",
    "pt": r"(?:meu nome|me chamo|sou|posso|poderia|tenho)\b|(?:aqui|quem fala) é\b|(?:você|o senhor|a senhora) fala com"
    r"|qual (?:é|o seu)\b",
    "it": r"(?:mi chiamo|il mio|posso|potrei|potrebbe|mi (?:dica|dice|può))\b|sono \w+ (?:del|dell'|dal|di)\b"
    r"|qual è",
    "hi": r"(?:मैं|मेरा|मेरी|मुझे|mera|mujhe)(?!\w)|बोल रह|(?:क्या है|बताइए)",
}
"""By ISO 639-1 code: regular expressions for words of a person who has come. Recordings say "we" and "you", persons say
"I"."""
_MENU = re.compile("|".join(MENU.values()))
_HOLD = re.compile("|".join(HOLD.values()))
_PERSON = re.compile(rf"(?<!\w)(?:{'|'.join(PERSON.values())})")
_AWAY = re.compile(
    r"\b(?:i'll|i will|i'm|i am|let me|i)(?: (?:just|now|going to|try to|will))* (?:connect|transfer|put|check|look"
    r"|be (?:right|back|with))"
    r"|\bich (?:verbinde|stelle|schaue|sehe|bin gleich)|\bje (?:vous (?:mets|passe|transfère)|vérifie|regarde|reviens)"
    r"|\b(?:i'm|i am) (?:\w+ )?sorry\b|\bi (?:do )?apologi[sz]e\b|\bgive me (?:just )?(?:a|one)\b"
    r"|\bes tut mir (?:\w+ )?leid\b|\bentschuldigen sie mich\b|\bje (?:suis (?:\w+ )?désolée?\b|m'excuse\b)"
    r"|मुझे खेद"
)
"""Phrases by which both persons and recordings ask the caller to wait, or apologise for it."""
_OWN = re.compile(
    r"\b(?:i|we|he|she|let me|let us|let's|did you|have you)(?:'ll|'d|'m|'ve| will| would| can| could| just| then"
    r"| have to| had to| need to| want to| am going to| going to)* (?:press|dial|push|enter|hit|key in)\b"
)
"""Phrases by which a person speaks of keys, or asks about them: menus say what the caller is to do."""
_END = re.compile(r"(?<=[.?!।])\s+")
LITTLE = 3
"""Most words of a sentence that says nothing, if it stands beside one that asks to wait."""


def asks_for_keys(text: str) -> bool:
    """Whether `text` is a menu that asks for a key."""
    return _MENU.search(_OWN.sub(" ", _plain(text))) is not None


def asks_to_wait(text: str) -> bool:
    """Whether nothing but a request to wait is said. A question to the caller, or a person's greeting, is more."""
    plain = _plain(text)
    if "?" in plain or _PERSON.search(_HOLD.sub(" ", _AWAY.sub(" ", plain))):
        return False
    sentences = _END.split(plain)
    rest = [one for one in sentences if not _HOLD.search(one)]
    return len(rest) < len(sentences) and all(len(one.split()) <= LITTLE for one in rest)


def _plain(text: str) -> str:
    return " ".join(text.lower().replace("’", "'").split())
