"""Sentences out of a stream, and text made fit to be spoken."""

import pytest

from agent.sentences import FIRST_CLAUSE, LONGEST, SentenceCutter
from agent.speakable import speakable


def cut(text: str, step: int, language: str = "en") -> list[str]:
    cutter = SentenceCutter(language)
    pieces = [piece for at in range(0, len(text), step) for piece in cutter.feed(text[at : at + step])]
    return pieces + cutter.flush()


@pytest.mark.parametrize("step", [1, 3, 1000])
@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Hello. How are you?", ["Hello.", "How are you?"]),
        ("It costs 3.50 dollars. Fine.", ["It costs 3.50 dollars.", "Fine."]),
        ("Mr. Smith is here. Really!", ["Mr. Smith is here.", "Really!"]),
        ("We open at 9 a.m. on Monday. Good.", ["We open at 9 a.m. on Monday.", "Good."]),
        ("Well... I see. Yes", ["Well...", "I see.", "Yes"]),
        ('He said "no." Then left.', ['He said "no."', "Then left."]),
        ("Two ways: 1. Wait. 2. Call. Fine?", ["Two ways: 1.", "Wait.", "2. Call.", "Fine?"]),
        ("1. Wait.\n2. Call.", ["1. Wait.", "2. Call."]),
        ("One\nTwo\n\nThree", ["One", "Two", "Three"]),
        ("你好。再见。", ["你好。", "再见。"]),
        ("", []),
        ("   ", []),
    ],
)
def test_sentences(text: str, pieces: list[str], step: int) -> None:
    assert cut(text, step) == pieces


@pytest.mark.parametrize(
    ("language", "words", "pieces"),
    [
        ("en", ["Hmm…", " okay.", " Is it 5 lbs.", " or 6?", " no."], ["Hmm… okay.", "Is it 5 lbs. or 6?", "no."]),
        ("de", ["Mo.", " bis", " Fr.", " offen.", " Gut."], ["Mo. bis Fr. offen.", "Gut."]),
        ("es", ["Lun.", " a", " vie.", " abierto.", " Sí."], ["Lun. a vie. abierto.", "Sí."]),
    ],
)
def test_no_sentence_ends_before_a_small_letter(language: str, words: list[str], pieces: list[str]) -> None:
    cutter = SentenceCutter(language)
    assert [piece for word in words for piece in cutter.feed(word)] + cutter.flush() == pieces


def test_a_sentence_and_its_space_are_spoken_before_more_text_comes() -> None:
    """A server that thinks for long between two sentences sends the first one whole."""
    assert SentenceCutter("en").feed("This is a long story. ") == ["This is a long story."]


