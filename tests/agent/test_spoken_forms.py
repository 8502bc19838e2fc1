"""Money, ranges, percentages and abbreviations in each language of the agents, and what is left as it is."""

import pytest

from agent.call_languages import NAMES
from agent.speakable import speakable
from agent.spoken_forms import FORMS, in_words

SPOKEN = {
    "en": [
        ("We are open 9-5.", "We are open 9 to 5."),
        ("Mon-Fri 9-5, Sat. – Sun. closed", "Monday to Friday 9 to 5, Saturday to Sunday closed"),
        ("Monday–Friday", "Monday to Friday"),
        ("9am-5pm or 9:30-17:00", "9 AM to 5 PM or 9:30 to 17 o'clock"),
        ("10–12 people, 3-5%", "10 to 12 people, 3 to 5 percent"),
        ("$1000-2000", "1000 to 2000 dollars"),
        ("Dr. Smith and Prof. Lee", "Doctor Smith and Professor Lee"),
        ("e.g. at 123 Main St.", "for example at 123 Main Street."),
        ("E.g. so. I.e. that", "For example so. That is that"),
        ("It is at St. John's, No. 5, Apt. 12, etc.", "It is at Saint John's, number 5, Apartment 12, et cetera."),
        ("Mail a.b@x.org or call 555-123-4567", "Mail a dot b at x dot org or call 5 5 5, 1 2 3, 4 5 6 7"),
        ("code AB12", "code A B 1 2"),
        ("John Smith Jr. and Paul Lee Sr.", "John Smith Junior and Paul Lee Senior."),
        ("Ext. 12, 5 ft. 10 in. tall, 1 ft. wide", "Extension 12, 5 feet 10 inches tall, 1 foot wide"),
        ("Tue, Thurs. and Sat.", "Tuesday, Thursday and Saturday."),
        ("John Smith, Jr., is here", "John Smith, Junior, is here"),
    ],
    "de": [
        ("Das kostet 1.250,50 € oder 12 €.", "Das kostet 1250 Euro und 50 Cent oder 12 Euro."),
        ("€ 1,01 und EUR 20 und 1 CHF", "1 Euro und 1 Cent und 20 Euro und 1 Franken"),
        ("10–15 €, 12,50-15 €", "10 bis 15 Euro, 12,50 bis 15 Euro"),
        ("10–12 Personen, 3-5 %", "10 bis 12 Personen, 3 bis 5 Prozent"),
        ("Mo., Di. und Do.", "Montag, Dienstag und Donnerstag."),
        ("Mo-Fr 9-17 Uhr", "Montag bis Freitag 9 bis 17 Uhr"),
        ("10:30-11:15 Uhr", "10:30 bis 11:15 Uhr"),
        ("5 Mio. € bzw. 2 Mrd. Euro", "5 Millionen Euro beziehungsweise 2 Milliarden Euro"),
        ("Z. B. Dr. Roth, Hauptstr. 5 usw.", "Zum Beispiel Doktor Roth, Hauptstraße 5 und so weiter."),
        ("ca. 20 Min.", "circa 20 Minuten."),
        ("1 Mio. €, 1 Mrd. Euro, 1 Std., 1 Min.", "1 Million Euro, 1 Milliarde Euro, 1 Stunde, 1 Minute."),
        ("21 Mio. €, 1,1 Mio. €, 5 Tsd. €", "21 Millionen Euro, 1,1 Millionen Euro, 5 Tausend Euro"),
        ("Hans Roth jun., Max Roth sen.", "Hans Roth Junior, Max Roth Senior."),
        ("nach Art. 5 Abs. 2", "nach Artikel 5 Absatz 2"),
        ("d.h. Nr. 5, Tel. 030 1234567", "das heißt Nummer 5, Telefon 0 3 0, 1 2 3 4 5 6 7"),
        ("ina@x.de, AB12", "ina ät x Punkt de, A B 1 2"),
    ],
    "es": [
        ("Son 1.250,50 € o € 12.", "Son 1250 euros con 50 céntimos o 12 euros."),
        ("1 € y 1,01 €", "1 euro y 1 euro con 1 céntimo"),
        ("US$ 20, 10-15 €", "20 dólares, 10 a 15 euros"),
        ("10–12 personas, 20 %", "10 a 12 personas, 20 por ciento"),
        ("lun, mar y mié", "lunes, martes y miércoles"),
        ("lun-vie 9-17 h", "lunes a viernes 9 a 17 h"),
        ("La Sra. Paz y el Dr. Ruiz, p. ej., Ud.", "La señora Paz y el doctor Ruiz, por ejemplo, usted."),
        ("EE. UU., núm. 5, Avda. Sol", "Estados Unidos, número 5, avenida Sol"),
        ("sáb – dom 10-14", "sábado a domingo 10 a 14"),
        ("Luis Paz Jr., n.º 5 o nº 6", "Luis Paz júnior, número 5 o número 6"),
        ("al 915 123 456", "al 9 1 5, 1 2 3, 4 5 6"),
    ],
    "fr": [
        ("C'est 1 250,50 € ou 1 €.", "C'est 1250 euros et 50 centimes ou 1 euro."),
        ("1\u202f250 € et $20", "1250 euros et 20 dollars"),
        ("10–12 personnes, 20 %, 3-5 %", "10 à 12 personnes, 20 pour cent, 3 à 5 pour cent"),
        ("9h-17h, lun-ven 9-17", "9h à 17h, lundi à vendredi 9 à 17"),
        ("M. Roy et Mme Roy, Dr Petit", "Monsieur Roy et Madame Roy, docteur Petit"),
        ("p. ex. env. 5 km, c.-à-d. n° 5, etc.", "par exemple environ 5 km, c'est-à-dire numéro 5, et cetera."),
        ("Paul Roy Jr.", "Paul Roy junior."),
        ("06 12 34 56 78", "0 6, 1 2, 3 4, 5 6, 7 8"),
    ],
    "it": [
        ("Costa 1.250,50 € o 1 €.", "Costa 1250 euro e 50 centesimi o 1 euro."),
        ("$20, 10-15 €", "20 dollari, 10 a 15 euro"),
        ("10–12 persone, 20%", "10 a 12 persone, 20 per cento"),
        ("lun-ven ore 9-17", "lunedì a venerdì ore 9 a 17"),
        ("Il Sig. Rossi e la Dott.ssa Verdi", "Il signor Rossi e la dottoressa Verdi"),
        ("Luca Rossi jr.", "Luca Rossi junior."),
        ("ad es., ecc.", "ad esempio, eccetera."),
    ],
    "pt": [
        ("São R$ 1.250,50 ou R$ 1.", "São 1250 reais e 50 centavos ou 1 real."),
        ("US$ 20, 10-15 €, 2,01 €", "20 dólares, 10 a 15 euros, 2 euros e 1 cêntimo"),
        ("10–12 pessoas, 20%", "10 a 12 pessoas, 20 por cento"),
        ("José Lima Jr. chegou", "José Lima Júnior chegou"),
        ("seg-sex 9-17 h", "segunda a sexta 9 a 17 h"),
        ("A Sra. Lima e o Dr. Sá, p. ex., n.º 5", "A senhora Lima e o doutor Sá, por exemplo, número 5"),
    ],
    "hi": [
        ("₹1,20,000 और ₹1", "120000 रुपये और 1 रुपया"),
        ("₹1.50", "1 रुपया और 50 पैसे"),
        ("डॉ. शर्मा, 20%", "डॉक्टर शर्मा, 20 प्रतिशत"),
        ("9-17 बजे, 10–12 लोग, 5–6 दिन", "9 से 17 बजे, 10 से 12 लोग, 5 से 6 दिन"),
    ],
}  # fmt: skip
LEFT = [
    ("en", "They won 9-5, then 12-4."),
    ("en", "rooms 10-12, flight 10–8"),
    ("en", "2024–2025 and 1–0"),
    ("en", "on Main St. Mary waits"),
    ("en", "Main St. John"),
    ("de", "1,250 €, 1.25 €, 1,250.50 €"),
    ("de", "Raum 9-5, 12-14, 3–2 Tore"),
    ("de", "Fr. Sommer"),
    ("de", "am 5. Jun. um 9"),
    ("en", "to Sr. Gomez"),
    ("de", "vom 12.-15.11.2026"),
    ("de", "am 1.–3. Mai"),
    ("es", "$5, $1,250"),
    ("es", "No. Sra. mía"),
    ("fr", "1.250 €, 9-5"),
    ("it", "n. di telefono"),
    ("pt", "$ 5"),
    ("hi", "₹1.5"),
    ("pt", "R$ 5 milhões, R$ 1 mil"),
    ("hi", "₹5 लाख"),
    ("es", "US$ 5 millones"),
    ("de", "€ 5 Millionen"),
    ("it", "€ 5 milioni"),
    ("fr", "$5 millions, la mer – mar"),
    ("de", "Mir geht es so-so, so und so."),
    ("en", "We sat – sun on our backs"),
    ("en", "open 24-7"),
    ("de", "offen 1-0"),
    ("nl", "10–12 mensen, 20%, € 5, bijv."),
]
"""What may mean several things."""


def test_every_language_of_the_agents_has_its_forms_and_a_table() -> None:
    assert set(FORMS) == set(SPOKEN) == set(NAMES)


@pytest.mark.parametrize(
    ("language", "text", "spoken"), [(language, *row) for language, rows in SPOKEN.items() for row in rows]
)
def test_what_has_one_meaning_is_said_in_words(language: str, text: str, spoken: str) -> None:
    assert speakable(text, language) == spoken


@pytest.mark.parametrize(("language", "text"), LEFT)
def test_what_is_ambiguous_is_left_to_the_voice(language: str, text: str) -> None:
    assert in_words(text, language) == text


@pytest.mark.parametrize("language", FORMS)
@pytest.mark.parametrize(
    "text", ["1-" * 5000, "1.250 " * 2000, "€1,5" * 3000, "Mon-" * 3000, "9 – " * 4000, "a. " * 5000]
)
def test_hostile_text_takes_no_time(language: str, text: str) -> None:
    assert len(in_words(text, language)) <= 4 * len(text)
