"""Spoken forms of signs beside numbers in each language: minus, degrees, per, fractions, comparisons. Sans-IO.

Only a sign with one meaning is changed: "1/2" may be a date, "A/B" a name. Numbers stay in digits.
"""

import re
from functools import cache

_LANGUAGES = ("en", "de", "es", "fr", "it", "pt", "hi")
_NUMBER = r"\d{1,9}(?:[.,]\d{1,3}){0,3}"
_ALONE = r"(?<![\w./,:+-])"
"""Nothing before a number or word that it could be a part of."""
_LETTER = r"(?:[^\W\d_]|[\u0900-\u0963])"
_COIN = r"(?:(?:\b(?:R|US|[AC]))?\$|[€£₹])"
_LENGTH = (
    r"(?:[cmk]?m|mm|ft|in|feet|foot|inch(?:es)?|(?:Zenti)?[Mm]eter|(?:centi)?(?:m[eè]tres?|meters?|metr[oi]s?)|मीटर)\b"
)
_MEASURED = (
    rf"(?:{_NUMBER}(?:\s?(?:to|bis|a|à|से|[–—])\s?[-−–+]?{_NUMBER})?\s?(?:[%°º]|{_COIN}|(?:EUR|USD|CHF|GBP|[Dd]egrees?|Grad"
    rf"|grad[oi]s?|degrés?|graus?|[Pp]ercent|Prozent)\b|डिग्री|प्रतिशत)|{_COIN}\s?\d)"
)
"""A number that a plus or minus may belong to; "-5" alone may be the end of a range or a score."""
_SIGNED = r"(?<![^\s(*_„“\"«])(?<![\d%°€] )"
_SHARES = "|".join(f"{share}/{100 - share}" for share in range(10, 100, 10))
_WITHIN = rf"(?:(?<={_LETTER} )|(?<=[,:;] )|(?<=\())"
"""Not at the beginning of a line, where ">" quotes, and not after a number."""
_SUM = rf"({_COIN}?\s?{_NUMBER})(?![A-Z\d]|\s?>)"
"""A number to compare with, and no item of a menu: "Settings > 2 > Network"."""

_KEY = rf"(?<={_LETTER} )(\*\*|[\"'“„«`]?){{0}}(?:\*\*|[\"'”“»`])?(?=[\s.,;:!?)]|-{_LETTER}|$)"
"""A key of a telephone that stands alone, perhaps between quotation marks or in bold; "(*)" stands beside its name."""