@pytest.mark.parametrize("step", [1, 3, 1000])
@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de", "Der Termin ist am 3. November um 10 Uhr.|Passt das?"),
        ("de", "Vom 12.11. bis 15.11. in 10:30.|Gut."),
        ("de", "Das sind z.B. für Sie ca. 50 Euro, d.h. Nr. 5 bzw. 6 usw. am 5. Nov. um 9.|Ja."),
        ("de", "Bestell-Nr. 5, USt-IdNr. DE1, 50 ct. Rabatt, lt. Vertrag Frau Dr. med. Roth.|Gut."),
        ("de", "Hauptstr. 5 im 2. Stock.\n|Gut."),
        ("de", "Max Roth sen. und Hans Roth jun. zahlen 10 €/Std. netto.|Er fährt 90 km/h.|Gut."),
        ("de", "Er sagte: „Ja.“|Sie rief: »Nein!«|»Gut.«|Dann."),
        ("es", "La Sra. García y el Dr. Ruiz, núm. 5, de EE.UU. o EE. UU., Ud. sabe, a las 5 p. m. en punto.|Sí."),
        ("es", "Vino ref. AB, art. 5.|Sí."),
        ("es", "No.|Está en la Avda. Sol."),
        ("fr", "Elle a dit « À bientôt. »|Puis non."),
        ("fr", "« Oui. |À demain. »|M. et Mme. Roy, av. Foch, p. ex. env. 5 km, c.-à-d. ici.|Bon."),
        ("fr", "« À bientôt. », dit-elle.|« Bon ! »"),
        ("pt", "A Sra. Lima e o Prof. Sá, às 5, av. Brasil, pág. 2, máx. 5.|Sim."),
        ("it", "Il Sig. Rossi della Fiat S.p.A. di Roma, ad es. ca. 5 mln. di euro.|Bene."),
        ("hi", "डॉ. शर्मा आए।|ठीक है।"),
        ("en", "Elm Ave. near the U.S. embassy, Apt. 5, on Nov. 5.|Good."),
        ("en", "No.|We meet in room No. 5 at 10.|Good."),
        ("en", "Elm Ave.\n|“Good.”|“Yes.”"),
    ],
)
def test_ordinals_and_abbreviations_end_no_sentence_and_quotations_end_with_theirs(
    language: str, text: str, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.sentences.FIRST_CLAUSE", 1000)
    separated = text.replace("\n|", "\n").replace(" |", " ").replace("|", " ")
    assert cut(separated, step, language) == [piece.strip() for piece in text.split("|")]


def test_the_first_piece_may_be_a_clause_and_later_ones_not() -> None:
    text = "Your order seven three four six, a blue raincoat, is out, today. It comes at six, or seven. Yes."
    pieces = cut(text, 5)
    assert pieces[0] == "Your order seven three four six,"
    assert len(pieces[0]) >= FIRST_CLAUSE
    assert pieces[1:] == ["a blue raincoat, is out, today.", "It comes at six, or seven.", "Yes."]


@pytest.mark.parametrize("step", [1, 4, 1000])
@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Well, okay, let me look that up for you,| and then I tell you."),
        ("en", "Unfortunately, Mr. Henderson, it is late."),
        ("en", "Of course, Mr. Henderson, I can do it."),
        ("en", "Thank you for calling Acme Plumbing,| how can I help?"),
        ("en", "Our branches are in Berlin, Hamburg, and Cologne."),
        ("en", "Our branches are in Berlin, Hamburg and Cologne."),
        ("en", "You can have two apples, three pears, or a plum."),
        ("en", "Here are your three options:| a car, a bus or a train."),
        ("en", "I looked it up for you —| it is on its way."),
        ("en", "We are open today from 10 – 12 and then again."),
        ("en", "That makes 1,250 dollars in all,| which I can book."),
        ("en", "Yes, of course, gladly, no problem, sir."),
        ("de", "Das kostet bei uns im Monat nur 49,– € und mehr nicht."),
        ("de", "Selbstverständlich, Frau Schneider, das geht."),
        ("de", "Ich sehe gerade nach, wann der Termin ist."),
        ("de", "Ich habe das für Sie nachgesehen,| der Termin ist frei."),
        ("es", "Muy bien, señora García, ahora mismo."),
        ("fr", "Je regarde tout de suite votre dossier,| un instant s'il vous plaît."),
        ("it", "Abbiamo mele rosse e gialle, pere, uva e altro ancora."),
        ("pt", "Claro, com certeza, vou ver isso agora,| um momento por favor."),
    ],
)
def test_the_first_piece_is_a_clause_that_makes_sense(language: str, text: str, step: int) -> None:
    assert cut(text.replace("|", ""), step, language)[0] == text.partition("|")[0]


def test_text_without_any_end_is_cut_at_a_space() -> None:
    pieces = cut("word " * 200, 7)
    assert all(len(piece) <= LONGEST for piece in pieces)
    assert " ".join(pieces).split() == ["word"] * 200


@pytest.mark.parametrize("step", [1, 7])
def test_nothing_is_lost(step: int) -> None:
    text = "A b.c, d! (e?) «f» 3.4.5 ... g; h — i. " * 5
    assert "".join("".join(cut(text, step)).split()) == "".join(text.split())


