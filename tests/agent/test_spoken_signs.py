"""Signs beside numbers in each language of the agents, and what only looks like one."""

import pytest

from agent.call_languages import NAMES
from agent.speakable import speakable
from agent.spoken_signs import signs_in_words

SPOKEN = {
    "en": [
        ("We are open 24/7.", "We are open 24 7."),
        ("a 50/50 chance, 60/40", "a 50 50 chance, 60 40"),
        ("1/2 cup, 2 1/2 hours", "half a cup, 2 and a half hours"),
        ("in a 1/2 hour, 3/4 mile", "in half an hour, three quarters of a mile"),
        ("2/3 of it, 1/2 of us", "two thirds of it, half of us"),
        ("v2.0.1, V1.5", "version 2 point 0 point 1, version 1 point 5"),
        ("It is -5°C, 1 °C or -5%.", "It is minus 5 degrees, 1 degree or minus 5 percent."),
        ("from -5 to -2 °C", "from minus 5 to minus 2 degrees"),
        ("-$5, +5%, −3", "minus 5 dollars, plus 5 percent, minus 3"),
        ("age ≥ 18, ≤ $20", "age at least 18, at most 20 dollars"),
        ("orders > €50, rides (< 3 miles)", "orders more than 50 euros, rides (less than 3 miles)"),
        ("2 × 4, 2 * 4, 3 x 4 m", "2 times 4, 2 times 4, 3 by 4 m"),
        ("3x daily", "3 times daily"),
        ("$20/month, €5/hr, 60 km/h", "20 dollars per month, 5 euros per hour, 60 km per hour"),
        ("We are #1, order #7346, ticket number #12.", "We are number 1, order number 7 3 4 6, ticket number 12."),
        ("§ 12, §§ 3", "section 12, sections 3"),
        ("Enter it and press #.", "Enter it and press pound."),
        ("Press # or *, *9 or *8, *72#.", "Press pound or star, star 9 or star 8, star 72, pound."),
        ('Press **#** or "*", the star key (*)', "Press pound or star, the star key ( )"),
        ("Use *this* and *9 of* it", "Use this and 9 of it"),
        ("at 1/2 price, the no. #5", "at half price, the number 5"),
        ("~5 km ± 2", "about 5 km plus or minus 2"),
    ],
    "de": [
        ("Drücken Sie die #-Taste oder *.", "Drücken Sie die Raute-Taste oder Stern."),
        ("offen 24/7, 50/50", "offen 24 7, 50 zu 50"),
        ("1/2 Stunde, 1/2 Pfund, 2 1/2 Liter", "halbe Stunde, halbes Pfund, 2 einhalb Liter"),
        ("einen 1/2 Liter, 1 1/2 Tage, 3/4 Stunde", "einen halben Liter, anderthalb Tage, dreiviertel Stunde"),
        ("2/3 der Kunden", "zwei Drittel der Kunden"),
        ("-5°C, −5 °C, -5 %, 90°", "minus 5 Grad, minus 5 Grad, minus 5 Prozent, 90 Grad"),
        ("-5 €, +20 %", "minus 5 Euro, plus 20 Prozent"),
        ("§ 12 BGB, §§ 3", "Paragraf 12 BGB, Paragrafen 3"),
        ("ab ≥ 3, 2 × 4, 3 × 4 cm", "ab mindestens 3, 2 mal 4, 3 mal 4 cm"),
        ("1.234,- €, 5,-- Euro, 49,–€, nur 5,-.", "1234 Euro, 5 Euro, 49 Euro, nur 5."),
        ("CHF 49.-", "49 Franken"),
        ("20 €/Monat, 9 EUR / Jahr, 10 €/Std. netto", "20 Euro pro Monat, 9 Euro pro Jahr, 10 Euro pro Stunde netto"),
        ("30 ct/kWh, 5 €/m², 120 km/h", "30 Cent pro kWh, 5 Euro pro m², 120 km pro Stunde"),
        ("18-20 °C, 49,– €/Jahr", "18 bis 20 Grad, 49 Euro pro Jahr"),
        ("in €/Monat, 10 €/Std.", "in Euro pro Monat, 10 Euro pro Stunde."),
        ("#1, Nummer #5, Version v2.0", "Nummer 1, Nummer 5, Version 2 Punkt 0"),
        ("5 M€, 5 k€", "5 Millionen Euro, 5 Tausend Euro"),
    ],
    "es": [
        ("Pulse # o *.", "Pulse almohadilla o asterisco."),
        ("24/7, 50/50", "24 7, 50 50"),
        ("1/2 hora, 1/2 kilo, 2 1/2 horas", "media hora, medio kilo, 2 y media horas"),
        ("1/3 de los clientes", "un tercio de los clientes"),
        ("-5°C, -5 %, ≥ 3", "menos 5 grados, menos 5 por ciento, al menos 3"),
        ("hace -3 ºC o 20 ºC", "hace menos 3 grados o 20 grados"),
        ("20 €/mes, 5 €/semana, 9 €/h", "20 euros al mes, 5 euros a la semana, 9 euros por hora"),
        ("1.er piso, 2.ª, C/ Mayor, C/ de la Paz", "primer piso, 2ª, calle Mayor, calle de la Paz"),
        ("5 millones €, 1,5 M€", "5 millones de euros, 1,5 millones de euros"),
        ("2 × 4, #1, § 5", "2 por 4, número 1, párrafo 5"),
    ],
    "fr": [
        ("Tapez # ou *9.", "Tapez dièse ou étoile 9."),
        ("24h/24, 7j/7", "24 heures sur 24, 7 jours sur 7"),
        ("24/24 et 7/7", "24 heures sur 24 et 7 jours sur 7"),
        ("24/7, 50/50", "24 heures sur 24, 7 jours sur 7, 50 50"),
        ("une 1/2 heure, 1/2 litre, 1/4 d'heure", "une demi-heure, un demi-litre, un quart d'heure"),
        ("-5°C, -5 %, ≤ 3", "moins 5 degrés, moins 5 pour cent, au plus 3"),
        ("2,5 M€/an, 49,– €", "2,5 millions d'euros par an, 49 euros"),
        ("20 €/mois, 90 km/h", "20 euros par mois, 90 km par heure"),
        ("5 M€, 2 millions €", "5 millions d'euros, 2 millions d'euros"),
        ("2 × 4, #1", "2 fois 4, numéro 1"),
    ],
    "it": [
        ("Premi # o *.", "Premi cancelletto o asterisco."),
        ("24h/24 e 7/7", "24 ore su 24 e 7 giorni su 7"),
        ("1/2 ora, 1/2 litro, 2 1/2", "mezz'ora, mezzo litro, 2 e mezzo"),
        ("-5°C, -5 %, ordini > 3 kg", "meno 5 gradi, meno 5 per cento, ordini più di 3 kg"),
        ("20 €/mese, 9 €/h, 5 €/notte", "20 euro al mese, 9 euro all'ora, 5 euro a notte"),
        ("12 mln €, #1, 2 × 4", "12 milioni di euro, numero 1, 2 per 4"),
    ],
    "pt": [
        ("Digite # ou *, -R$ 5", "Digite jogo da velha ou asterisco, menos 5 reais"),
        ("24/7, 1/2 hora, 1/2 quilo", "24 por 7, meia hora, meio quilo"),
        ("-5°C, -5 %, +5 %", "menos 5 graus, menos 5 por cento, mais 5 por cento"),
        ("R$ 20/mês, 9 €/h", "20 reais por mês, 9 euros por hora"),
        ("mais > 50 €, #1, 2 × 4", "mais mais de 50 euros, número 1, 2 vezes 4"),
    ],
    "hi": [
        ("# या * दबाएं, *9", "हैश या स्टार दबाएं, स्टार 9"),
        ("24/7, 1/2 घंटा, 2 1/2 घंटे", "24 घंटे, सातों दिन, आधा घंटा, ढाई घंटे"),
        ("-5°C, -5%, ₹20/माह", "माइनस 5 डिग्री, माइनस 5 प्रतिशत, 20 रुपये प्रति माह"),
        ("कीमत > ₹500, #1", "कीमत 500 रुपये से ज़्यादा, नंबर 1"),
    ],
}  # fmt: skip
LEFT = [
    ("en", "on 1/2/2026, 1/2/26 or 3/4"),
    ("en", "on 1/2 we are closed, page 1/2"),
    ("en", "and/or, A/B, w/o, day/night, /home/5/day, v1/users/day, api2/user"),
    ("en", "120/80, 9/11, 24/7/365, 20/20 vision"),
    ("en", "3-5 days, 9-5, 4x4, 0x12, $5x, 10 -15"),
    ("en", "5 - 3, A - 5 %, IP-5, 5-5%"),
    ("en", "C#5, &#39; and ##2"),
    ("en", "Settings > 2 > Network, 3 < 4"),
    ("de", "Tag/Nacht, und/oder, am 24.7., 12.– 15. Mai, 5, - so"),
    ("de", "Hauptstr. 1/2"),
    ("es", "el 1/2 a las 5, el 1/3 de marzo, C/D, 1° piso"),
    ("fr", "le 24/7, du 7/7, n°5"),
    ("it", "il 24/7, 1° piano"),
    ("pt", "dia 24/7"),
    ("nl", "-5°C, § 12, €5/maand, #1"),
]
"""What may mean several things, and texts in a language without a table."""


def test_every_language_of_the_agents_has_a_table() -> None:
    assert set(SPOKEN) == set(NAMES)


@pytest.mark.parametrize(
    ("language", "text", "spoken"), [(language, *row) for language, rows in SPOKEN.items() for row in rows]
)
def test_a_sign_with_one_meaning_is_said_in_words(language: str, text: str, spoken: str) -> None:
    assert speakable(text, language) == spoken


@pytest.mark.parametrize(("language", "text"), LEFT)
def test_what_only_looks_like_a_sign_is_left_to_the_voice(language: str, text: str) -> None:
    assert signs_in_words(text, language) == text


@pytest.mark.parametrize("language", SPOKEN)
@pytest.mark.parametrize(
    "text", ["-5 " * 5000, "1/2 " * 5000, "5 €/" * 4000, "1 x " * 4000, "1," * 9000, "v1.2" * 4000, "> 5" * 4000]
)
def test_hostile_text_takes_no_time(language: str, text: str) -> None:
    assert len(signs_in_words(text, language)) <= 6 * len(text)
