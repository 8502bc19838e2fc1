"""What callers say for addresses, numbers, names, amounts and dates, and how it is said back to them."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import TypeAdapter

from agent.collect import PhoneAddress, PhoneAmount, PhoneDate, PhoneEmail, PhoneNumber
from agent.forms.fields import Address, Amount, Email, FormField, FormSetting, Moment, Name, Phone, Postal
from agent.forms.spoken import SIGNS

NOW = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)


def setting(language: str = "en", country: str = "US") -> FormSetting:
    return FormSetting((language,), country, lambda: NOW, ZoneInfo("Europe/Berlin"))


EMAILS = [
    ("en", "my email is john dot smith at example dot com.", "john.smith@example.com"),
    ("en", "J-O-H-N at gmail dot com", "john@gmail.com"),
    ("en", "it's a n n a underscore 4 2 at web dot de", "anna_42@web.de"),
    ("en", "j smith seven at example dot co dot uk", "jsmith7@example.co.uk"),
    ("en", "S as in Sierra m i t h at example dot com", "smith@example.com"),
    ("en", "b double o k at example dot org", "book@example.org"),
    ("en", "John.Smith at example.com", "john.smith@example.com"),
    ("de", "anna punkt meier ät beispiel punkt de", "anna.meier@beispiel.de"),
    ("de", "a wie anton n n a bindestrich meier at web punkt de", "anna-meier@web.de"),
    ("de", "a n doppel n a klammeraffe web punkt de", "annna@web.de"),
    ("es", "juan punto perez guion bajo tres arroba correo punto es", "juan.perez_3@correo.es"),
    ("fr", "marie tiret claire arobase exemple point fr", "marie-claire@exemple.fr"),
    ("pt", "joao ponto silva arroba exemplo ponto com ponto br", "joao.silva@exemplo.com.br"),
    ("it", "mario trattino basso rossi chiocciola esempio punto it", "mario_rossi@esempio.it"),
    ("hi", "rahul डॉट sharma ऐट example डॉट com", "rahul.sharma@example.com"),
]


@pytest.mark.parametrize(("language", "said", "meant"), EMAILS)
def test_an_address_of_email_in_words(language: str, said: str, meant: str) -> None:
    assert Email().read(said, setting(language)) == meant


@pytest.mark.parametrize("language", SIGNS)
def test_what_is_said_back_is_understood_again_and_found_in_what_was_said(language: str) -> None:
    field, how = Email(), setting(language)
    (said,) = field.parts("j.ray_42@example.co.uk", how).values()
    assert field.read(said, how) == "j.ray_42@example.co.uk"
    assert field.stands(said, f"({said})", how)
    assert field.stands(said, "j.ray_42@example.co.uk", how)
    assert not field.stands(said, "j.ray_43@example.co.uk", how)


@pytest.mark.parametrize("said", ["john at", "", "me@", "a@b@c", "john at example", "@example.com"])
def test_what_is_no_address_is_asked_for(said: str) -> None:
    with pytest.raises(ValueError, match="ask the caller"):
        Email().read(said, setting())


PHONES = [
    ("en", "US", "415 double five five 0132", "+14155550132"),
    ("en", "US", "four one five five five five oh one three two", "+14155550132"),
    ("en", "US", "plus four nine eight nine one two three four five six", "+4989123456"),
    ("de", "DE", "null acht neun eins zwo drei vier fünf sechs", "+4989123456"),
    ("fr", "FR", "zéro six, 12 34 56 78", "+33612345678"),
    ("es", "ES", "nueve uno dos tres cuatro cinco seis siete ocho", "+34912345678"),
    ("pt", "BR", "um um nove meia um dois três quatro cinco meia sete", "+5511961234567"),
    ("it", "IT", "zero due uno due tre quattro cinque sei", "+3902123456"),
    ("hi", "IN", "नौ आठ सात छह पांच चार तीन दो एक शून्य", "+919876543210"),
]


@pytest.mark.parametrize(("language", "country", "said", "meant"), PHONES)
def test_a_telephone_number_in_words(language: str, country: str, said: str, meant: str) -> None:
    field, how = Phone(), setting(language, country)
    assert field.read(said, how) == meant
    (back,) = field.parts(meant, how).values()
    assert field.stands(back, f"is it {back}?", how)
    assert not field.stands(back, f"is it {back[:-1]}?", how)


def test_a_number_that_cannot_be_is_asked_for_with_what_was_heard() -> None:
    with pytest.raises(ValueError, match=r"7 digits.*ask the caller for the whole number"):
        Phone().read("555 0132", setting())
    with pytest.raises(ValueError, match="ask the caller for the country"):
        Phone().read("4155550132", setting(country=""))
    assert Phone("DE").read("089 123456", setting(country="US")) == "+4989123456"


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Anna Kowalski", "Anna Kowalski"),
        ("anna kowalski K-O-W-A-L-S-K-I", "Anna Kowalski"),
        ("Kowalsky, K O W A L S K I", "Kowalski"),
        ("k o w a l s k i", "Kowalski"),
        ("J. R. Smith", "J. R. Smith"),
        ("María José", "María José"),
        ("John O'Neil", "John O'Neil"),
        ("Anna Kowalski, KOWALSKY.", "Anna Kowalsky"),
        ("Bo Li, L I", "Bo Li"),
        ("Li, L-I", "Li"),
        ("Bo Li, L-I.", "Bo Li"),
        ("wu, W.U.", "Wu"),
        ("J-P Martin", "J-P Martin"),
        ("Mae M-A Ray", "Mae M-A Ray"),
        ("Mae M A Ray", "Mae M. A. Ray"),
        ("Jane, S as in Sierra M I T H", "Jane Smith"),
        ("Anneliese van der Berg", "Anneliese van der Berg"),
        ("ANNA HANNA", "Anna Hanna"),
        ("MARIA MARINO", "Maria Marino"),
        ("Maria MARINO", "Maria Marino"),
        ("John SMITH-JONES", "John Smith-Jones"),
        ("Ronald McDonald, M C D O N A L D", "Ronald McDonald"),
        ("de la Cruz", "de la Cruz"),
    ],
)
def test_a_name_with_its_spelling(said: str, meant: str) -> None:
    field = Name()
    assert field.read(said, setting()) == meant
    (back,) = field.parts(meant, setting()).values()
    assert field.stands(back, f"so, {meant}?", setting())


@pytest.mark.parametrize("said", ["", "7", "a@b.com", "https://evil.example/login", "x" * 200])
def test_what_is_no_name(said: str) -> None:
    with pytest.raises(ValueError, match="spell it"):
        Name().read(said, setting())


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("1,250.50", "1250.50"), ("1.250,50 €", "1250.50"), ("12 euros 50", "12.50"), ("12 Euro und 50", "12.50"),
        ("25 dollars and 50 cents", "25.50"), ("about 30 dollars", "30.00"), (12.5, "12.50"), ("five", "5.00"),
        ("1,00,000", "100000.00"), ("₹ 2,00,000", "200000.00"), ("2,50,000.50 rupees", "250000.50"),
        ("1.250", "1250.00"), ("It's 30 euros.", "30.00"), ("five euros", "5.00"), ("about 1 250 EUR", "1250.00"),
    ],
)  # fmt: skip
def test_an_amount(said: Any, meant: str) -> None:
    field = Amount("EUR")
    assert field.read(said, setting()) == Decimal(meant)
    (back,) = field.parts(Decimal(meant), setting()).values()
    assert back.endswith(" EUR")
    assert field.stands(back, f"that is {back}", setting())
    assert not field.stands(back, "that is 77", setting())


@pytest.mark.parametrize(
    "said",
    [
        "",
        "much",
        "5 or 6",
        "2000001",
        "1234.567",
        "0.005",
        "-50",
        "10%",
        "1.5 million",
        "5 lakh",
        "2k",
        "two thousand",
        "twenty five",
        "5 hundred 20",
        "5 lakh 20",
        "five and a half",
        "12,34,56",
        "3 dozen",
    ],
)
def test_what_is_no_amount(said: str) -> None:
    with pytest.raises(ValueError, match="ask the caller"):
        Amount().read(said, setting())


def test_a_date_is_on_the_clock_where_the_agent_is_and_said_with_its_weekday() -> None:
    field, how = Moment(), setting()
    when = field.read("2027-07-06T14:30", how)
    assert when.isoformat() == "2027-07-06T14:30:00+02:00", "summer time there, though it is winter now"
    assert field.read("2027-07-06T12:30:00Z", how) == when
    (back,) = field.parts(when, how).values()
    assert back == "Tuesday, 6 July 2027, 2:30 pm"
    assert field.stands(back, "Tuesday the 6th of July at 2:30 pm", how)
    assert not field.stands(back, "Tuesday the 7th of July at 2:30 pm", how)


@pytest.mark.parametrize(
    ("language", "back", "heard", "other"),
    [
        ("en", "Tuesday, 15 December, 3:30 pm", "So December 15th, 3:30 pm?", "15 December, 3:30 am?"),
        (
            "de",
            "Dienstag, 15. Dezember, 15 Uhr 30",
            "Am Dienstag, den 15. Dezember um 15:30 Uhr?",
            "15. Dezember, 15 Uhr?",
        ),
        ("fr", "mardi 15 décembre, 15 heures 30", "Le mardi 15 décembre à 15h30 ?", "Le 15 décembre à 3:30 ?"),
        (
            "es",
            "martes, 15 de diciembre, a las 15:30",
            "El 15 de diciembre a las 3:30 de la tarde?",
            "15 de enero, 15:30?",
        ),
        (
            "pt",
            "terça-feira, 15 de dezembro, às 15:30",
            "Na terça, 15 de dezembro, às 15:30?",
            "16 de dezembro, 15:30?",
        ),
        ("it", "martedì 15 dicembre, alle 15:30", "Il 15 dicembre alle 15:30?", "Mercoledì 15 dicembre alle 15:30?"),
        ("hi", "मंगलवार, 15 दिसंबर, 15:30 बजे", "15 दिसंबर, शाम 3:30 बजे?", "15 जनवरी, 15:30 बजे?"),
    ],
)
def test_a_date_is_said_back_as_the_language_says_it(language: str, back: str, heard: str, other: str) -> None:
    field, how = Moment(), replace(setting(), languages=(language,))
    when = field.read("2026-12-15T15:30", how)
    assert field.parts(when, how) == {"": back}
    assert field.stands(back, back, how) and field.stands(back, heard, how)
    assert not field.stands(back, other, how)


@pytest.mark.parametrize(
    ("said", "why"),
    [("tomorrow", "Monday, 2026-11-23T15:00"), ("2026-11-24", "no time of day"), ("2026-11-22T10:00", "in the past"),
     ("2029-01-01T10:00", "too far away"), ("2027-03-28T02:30", "does not exist")],
)  # fmt: skip
def test_a_date_that_will_not_do(said: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Moment().read(said, setting())


def test_an_address_has_parts() -> None:
    field, how = Postal(), setting(country="DE")
    read = field.read({"street": " Mill  Lane", "number": "3", "postal_code": "8 9 0 7 3", "city": "Ulm"}, how)
    assert field.parts(Address.model_validate(read), how) == {
        "street": "Mill Lane 3", "postal code": "89073", "city": "Ulm",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "heard", "kept", "said", "other"),
    [
        (PhoneAddress, {"street": "MG Road", "number": "१२", "postal_code": "११०००१", "city": "Delhi"},
         Address(street="MG Road", number="12", postal_code="110001", city="Delhi"), "११०००१", "११०००२"),
        (PhoneNumber, "९८७६५ ४३२१०", "+919876543210", "९८७६५४३२१०", "९८७६५४३२११"),
        (PhoneEmail, "ravi४२@example.com", "ravi42@example.com", "r-a-v-i ४२ at example dot com", "ravi४३@example.com"),
        (PhoneAmount, "२,००,०००", Decimal(200000), "₹ २,००,०००?", "₹ २,०००?"),
        (PhoneDate, "२०२६-१२-१५T१५:३०", None, "मंगलवार, १५ दिसंबर २०२६, १५:३० बजे?", "१६ दिसंबर, १५:३० बजे?"),
    ],
)  # fmt: skip
def test_digits_of_any_script_are_kept_as_ascii_and_stand_for_the_same(
    kind: Any, heard: Any, kept: Any, said: str, other: str
) -> None:
    """A recogniser of Hindi may write Devanagari digits, and the model may say them back so."""
    how = replace(setting(country="IN"), languages=("hi", "en"))
    value = TypeAdapter(kind).validate_python(heard, context={"form": how})
    assert value == (kept or datetime(2026, 12, 15, 15, 30, tzinfo=how.zone))
    assert "१" not in repr(value)
    field = next(one for one in kind.__metadata__ if isinstance(one, FormField))
    wanted = list(field.parts(value, how).values())[1 if kind is PhoneAddress else 0]
    assert field.stands(wanted, said, how)
    assert not field.stands(wanted, other, how)


@pytest.mark.parametrize(
    ("given", "why"),
    [({"city": "Ulm"}, "no street"), ({"street": "Mill Lane", "city": "77"}, "no city"),
     ({"street": "Mill Lane", "city": "Ulm", "postal_code": "8907"}, "8907"),
     ({"street": "Mill Lane", "city": "Ulm", "country": "Germany"}, "not a country"),
     ({"street": "Mill Lane", "city": "Ulm", "country": "XX"}, "not a country"),
     ({"street": "Mill Lane", "city": "Leeds", "country": "uk", "postal_code": "12345"}, "12345")],
)  # fmt: skip
def test_an_address_that_will_not_do(given: dict[str, str], why: str) -> None:
    with pytest.raises(ValueError, match=f"{why}.*ask the caller"):
        Postal("DE").read(given, setting())


@pytest.mark.parametrize(
    ("field", "said", "spoken", "stands"),
    [
        (Phone(), "(212) 555-0123", "It ends in 55 50 123, doesn't it?", False),
        (Phone(), "(415) 555-0123", "So 212 555 0123?", False),
        (Phone(), "(415) 555-0123", "On Tuesday at 15:00, plus one, 415, five five five, 0 1 2 3?", True),
        (Phone(), "(415) 555-0123", "Is it 415? And then 555 0123?", False),
        (Amount(), "50", "That is 12.50, right?", False),
        (Amount(), "1250", "That is 1,250.75", False),
        (Amount(), "1250.75 EUR", "That is 1.250,75 €, right?", True),
        (Amount(), "24", "On 24 November, the 24th, at 24:00, by 212-24?", False),
        (Amount(), "100000 INR", "That is 1,00,000 rupees?", True),
        (Amount(), "100000 INR", "That is 11,00,000 rupees?", False),
        (Amount(), "50 EUR", "50 EUR for 24 November, 15:00?", True),
        (Moment(), "Thursday, 24 December, 15:00", "So November 24 at 3 pm?", False),
        (Moment(), "Saturday, 5 December, 17:00", "So at 5?", False),
        (Moment(), "Tuesday, 15 December, 15:00", "So the 15th at 15:30?", False),
        (Moment(), "Tuesday, 15 December, 15:00", "So 15 December at 15:30?", False),
        (Moment(), "Tuesday, 15 December, 15:00", "So Wednesday, 15 December, 15:00?", False),
        (Moment(), "Tuesday, 15 December, 15:00", "So 15 December 2027, 15:00?", False),
        (Moment(), "Tuesday, 15 December, 15:00", "So December the 15th, 3 am?", False),
        (Moment(), "Tuesday, 15 December, 15:00", "So at 3 p.m. on Tuesday, Dec 15th?", True),
        (Moment(), "Tuesday, 15 December, 15:00", "From 14 December, 15:00 to 15 December, 16:00?", False),
        (Moment(), "Tuesday, 15 December, 15:00", "From 14 December, 12:00 to 15 December, 15:00?", True),
    ],
)
def test_only_what_was_said_right_stands(field: FormField, said: str, spoken: str, stands: bool) -> None:
    assert field.stands(said, spoken, setting(country="US")) is stands