_EVERYWHERE = (
    (r"(?<=\d),[-–]{1,2}(?=\s|[.!?;:)]|€|$)", "||||||"),
    (r"(?<=\d)\.[-–](?=\s?CHF\b)", "||||||"),
    (r"(\bCHF \d{1,9})\.[-–](?![\w-])", r"\1|\1|\1|\1|\1|\1|\1"),
    (rf"{_SIGNED}[-–](?={_MEASURED})", "minus |minus |menos |moins |meno |menos |माइनस "),
    (r"(?<!\w)−\s?(?=\d)", "minus |minus |menos |moins |meno |menos |माइनस "),
    (rf"{_SIGNED}\+(?={_MEASURED})", "plus |plus |más |plus |più |mais |प्लस "),
    (
        r"±\s?(?=\d)",
        "plus or minus |plus oder minus |más o menos |plus ou moins |più o meno |mais ou menos |प्लस माइनस ",
    ),
    (r"(?<![~\w])[≈~]\s?(?=\d)", "about |etwa |aproximadamente |environ |circa |cerca de |लगभग "),
    (rf"≥\s?(?=\d|{_COIN})", "at least |mindestens |al menos |au moins |almeno |pelo menos |कम से कम "),
    (rf"≤\s?(?=\d|{_COIN})", "at most |höchstens |como máximo |au plus |al massimo |no máximo |अधिकतम "),
    (
        rf"{_WITHIN}<\s?{_SUM}",
        r"less than \1|weniger als \1|menos de \1|moins de \1|meno di \1|menos de \1|\1 से कम",
    ),
    (rf"{_WITHIN}>\s?{_SUM}", r"more than \1|mehr als \1|más de \1|plus de \1|più di \1|mais de \1|\1 से ज़्यादा"),
    (
        rf"(?<=\d)\s?[x×]\s?(?={_NUMBER}(?:\s?[x×]\s?{_NUMBER}){{0,2}}\s?{_LENGTH})",
        " by | mal | por | sur | per | por | गुणा ",
    ),
    (r"(?<=\d)(?:\s?×\s?| [x*] )(?=\d)", " times | mal | por | fois | per | vezes | गुणा "),
    (
        rf"(?<=\d)(?:\s?×(?=\s{_LETTER})|(?<=\b\d)x(?=\s(?:a|per|daily|weekly|pro|täglich|am|im|al|por|par|ao)\b))",
        " times| mal| veces| fois| volte| vezes| बार",
    ),
    (r"§§\s?(?=\d)", "sections |Paragrafen |párrafos |paragraphes |paragrafi |parágrafos |धाराएँ "),
    (r"§\s?(?=\d)", "section |Paragraf |párrafo |paragraphe |paragrafo |parágrafo |धारा "),
    (_KEY.format("#"), "pound|Raute|almohadilla|dièse|cancelletto|jogo da velha|हैश"),
    (_KEY.format(r"\*"), "star|Stern|asterisco|étoile|asterisco|asterisco|स्टार"),
    (
        r"(?<![\w#*])\*(?=\d{1,4}(?![\w*]))(?![^*\n]*[^\s*]\*)",  # no other one ends an emphasis that it begins
        "star |Stern |asterisco |étoile |asterisco |asterisco |स्टार ",
    ),
    (
        r"(?<=\d)#(?=[\s.,;:!?)]|$)",
        ", pound|, Raute|, almohadilla|, dièse|, cancelletto|, jogo da velha|, हैश",
    ),
    (
        r"(?:(?<!\w)(?i:number|no\.|nummer|nr\.|n[uú]m[eé]ro|n\.?[º°]|नंबर)\s)?(?<![\w#&/])#(?=\d)",
        "number |Nummer |número |numéro |numero |número |नंबर ",
    ),
    (
        r"(?<![\w.])(?:(?i:versione?|versión|versão|वर्ज़न)\s)?[vV](\d{1,3})\.(\d{1,3})\.(\d{1,3})(?!\w|\.\d)",
        (
            r"version \1 point \2 point \3|Version \1 Punkt \2 Punkt \3|versión \1 punto \2 punto \3|"
            r"version \1 point \2 point \3|versione \1 punto \2 punto \3|versão \1 ponto \2 ponto \3|"
            r"वर्ज़न \1 पॉइंट \2 पॉइंट \3"
        ),
    ),
    (
        r"(?<![\w.])(?:(?i:versione?|versión|versão|वर्ज़न)\s)?[vV](\d{1,3})\.(\d{1,3})(?!\w|\.\d)",
        (
            r"version \1 point \2|Version \1 Punkt \2|versión \1 punto \2|version \1 point \2|versione \1 punto \2|"
            r"versão \1 ponto \2|वर्ज़न \1 पॉइंट \2"
        ),
    ),
    (
        rf"{_ALONE}(?={_SHARES})(\d\d)/(\d\d)(?![\w/]|[.,-]\d)",
        r"\1 \2|\1 zu \2|\1 \2|\1 \2|\1 \2|\1 \2|\1 \2",
    ),
    (rf"({_ALONE}{_NUMBER})\s?-\s?(?={_NUMBER}\s?[°º]\s?[CF])", r"\1 to |\1 bis |\1 a |\1 à |\1 a |\1 a |\1 से "),
    (r"(?<![\d.,])1\s?[°º]\s?C(?!\w)", "1 degree|1 Grad|1 grado|1 degré|1 grado|1 grau|1 डिग्री"),
    (r"(?<=\d)\s?[°º]\s?C(?!\w)", " degrees| Grad| grados| degrés| gradi| graus| डिग्री"),
    (
        r"(?<=\d)\s?[°º]\s?F(?!\w)",
        (
            " degrees| Grad Fahrenheit| grados Fahrenheit| degrés Fahrenheit| gradi Fahrenheit| graus Fahrenheit"
            "| डिग्री फ़ारेनहाइट"
        ),
    ),
)
"""Regular expressions for signs, each with the words in every language."""