@pytest.mark.faults("D14")
@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("It costs $5M this year.", "It costs 5 million dollars this year."),
        ("$50-60 a night", "50 to 60 dollars a night"),
        ("from $5-$10, or €5 – 7", "from 5 to 10 dollars, or 5 to 7 euros"),
        ("$3.50-$4.25", "3 dollars and 50 cents to 4 dollars and 25 cents"),
        ("£100k, $2.5B and $5-10 million", "100 thousand pounds, 2.5 billion dollars and 5 to 10 million dollars"),
        ("$1M-$2M or $1M-2M", "1 to 2 million dollars or 1 to 2 million dollars"),
        ("£1k-2k", "1 to 2 thousand pounds"),
        ("$500k – $2M", "500 thousand to 2 million dollars"),
        ("$2k – $500", "2 thousand dollars to 500 dollars"),
        ("We have $5m-10 people.", "We have 5 million dollars-10 people."),
        ("$10-15%", "10 dollars to 15 percent"),
        ("$5x and $7 mangos", "$5x and 7 dollars mangos"),
    ],
)
def test_ranges_and_millions_of_money(text: str, spoken: str) -> None:
    assert speakable(text, "en") == spoken


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("Your **order** is `ready`.", "Your order is ready ."),
        ("- one\n- two", "one two"),
        ("See [our page](https://x.example/y).", "See our page."),
        ("Visit https://www.shop.example/a?b=c now", "Visit shop dot example now"),
        ("It is $3.50 or €1.", "It is 3 dollars and 50 cents or 1 euro."),
        ("₹1,200", "1,200 rupees"),
        ("It is $50, not $1234567.00.", "It is 50 dollars, not 1,234,567 dollars."),
        ("$1.5 million", "1.5 million dollars"),
        ("on 2026-11-05.", "on November 5, 2026."),
        ("on 2026-13-05", "on 2026-13-05"),
        ("Call (415) 555-0123", "Call 4 1 5, 5 5 5, 0 1 2 3"),
        ("20% off", "20 percent off"),
        ("at 15:00", "at 15 o'clock"),
        ("Order 7346.", "Order 7 3 4 6."),
        ("Order 30865 is here", "Order 3 0 8 6 5 is here"),
        ("in 2026", "in 2026"),
        ("Call +1 415-555-0123 please", "Call plus 1, 4 1 5, 5 5 5, 0 1 2 3 please"),
        ("code AB12C", "code A B 1 2 C"),
        ("Great 😀!", "Great !"),
        ("salt & pepper", "salt and pepper"),
        ("⭐ Great ⏰ 1️⃣ • 2", "Great 1 2"),
        ("from 9am to 5:30pm.", "from 9 AM to 5:30 PM."),
        ("Jan. 5, 2026, 3 Sept. at noon, on Nov. 5.", "January 5, 2026, 3 September at noon, on November 5."),
        ("ref AB-123, INV-2024-001, COVID-19", "ref A B, 1 2 3, I N V, 2 0 2 4, 0 0 1, COVID-19"),
        ("US$20, C$5.50, -A$1", "20 US dollars, 5 Canadian dollars and 50 cents, minus 1 Australian dollar"),
    ],
)
def test_text_is_made_speakable(text: str, spoken: str) -> None:
    assert speakable(text, "en") == spoken


