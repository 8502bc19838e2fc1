"""Kinds of fields: how a spoken value is read, checked, said back, and found again in what the agent has said.

A field stands in a type hint: ``Annotated[str, Email()]``. pydantic gives it the value that the model wrote and
``{"form": FormSetting(...)}`` as context. `ValueError` tells the model what to ask the caller for.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from itertools import groupby
from typing import Any, ClassVar

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import core_schema

from agent.forms.moments import CLOCK, DATE, WEEKDAYS, moments, said_in
from agent.forms.money import amounts, written
from agent.forms.names import spelled
from agent.forms.spoken import SIGNS, digits_of, glued, in_ascii_digits, stands, tokens, with_signs
from agent.forms.telephone import ExpectedNumber, dialled, number_of
from agent.turn_taking.expect import OPEN, Expected, Kind

LONGEST = 300
"""Characters of a value that are looked at."""
NAME_LENGTH = 80
FORM = "form"
"""Key of a field's kind in the metadata of its schema of pydantic, and of the `FormSetting` in the context."""
SOON = timedelta(minutes=5)
"""Longest time by which a date may lie in the past: people say "now"."""
_ADDRESS = re.compile(r"[^\s@]+@[^\s@]+")
_DIALLED = re.compile(r"[+\d()./-]+")
_POSTAL_CODES = {
    "AT": r"\d{4}", "BR": r"\d{5}-?\d{3}", "CA": r"[A-Z]\d[A-Z] ?\d[A-Z]\d", "CH": r"\d{4}", "DE": r"\d{5}",
    "ES": r"\d{5}", "FR": r"\d{5}", "GB": r"[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}", "IN": r"\d{6}", "IT": r"\d{5}",
    "MX": r"\d{5}", "PT": r"\d{4}-?\d{3}", "US": r"\d{5}(?:-\d{4})?",
}  # fmt: skip


_ALIASES = {"UK": "GB"}
"""Common spellings of countries that are not codes of ISO 3166-1, with their codes."""


@dataclass(frozen=True)
class FormSetting:
    """The settings by which fields are read in one call."""

    languages: tuple[str, ...] = ("en",)
    """ISO 639-1 codes; the agent speaks the first now."""
    country: str = ""
    """Where the caller dials national numbers (ISO 3166-1, ``"US"``); empty if that is not known."""
    now: Callable[[], datetime] = lambda: datetime.now().astimezone()
    """Returns the present time, with its time zone."""
    zone: tzinfo | None = None
    """Time zone of the agent; None for the system's."""

    def local(self, when: datetime) -> datetime:
        """`when` in the agent's time zone; a time without an offset is taken as one of this zone."""
        if when.tzinfo is None and self.zone is not None:
            return when.replace(tzinfo=self.zone)
        return when.astimezone(self.zone)


DEFAULT = FormSetting()