_OWN = {
    "en": r"""
        24/7(?![\w/])  24 7
        (\d{1,2}) 1/2(?![\w/])  \1 and a half
        (\d{1,2}) 1/4(?![\w/])  \1 and a quarter
        (\d{1,2}) 3/4(?![\w/])  \1 and three quarters
        (?:an? )?1/2(?= (?:of|off|price)\b)  half
        (?:an? )?1/3(?= of\b)  a third
        2/3(?= of\b)  two thirds
        (?:an? )?1/4(?= of\b)  a quarter
        3/4(?= of\b)  three quarters
        (?:an? )?1/2(?= (?:hour|inch|ounce|acre)\b)  half an
        (?:an? )?1/2(?= (?:MEASURE)\b)  half a
        (?:an? )?1/3(?= (?:MEASURE)\b)  a third of a
        2/3(?= (?:MEASURE)\b)  two thirds of a
        (?:an? )?1/4(?= (?:hour|inch|ounce|acre)\b)  a quarter of an
        (?:an? )?1/4(?= (?:MEASURE)\b)  a quarter of a
        3/4(?= (?:hour|inch|ounce|acre)\b)  three quarters of an
        3/4(?= (?:MEASURE)\b)  three quarters of a
        (?<=\d)°(?![\w°])   degrees
    """.replace(
        "MEASURE",
        "cup|mile|pound|lb|gallon|pint|quart|lit(?:er|re)|kilo(?:gram)?|met(?:er|re)|mile|day|year|dozen"
        "|teaspoon|tablespoon|tablet|pill|portion|minute|second",
    ),
    "de": r"""
        24/7(?![\w/])  24 7
        1 1/2(?![\w/])  anderthalb
        (\d{1,2}) 1/2(?![\w/])  \1 einhalb
        (\d{1,2}) 1/4(?![\w/])  \1 einviertel
        (\d{1,2}) 3/4(?![\w/])  \1 dreiviertel
        1/2(?= (?:Stunde|Tasse|Portion|Flasche|Tablette|Seite|Million|Minute|Stelle)\b)  halbe
        1/2(?= (?:Jahr|Pfund|Kilo|Dutzend|Hähnchen|Glas|Kilogramm)\b)  halbes
        (einen )1/2(?= (?:Tag|Liter|Meter|Monat|Kilometer|Teelöffel)\b)  \1halben
        1/2(?= (?:Tag|Liter|Meter|Monat|Kilometer|Teelöffel)\b)  halber
        1/4(?= (?:Stunde|Liter|Jahr|Pfund|Tasse)\b)  viertel
        3/4(?= (?:Stunde|Liter|Jahr|Pfund|Tasse)\b)  dreiviertel
        1/3(?= (?:der|des|aller|davon)\b)  ein Drittel
        2/3(?= (?:der|des|aller|davon)\b)  zwei Drittel
        1/4(?= (?:der|des|aller|davon)\b)  ein Viertel
        3/4(?= (?:der|des|aller|davon)\b)  drei Viertel
        (?<=\d) ?[kT]€   Tausend Euro
        (?<![\d.,])1 ?M€  1 Million Euro
        (?<=\d) ?M€   Millionen Euro
        (?<=\d)°(?![\w°])   Grad
    """,
    "es": r"""
        24/7(?![\w/])  24 7
        (\d{1,2}) 1/2(?= (?:horas?|semanas?|tazas?|docenas?|libras?|cucharadas?|pastillas?)\b)  \1 y media
        (\d{1,2}) 1/2(?![\w/])  \1 y medio
        (\d{1,2}) 1/4(?![\w/])  \1 y cuarto
        (\d{1,2}) 3/4(?![\w/])  \1 y tres cuartos
        1/2(?= (?:hora|docena|taza|jornada|pensión|botella|libra|cucharada|pastilla|ración)\b)  media
        1/2(?= (?:kilo|litro|día|año|metro|kg|mes|vaso)\b)  medio
        (?<!\bel )1/3(?= del?\b)  un tercio
        (?<!\bel )2/3(?= del?\b)  dos tercios
        (?<!\bel )1/4(?= del?\b)  un cuarto
        (?<!\bel )3/4(?= del?\b)  tres cuartos
        1\.?er(?!\w)  primer
        3\.?er(?!\w)  tercer
        (\d{1,2})\.([ºª])  \1\2
        [Cc]/ ?((?:del? |las? |los ){0,2}[A-ZÁÉÍÓÚÑ][a-záéíóúñ])  calle \1
        (mill(?:ón|ones)) €  \1 de euros
        (?<![\d.,])1 ?M€  1 millón de euros
        (?<=\d) ?M€   millones de euros
        (?<=\d) ?k€   mil euros
    """,
    "fr": r"""
        24 ?(?:h|heures)?/24(?![\w/])  24 heures sur 24
        ([1-7]) ?(?:j|jours)/7(?![\w/])  \1 jours sur 7
        (?<=heures sur 24)(,? (?:et )?)7/7(?![\w/])  \g<1>7 jours sur 7
        (?<!\ble )(?<!\bdu )(?<!\bau )24/7(?![\w/])  24 heures sur 24, 7 jours sur 7
        (\d{1,2}) 1/2(?= (?:heures?|journées?|années?|tasses?|livres?|semaines?)\b)  \1 et demie
        (\d{1,2}) 1/2(?![\w/])  \1 et demi
        (\d{1,2}) 1/4(?![\w/])  \1 et quart
        (\d{1,2}) 3/4(?![\w/])  \1 trois quarts
        (?:une )?1/2 (?=(?:heure|journée|tasse|livre|bouteille|pension|portion)\b)  une demi-
        (?:un )?1/2 (?=(?:litre|kilo|jour|tarif|mètre|comprimé)\b)  un demi-
        (?<!\ble )1/3(?= (?:d'|de|des|du)\b)  un tiers
        (?<!\ble )2/3(?= (?:d'|de|des|du)\b)  deux tiers
        (?<!\ble )1/4(?= (?:d'|de|des|du)\b)  un quart
        (?<!\ble )3/4(?= (?:d'|de|des|du)\b)  trois quarts
        (mill(?:ion|iard)s?) €  \1 d'euros
        (?<![\d.,])1 ?M€  1 million d'euros
        (?<=\d) ?M€   millions d'euros
        (?<=\d) ?k€   mille euros
    """,
    "it": r"""
        24 ?(?:h|ore)?/24(?![\w/])  24 ore su 24
        ([1-7]) ?(?:g|gg|giorni)/7(?![\w/])  \1 giorni su 7
        (?<=ore su 24)(,? (?:e )?)7/7(?![\w/])  \g<1>7 giorni su 7
        (?<!\bil )(?<!\bal )(?<!\bdal )(?<!\bdel )24/7(?![\w/])  24 ore su 24, 7 giorni su 7
        (\d{1,2}) 1/2(?![\w/])  \1 e mezzo
        (\d{1,2}) 1/4(?![\w/])  \1 e un quarto
        (\d{1,2}) 3/4(?![\w/])  \1 e tre quarti
        1/2 (?=ora\b)  mezz'
        1/2(?= (?:giornata|bottiglia|pensione|dozzina|porzione|tazza)\b)  mezza
        1/2(?= (?:litro|chilo|metro|mese|etto)\b)  mezzo
        (?<!\bil )1/3(?= d)  un terzo
        (?<!\bil )2/3(?= d)  due terzi
        (?<!\bil )1/4(?= d)  un quarto
        (?<!\bil )3/4(?= d)  tre quarti
        (mili(?:on[ei]|ard[oi])) €  \1 di euro
        (?<![\d.,])1 (?:mln\.? ?€|M€)  1 milione di euro
        (?<=\d) (?:mln\.? ?€|M€)   milioni di euro
        (?<=\d) mld\.? ?€   miliardi di euro
        (?<=\d) ?k€   mila euro
    """,
    "pt": r"""
        (?<!\bdia )(?<!\baté )(?<!\bem )(?<!\bde )(?<!\bno )(?<!\bdo )24/7(?![\w/])  24 por 7
        (\d{1,2}) 1/2(?= (?:horas?|semanas?|xícaras?|dúzias?|libras?|colheres)\b)  \1 e meia
        (\d{1,2}) 1/2(?![\w/])  \1 e meio
        (\d{1,2}) 1/4(?![\w/])  \1 e um quarto
        (\d{1,2}) 3/4(?![\w/])  \1 e três quartos
        1/2(?= (?:hora|dúzia|xícara|pensão|garrafa|libra|colher|porção)\b)  meia
        1/2(?= (?:quilo|litro|dia|ano|metro|kg|mês|copo)\b)  meio
        (?<!\bdia )1/3(?= d[aeo]s?\b)  um terço
        (?<!\bdia )2/3(?= d[aeo]s?\b)  dois terços
        (?<!\bdia )1/4(?= d[aeo]s?\b)  um quarto
        (?<!\bdia )3/4(?= d[aeo]s?\b)  três quartos
        (\d{1,2})\.([ºª])  \1\2
        (milh(?:ão|ões)|bilh(?:ão|ões)) €  \1 de euros
        (?<![\d.,])1 ?M€  1 milhão de euros
        (?<=\d) ?M€   milhões de euros
    """,
    "hi": r"""
        #(?= (?:दब|या))  हैश
        \*(?= (?:दब|या))  स्टार
        24/7(?![\w/])  24 घंटे, सातों दिन
        1 1/2(?![\w/])  डेढ़
        2 1/2(?![\w/])  ढाई
        (\d{1,2}) 1/2(?![\w/])  साढ़े \1
        (\d{1,2}) 1/4(?![\w/])  सवा \1
        1/2(?= (?:घंट|किलो|लीटर|मीटर|दिन|कप|चम्मच))  आधा
        (?<=\d)°(?![\w°])   डिग्री
    """,
}
"""For one language: a regular expression, two spaces, the words. Those that follow an amount begin with a space."""