@pytest.mark.parametrize(
    ("language", "text", "spoken"),
    [
        ("es", "Cuesta 1500 euros.", "Cuesta 1500 euros."),
        ("en", "It costs 1500 dollars, order 1500.", "It costs 1500 dollars, order 1 5 0 0."),
        ("de", "Bestellung 30865 am Montag, 30865 m lang", "Bestellung 3 0 8 6 5 am Montag, 30865 m lang"),
        ("de", "1.250.000 Euro, 1.250.000 Menschen", "1.250.000 Euro, 1.250.000 Menschen"),
        ("fr", "1 250 000 euros, 1 250 000 habitants", "1 250 000 euros, 1 250 000 habitants"),
        ("es", "915 123 456 euros o 915 123 456", "915 123 456 euros o 9 1 5, 1 2 3, 4 5 6"),
        ("fr", "1500 ¥, ¥ 1500, 1500¥ et 20000 roupies", "1500 ¥, ¥ 1500, 1500¥ et 20000 roupies"),
        ("pt", "R$ 1500 ou US$ 12500", "1500 reais ou 12500 dólares"),
        ("hi", "1500 रुपये", "1500 रुपये"),
        ("es", "EUR 12345.67 o 12345,67", "EUR 12345.67 o 12345,67"),
        ("en", "EUR 12345.67", "12,345 euros and 67 cents"),
        ("en", "CHF 12345.67 in all", "CHF 12345.67 in all"),
        ("en", "at 10AM or 12PM, 100MB, code 10AX", "at 10 AM or 12 PM, 100 MB, code 1 0 A X"),
        ("en", "9:00 AM or 9:00 p.m. or 9:00", "9 AM or 9 p.m. or 9 o'clock"),
        ("en", "9:00:30", "9:00:30"),
        ("en", "(2024-2025)", "(2024-2025)"),
        ("en", "(415-555-0123)", "(4 1 5, 5 5 5, 0 1 2 3)"),
        ("en", "123-45-6789", "1 2 3, 4 5, 6 7 8 9"),
        ("fr", "06.12.34.56.78", "0 6, 1 2, 3 4, 5 6, 7 8"),
        ("fr", "le 2026-11-05 10:30", "le 2026-11-05 10:30"),
        ("de", "12.11. - 15.11.2026", "12.11. - 15.11.2026"),
        ("de", "vom 12.-15.11.2026 um 10:30", "vom 12.-15.11.2026 um 10:30"),
        ("de", "am 15. 11. 2026 10:30 Uhr", "am 15. 11. 2026 10:30 Uhr"),
        ("en", "See https://shop.example.", "See shop dot example."),
        ("en", "See https://shop.example/returns?a=1, then call", "See shop dot example, then call"),
        ("en", "(https://shop.example:80/a)", "(shop dot example)"),
        (
            "de",
            "Siehe www.example.de, Example.com oder shop.example.de/a?b=1.",
            "Siehe example Punkt de, Example Punkt com oder shop Punkt example Punkt de.",
        ),
        ("es", "tienda.es y www.tienda.example", "tienda punto es y tienda punto example"),
        (
            "en",
            "example.com: or (example.co.uk), jo.com@example.com",
            "example dot com: or (example dot co dot uk), jo dot com at example dot com",
        ),
        ("en", "Done.it is e.g.in 1.5.de, report.pdf, U.S.de", "Done.it is e.g.in 1.5.de, report.pdf, U.S.de"),
        ("nl", "www.example.nl en https://www.example.nl/a", "example.nl en example.nl"),
        ("de", "Tel.: 030/123456 oder (030) / 12 34 56", "Telefon: 0 3 0, 1 2 3 4 5 6 oder 0 3 0, 1 2, 3 4, 5 6"),
        ("de", "+49 30/1234567, 0171 / 1234567.", "plus 4 9, 3 0, 1 2 3 4 5 6 7, 0 1 7 1, 1 2 3 4 5 6 7."),
        ("fr", "02/123.45.67", "0 2, 1 2 3, 4 5, 6 7"),
        ("de", "am 01/02 um 10, 05/2026, 01/02/2026", "am 01/02 um 10, 05/2026, 01/02/2026"),
        ("en", "john_smith@example.com?", "john underscore smith at example dot com?"),
        ("en", "_jo-12345678@example.com_", "jo dash 1 2 3 4 5 6 7 8 at example dot com"),
        ("es", "ana.1985@ejemplo.es.", "ana punto 1 9 8 5 arroba ejemplo punto es."),
        ("nl", "jan_s@example.nl", "jan_s@example.nl"),
        ("en", "an _important_ order_id, ___", "an important order id,"),
        ("en", '<b>hi</b><br/><a href="x">you</a>, 3 < 4', "hi you , 3 < 4"),
    ],
)
def test_what_a_number_or_an_address_is_decides_how_it_is_said(language: str, text: str, spoken: str) -> None:
    assert speakable(text, language) == spoken


@pytest.mark.parametrize(
    "hostile",
    [
        "1" * 20_000,
        "*" * 20_000,
        "a-" * 10_000,
        "$" * 20_000,
        "[" * 20_000,
        "[a](" * 5_000,
        "\n" * 20_000,
        "1 " * 10_000,
        "A1" * 10_000,
        "$" + "1" * 20_000,
        "<a" * 10_000,
        "_" * 20_000,
        "a@" * 10_000,
        "a" * 20_000,
        "1.250" * 4_000,
        "250 " * 5_000,
        "12.11. - " * 2_000,
        "https://" + "." * 20_000,
        "a.b" * 7_000,
        "030/" * 5_000,
        "+1 1 /" * 4_000,
    ],
    ids=range(21),
)
def test_hostile_text_stays_bounded(hostile: str) -> None:
    assert len(speakable(hostile, "en")) <= 2 * len(hostile)


def test_half_characters_and_control_characters_reach_no_voice() -> None:
    assert cut("Hi \ud83d\ude00 there. Odd \ud800 one.", 1) == ["Hi \U0001f600 there.", "Odd \ufffd one."]
    assert cut("Hi\x00\x07there. One\nTwo", 3) == ["Hi  there.", "One", "Two"]