class FormField:
    """One kind of field; subclasses override what differs. This class leaves text unchanged."""

    expected: ClassVar[Expected] = OPEN
    """Expected answer for the recogniser and the turn machine, while the agent asks for this field."""
    kind: ClassVar[str] = ""
    schema: ClassVar[Mapping[str, Any]] = {}
    """Additions to the JSON schema of the type."""

    def expects(self, setting: FormSetting) -> Expected:
        """Like `expected`, with the settings of one call."""
        return self.expected

    def read(self, value: Any, setting: FormSetting) -> Any:
        """The value that the model's text `value` stands for. Raises `ValueError` for a text that is not valid."""
        return value

    def parts(self, value: Any, setting: FormSetting) -> dict[str, str]:
        """The parts that the agent has to say back: what it says for each part, by the part's name
        ("" for the whole)."""
        return {"": str(value)}

    def stands(self, said: str, spoken: str, setting: FormSetting) -> bool:
        """Whether the agent's words `spoken` contain a part that is said as `said`."""
        return stands(said, spoken, setting.languages)

    def verify(self, value: Any) -> None:
        """Check what only the tool may read. Raises `ValueError`."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        def before(value: Any, info: core_schema.ValidationInfo) -> Any:
            if isinstance(value, str):
                value = _read(value)
            try:
                return self.read(value, (info.context or {}).get(FORM, DEFAULT))
            except ArithmeticError:  # NaN, or a day before year 1 or after 9999 in UTC
                raise ValueError("this is out of range; ask the caller again") from None

        return core_schema.with_info_before_validator_function(before, handler(source), metadata={FORM: self.kind})

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> Any:
        return {**handler(schema), **self.schema}


@dataclass(frozen=True)
class Email(FormField):
    """An e-mail address (RFC 5321, by email-validator, without a look-up of its domain)."""

    expected: ClassVar[Expected] = Expected(Kind.EMAIL)
    kind: ClassVar[str] = "email"
    schema: ClassVar[Mapping[str, Any]] = {"format": "email"}

    def read(self, value: Any, setting: FormSetting) -> Any:
        """See `FormField.read`."""
        from email_validator import EmailNotValidError, validate_email  # 30 ms that few calls need

        text = str(value)
        if not _ADDRESS.fullmatch(text):
            text = glued(tokens(text, setting.languages, signs=True))
        found = _ADDRESS.findall(text)
        if len(found) != 1:
            raise ValueError("not an e-mail address; ask the caller to say it again, slowly, with its at and its dots")
        try:
            address = validate_email(found[0].strip(".,;:"), check_deliverability=False).normalized
        except EmailNotValidError as error:
            raise ValueError(f"not an e-mail address ({error}); ask the caller to spell it") from None
        return address.lower()

    def parts(self, value: Any, setting: FormSetting) -> dict[str, str]:
        """See `FormField.parts`: the name is spelled, the domain is said in words."""
        local, _, domain = str(value).rpartition("@")
        signs = SIGNS.get(setting.languages[0], {})
        spelled = " ".join(
            run if run.isdigit() else signs.get(run, "-".join(run.upper()))
            for run in re.findall(r"\d+|[^\W\d_]+|.", local)
        )
        dot, at = (signs.get(sign, sign) for sign in ".@")
        return {"": f"{spelled} {at} {f' {dot} '.join(domain.split('.'))}"}

    def stands(self, said: str, spoken: str, setting: FormSetting) -> bool:
        """See `FormField.stands`."""
        return stands(said, spoken, setting.languages, signs=True)


@dataclass(frozen=True)
class Name(FormField):
    """A person's name. What is spelled after a word is its spelling; the last word is spelled back."""

    kind: ClassVar[str] = "name"

    def read(self, value: Any, setting: FormSetting) -> Any:
        """See `FormField.read`."""
        text = spelled(str(value))
        if not 2 <= len(text) <= NAME_LENGTH or re.search(r"[\d@:/]", text):
            raise ValueError("not the name of a person; ask the caller for it, and to spell it")
        return text

    def parts(self, value: Any, setting: FormSetting) -> dict[str, str]:
        """See `FormField.parts`."""
        return {"": f"{value}, {'-'.join(str(value).split()[-1].upper())}"}

    def stands(self, said: str, spoken: str, setting: FormSetting) -> bool:
        """See `FormField.stands`: the name by itself is enough, spelled or not."""
        return stands(said.partition(",")[0], spoken, setting.languages)