_PER = {
    "en": "per: month mo=month year yr=year day week wk=week night hour hr=hour h=hour minute min=minute second "
    "s=second person user head seat unit item piece call kg lb=pound pound mile km m² kWh GB MB liter litre gallon",
    "de": "pro: Monat Mon=Monat Jahr Tag Woche Nacht Stunde Std=Stunde h=Stunde Minute Min=Minute min=Minute s=Sekunde "
    "Sekunde Person Nutzer Gast Kind Stück Stk=Stück Anruf Kopf Liter l=Liter kg km m² m³ qm kWh GB MB",
    "es": "al: mes año día trimestre; a la: semana; por: hora h=hora noche minuto min=minuto segundo s=segundo persona "
    "pers=persona usuario niño unidad ud=unidad pieza llamada litro l=litro kg km m² m³ kWh GB MB",
    "fr": "par: mois an année jour j=jour semaine nuit heure h=heure minute min=minute seconde s=seconde personne "
    "pers=personne utilisateur enfant unité pièce appel litre l=litre kg km m² m³ kWh Go Mo",
    "it": "al: mese giorno minuto min=minuto secondo s=secondo kg km m² m³ kWh GB MB litro l=litro chilo pezzo; "
    "alla: settimana; all': anno ora h=ora unità; a: notte persona testa bambino utente chiamata",
    "pt": "por: mês ano dia semana noite hora h=hora minuto min=minuto segundo s=segundo pessoa usuário criança "
    "unidade peça chamada litro l=litro kg km m² m³ kWh GB MB",
    "hi": "प्रति: माह महीना महीने=माह साल वर्ष दिन सप्ताह हफ़्ता रात घंटा घंटे=घंटा मिनट सेकंड व्यक्ति लीटर किलो किमी kg km kWh GB",
}
"""Words for the slash before a unit, each with the units after it; "=" separates an abbreviation from its word."""


def signs_in_words(text: str, language: str) -> str:
    """`text` in `language` (ISO 639-1) with words for signs; unchanged in a language that is not known."""
    per, said_per = _per(language)
    text = per.sub(lambda found: f"{found[1]} {said_per[found[2]]}", text) if said_per else text
    for pattern, said in _patterns(language):
        text = pattern.sub(said, text)
    return text


@cache
def _patterns(language: str) -> list[tuple[re.Pattern[str], str]]:
    """The patterns of a language, made when they are first used."""
    if language not in _LANGUAGES:
        return []
    own = [line.split("  ", 1) for line in map(str.strip, _OWN[language].splitlines()) if line]
    column = _LANGUAGES.index(language)
    rows = [(pattern if pattern.startswith("(?<=") else _ALONE + pattern, said) for pattern, said in own]
    rows += [(pattern, words.split("|")[column]) for pattern, words in _EVERYWHERE]
    return [(re.compile(pattern), said) for pattern, said in rows]


@cache
def _per(language: str) -> tuple[re.Pattern[str], dict[str, str]]:
    """A pattern for a slash between an amount and a unit, and the spoken words for the slash and the unit."""
    said = {}
    for group in filter(None, _PER.get(language, "").split(";")):
        per, units = group.split(":")
        for unit in units.split():
            short, _, whole = unit.partition("=")
            said[short] = f"{per.strip()} {whole or short}".replace("' ", "'")
    unit = "|".join(sorted(map(re.escape, said), key=len, reverse=True))
    what = rf"{_LETTER}[\w\u0900-\u0963]{{0,15}}[²³]?{_COIN}?|{_COIN}"
    amount = rf"{_ALONE}(?:{_COIN}\s?)?\d[\d.,]{{0,15}}\s?(?:{what})?|(?<!\w){_COIN}"
    # A full stop after an abbreviation ends the sentence, too, unless the sentence goes on.
    return re.compile(rf"({amount})\s?/\s?({unit})(?![\w/²³\u0900-\u0963])(?:\.(?=[,;)]|\s[a-zà-ÿ0-9(]))?"), said