@dataclass(frozen=True)
class Phone(FormField):
    """A telephone number, in E.164 (by Google's metadata); `country` is where national ones are dialled."""

    country: str = ""
    expected: ClassVar[Expected] = Expected(Kind.DIGITS)
    kind: ClassVar[str] = "phone number"

    def read(self, value: Any, setting: FormSetting) -> Any:
        """See `FormField.read`."""
        import phonenumbers  # 30 ms and 8 MiB

        digits = dialled(str(value), setting.languages)
        country = self.country or setting.country
        if not digits.startswith("+") and not country:
            raise ValueError("a telephone number without country code; ask the caller for the country")
        if (number := number_of(digits, country)) is None:
            raise ValueError(
                f"not a telephone number: it has {len(digits.removeprefix('+'))} digits, of which some are missing, "
                "too many or wrong; ask the caller for the whole number, digit by digit"
            )
        return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))

    def expects(self, setting: FormSetting) -> Expected:
        """See `FormField.expects`: the metadata of the country tell how long the number is."""
        return ExpectedNumber(Kind.DIGITS, country=self.country or setting.country, languages=setting.languages)

    def parts(self, value: Any, setting: FormSetting) -> dict[str, str]:
        """See `FormField.parts`: with the country code if the number is from another country."""
        import phonenumbers

        number = phonenumbers.parse(str(value))
        own = phonenumbers.region_code_for_number(number) == (self.country or setting.country)
        shape = phonenumbers.PhoneNumberFormat.NATIONAL if own else phonenumbers.PhoneNumberFormat.INTERNATIONAL
        return {"": str(phonenumbers.format_number(number, shape))}

    def stands(self, said: str, spoken: str, setting: FormSetting) -> bool:
        """See `FormField.stands`: a row of digits that is this number, with its country code or without."""
        words = tokens(with_signs(re.sub(r"[?!;\n]", " ; ", spoken), setting.languages), setting.languages)
        words = ["0" if word == "o" else word for word in words]
        rows = ["".join(row) for dialled, row in groupby(words, lambda one: bool(_DIALLED.fullmatch(one))) if dialled]
        return self._known(said, setting) in [self._known(row, setting) or None for row in rows]

    def _known(self, digits: str, setting: FormSetting) -> str:
        """The number, in E.164, that `digits` stand for; empty if they are not valid."""
        try:
            return str(self.read(digits, setting))
        except ValueError:
            return ""


@dataclass(frozen=True)
class Amount(FormField):
    """An amount of money from `least` to `most`, in `currency` (ISO 4217)."""

    currency: str = ""
    least: Decimal = Decimal(0)
    most: Decimal = Decimal(1_000_000)
    kind: ClassVar[str] = "amount"

    def read(self, value: Any, setting: FormSetting) -> Any:
        """See `FormField.read`."""
        if isinstance(value, str):
            value = written(value, setting.languages, self.currency)
        try:
            amount = Decimal(str(value)).quantize(Decimal("0.01"))
        except InvalidOperation:
            raise ValueError("not an amount; ask the caller how much it is") from None
        if not self.least <= amount <= self.most:
            raise ValueError(f"an amount from {self.least} to {self.most} is possible; ask the caller for another")
        return amount

    def parts(self, value: Any, setting: FormSetting) -> dict[str, str]:
        """See `FormField.parts`."""
        return {"": f"{f'{value:f}'.removesuffix('.00')} {self.currency}".strip()}

    def stands(self, said: str, spoken: str, setting: FormSetting) -> bool:
        """See `FormField.stands`: a number of the same value, in figures of any language."""
        others = CLOCK.sub(";", DATE.sub(";", spoken))
        return Decimal(said.partition(" ")[0]) in amounts(others)


@dataclass(frozen=True)
class Moment(FormField):
    """A date and time in the agent's time zone, at most `days` days ahead. A time in the past is allowed only with
    `past`."""

    past: bool = False
    days: int = 366
    expected: ClassVar[Expected] = Expected(Kind.DATE)
    kind: ClassVar[str] = "date and time"
    schema: ClassVar[Mapping[str, Any]] = {"format": "date-time"}

    def read(self, value: Any, setting: FormSetting) -> Any:
        """See `FormField.read`."""
        now = setting.local(setting.now())
        today = f"it is {WEEKDAYS[now.weekday()]}, {now:%Y-%m-%dT%H:%M} now"
        try:
            when = datetime.fromisoformat(str(value))
        except ValueError:
            raise ValueError(
                f"write it like 2026-11-24T15:00; {today}; ask the caller if day or time is not clear"
            ) from None
        if not re.search(r"\d[T ]\d", str(value)):
            raise ValueError("there is no time of day in it; ask the caller for it")
        when = setting.local(when)
        if when.astimezone(UTC).astimezone(when.tzinfo).replace(tzinfo=None) != when.replace(tzinfo=None):
            raise ValueError("this time does not exist, as the clocks go forward then; ask the caller for another")
        if (when < now - SOON and not self.past) or abs(when - now) > timedelta(days=self.days):
            raise ValueError(f"this is in the past or too far away; {today}; ask the caller for the day and the time")
        return when

    def parts(self, value: Any, setting: FormSetting) -> dict[str, str]:
        """See `FormField.parts`: with the day of the week, which shows a wrong date."""
        other = value.year != setting.local(setting.now()).year
        return {"": said_in(setting.languages[0], value, year=other)}

    def stands(self, said: str, spoken: str, setting: FormSetting) -> bool:
        """See `FormField.stands`: day, month and time in figures, and no other figures; words are judged elsewhere."""
        (wanted,) = moments(said)
        return any(
            (one.month, one.day, one.times) == (wanted.month, wanted.day, wanted.times)
            and one.weekday in (None, wanted.weekday)
            and one.year in ("", wanted.year or str(setting.local(setting.now()).year))
            for one in moments(spoken)
        )


class Address(BaseModel):
    """A postal address."""

    street: str
    number: str = ""
    """Number of the house."""
    postal_code: str = ""
    city: str
    country: str = ""
    """Two letters (ISO 3166-1); empty for the caller's own."""


@dataclass(frozen=True)
class Postal(FormField):
    """A postal address, whose parts are confirmed and corrected one by one. `country` is used for an address without
    one."""

    country: str = ""
    kind: ClassVar[str] = "address"

    def read(self, value: Any, setting: FormSetting) -> Any:
        """See `FormField.read`."""
        if not isinstance(value, dict):
            return value
        made = {name: _read(str(part or "")) for name, part in value.items()}
        for name in ("street", "city"):
            if not re.search(r"[^\W\d_]", made.get(name, "")):
                raise ValueError(f"there is no {name} in it; ask the caller for it")
        country = (made.get("country") or self.country or setting.country).upper()
        country = _ALIASES.get(country, country)
        if made.get("country"):
            _check_country(country)
            made["country"] = country
        code = made.get("postal_code", "").upper()
        if not any(map(str.isalpha, code)):
            code = re.sub(r"\s", "", code)
        elif not re.search(r"\d", code):
            code = digits_of(code, setting.languages)
        pattern = _POSTAL_CODES.get(country, r"[A-Z\d][A-Z\d -]{1,9}")
        if code and not re.fullmatch(pattern, code):
            raise ValueError(f"{code!r} is not a postal code there; ask the caller for it, digit by digit")
        return made | ({"postal_code": code} if code else {})

    def parts(self, value: Any, setting: FormSetting) -> dict[str, str]:
        """See `FormField.parts`: street and number are one part."""
        street = f"{value.street} {value.number}".strip()
        named = {"street": street, "postal code": value.postal_code, "city": value.city, "country": value.country}
        return {name: text for name, text in named.items() if text}


@dataclass(frozen=True)
class Card(FormField):
    """A card's number, keyed in: the digits are behind a reference, and only their check digit is looked at (ISO/IEC
    7812, Luhn). Nobody says it back."""

    kind: ClassVar[str] = "card"

    def parts(self, value: Any, setting: FormSetting) -> dict[str, str]:
        """See `FormField.parts`."""
        return {}

    def verify(self, value: Any) -> None:
        """See `FormField.verify`."""
        from stdnum import luhn

        if not 12 <= len(digits := value.reveal()) <= 19 or not luhn.is_valid(digits):
            raise ValueError("the keys are not a card number; let the caller key it in again")


def _read(text: str) -> str:
    """`text` without needless spaces, with digits in ASCII: recognisers write digits in the caller's script."""
    return in_ascii_digits(" ".join(text[:LONGEST].split()))


def _check_country(country: str) -> None:
    """Raises `ValueError` if `country` is no code of ISO 3166-1."""
    import phonenumbers  # 30 ms that few calls need

    if country not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(f"{country!r} is not a country; write its two letters, like DE, or ask the caller for it")
