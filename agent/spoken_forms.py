"""Spoken forms of money, percentages, ranges and abbreviations in each language. Numbers stay in digits.

Only a text with one meaning is changed. "$5" in Spanish may be pesos, "1,250 €" in German may be 1.25 euros, "9-5" may
be a score: the voice gets such texts unchanged.
"""

import re
from collections.abc import Mapping
from functools import cache, partial
from typing import NamedTuple


class Money(NamedTuple):
    """A currency in one language: the words for one unit, for several, for one hundredth, and for
    several hundredths."""

    one: str
    many: str
    cent: str = ""
    cents: str = ""


class Forms(NamedTuple):
    """The words of a language for signs."""

    to: str
    """The word between the two ends of a range."""
    percent: str
    joint: str
    """The word between euros and cents."""
    money: Mapping[str, Money]
    days: str
    """Weekdays from Monday: an abbreviation and the name, with a colon between."""
    hours: str
    """A regular expression for the words before or after a range that make it a range of hours."""
    short: str
    """Abbreviations, each a line: a regular expression, two spaces or more, the words."""
    whole: str = r"(?:\d{1,3}(?:[.\u00a0\u202f]\d{3}){1,4}|\d{1,9})"
    """A whole number as it is written."""
    decimal: str = ","


def _coins(one: str, many: str, cent: str = "", cents: str = "") -> Money:
    return Money(one, many, cent, cents or cent)


_ES = {"€": _coins("euro", "euros", "céntimo", "céntimos"), "£": _coins("libra", "libras", "penique", "peniques"),
       "US$": _coins("dólar", "dólares", "centavo", "centavos")}  # fmt: skip
_FR = {"€": _coins("euro", "euros", "centime", "centimes"), "£": _coins("livre", "livres", "penny", "pence"),
       "$": _coins("dollar", "dollars", "cent", "cents"),
       "CHF": _coins("franc", "francs", "centime", "centimes")}  # fmt: skip
_DE = {"€": _coins("Euro", "Euro", "Cent"), "£": _coins("Pfund", "Pfund", "Penny", "Pence"),
       "$": _coins("Dollar", "Dollar", "Cent"), "CHF": _coins("Franken", "Franken", "Rappen")}  # fmt: skip
_PT = {"€": _coins("euro", "euros", "cêntimo", "cêntimos"), "R$": _coins("real", "reais", "centavo", "centavos"),
       "£": _coins("libra", "libras", "penny", "pence"),
       "US$": _coins("dólar", "dólares", "centavo", "centavos")}  # fmt: skip
_IT = {"€": _coins("euro", "euro", "centesimo", "centesimi"), "£": _coins("sterlina", "sterline", "penny", "pence"),
       "$": _coins("dollaro", "dollari", "centesimo", "centesimi"),
       "CHF": _coins("franco", "franchi", "centesimo", "centesimi")}  # fmt: skip
_HI = {"₹": _coins("रुपया", "रुपये", "पैसा", "पैसे"), "€": _coins("यूरो", "यूरो"), "$": _coins("डॉलर", "डॉलर")}
_CODES = {"EUR": "€", "USD": "$", "GBP": "£", "INR": "₹", "BRL": "R$"}

FORMS = {
    "en": Forms(
        "to", "percent", "and", {},
        "mon:Monday tue:Tuesday wed:Wednesday thu:Thursday fri:Friday sat:Saturday sun:Sunday",
        "open|hours|daily",
        r"""
            Dr\.(?= [A-Z])  Doctor
            Prof\.(?= [A-Z])  Professor
            e\.g\.  for example
            i\.e\.  that is
            approx\.  approximately
            etc\.  et cetera
            vs\.  versus
            ext\.(?= \d)  extension
            tel\.(?= [\d(+])  telephone
            (?<=(?<![\d.,])1 )ft\.  foot
            (?<=\d )ft\.  feet
            (?<=\d )in\.(?=,|$| [a-z])  inches
            Hwy\.(?= \d)  Highway
            Tues?(?:\.(?=,| [a-z\d]))?  Tuesday
            Thu(?:rs?)?(?:\.(?=,| [a-z\d]))?  Thursday
            (?:No|Nr)\.(?= \d)  number
            (?<=[a-z] )St\.(?=[,;]|$)  Street
            (?<=[a-z] )Ave\.(?=[,;]|$)  Avenue
            Apt\.(?= \d)  Apartment
            (?:(?<=[a-z] )|(?<=[a-z], ))Jr\.  Junior
            (?<=[a-z] )Sr\.(?=[,;)]|$| [a-z])  Senior
            (?:(?<=^)|(?<=\b(?:in|at|of|to) ))St\.(?= [A-Z][a-z]+)  Saint
        """,
    ),
    "de": Forms(
        "bis", "Prozent", "und", _DE,
        "mo:Montag di:Dienstag mi:Mittwoch do:Donnerstag fr:Freitag sa:Samstag so:Sonntag",
        "Uhr|geöffnet|offen",
        r"""
            (?<=[a-zäöüß])str\.  straße
            z\. ?B\.  zum Beispiel
            d\. ?h\.  das heißt
            u\. ?a\.  unter anderem
            usw\.  und so weiter
            bzw\.  beziehungsweise
            ca\.  circa
            inkl\.  inklusive
            zzgl\.  zuzüglich
            ggf\.  gegebenenfalls
            evtl\.  eventuell
            vgl\.  vergleiche
            Nr\.  Nummer
            Tel\.  Telefon
            Dr\.(?= [A-ZÄÖÜ])  Doktor
            Prof\.(?= [A-ZÄÖÜ])  Professor
            Hr\.(?= [A-ZÄÖÜ])  Herr
            Str\.  Straße
            (?<=(?<![\d.,])1 )Mio\.?  Million
            (?<=(?<![\d.,])1 )Mrd\.?  Milliarde
            (?<=(?<![\d.,])1 )Std\.  Stunde
            (?<=(?<![\d.,])1 )Min\.  Minute
            (?<=\d )Mio\.?  Millionen
            (?<=\d )Mrd\.?  Milliarden
            (?<=\d )Tsd\.?  Tausend
            (?<=\d )Std\.  Stunden
            (?<=\d )Min\.  Minuten
            (?<=\d )ct\.?  Cent
            (?<=[a-zäöüß] )[Jj]r\.  Junior
            (?<=[a-zäöüß] )jun\.  Junior
            (?<=[a-zäöüß] )sen\.  Senior
            Art\.(?= \d)  Artikel
            Abs\.(?= \d)  Absatz
            MwSt\.  Mehrwertsteuer
        """,
    ),
    "es": Forms(
        "a", "por ciento", "con", _ES,
        "lun:lunes mar:martes mié:miércoles jue:jueves vie:viernes sáb:sábado dom:domingo",
        "h|horas|abierto",
        r"""
            Sr\.(?= [A-ZÁÉÍÓÚÑ])  señor
            Sra\.(?= [A-ZÁÉÍÓÚÑ])  señora
            Srta\.(?= [A-ZÁÉÍÓÚÑ])  señorita
            Dr\.(?= [A-ZÁÉÍÓÚÑ])  doctor
            Dra\.(?= [A-ZÁÉÍÓÚÑ])  doctora
            [UV]d\.  usted
            [UV]ds\.  ustedes
            p\. ?ej\.  por ejemplo
            EE\. ?UU\.  Estados Unidos
            núm\.(?= \d)  número
            n(?:\.º|º)(?= \d)  número
            (?<=[a-záéíóúñ] )[Jj]r\.  júnior
            aprox\.  aproximadamente
            Avda\.  avenida
            pág\.(?= \d)  página
            tel\.  teléfono
            etc\.  etcétera
            máx\.  máximo
            mín\.  mínimo
        """,
    ),
    "fr": Forms(
        "à", "pour cent", "et", _FR,
        "lun:lundi mar:mardi mer:mercredi jeu:jeudi ven:vendredi sam:samedi dim:dimanche",
        "h|heures|ouvert",
        r"""
            M\.(?= [A-ZÀÉÈ][a-zéèêà])  Monsieur
            Mme\.?(?= [A-ZÀÉÈ])  Madame
            Mlle\.?(?= [A-ZÀÉÈ])  Mademoiselle
            Dr\.?(?= [A-ZÀÉÈ])  docteur
            p\. ?ex\.  par exemple
            c\.-à-d\.  c'est-à-dire
            env\.(?= \d)  environ
            n°(?= \d)  numéro
            tél\.  téléphone
            etc\.  et cetera
            av\.(?= [A-ZÀÉÈ])  avenue
            bd\.?(?= [A-ZÀÉÈ])  boulevard
            r[ée]f\.  référence
            (?<=[a-zàéèêç] )[Jj]r\.  junior
        """,
        r"(?:\d{1,3}(?:[ \u00a0\u202f]\d{3}){1,4}|\d{1,9})",
    ),
    "it": Forms(
        "a", "per cento", "e", _IT,
        "lun:lunedì mar:martedì mer:mercoledì gio:giovedì ven:venerdì sab:sabato dom:domenica",
        "ore|aperto|aperta",
        r"""
            Sig\.(?= [A-Z])  signor
            Sig\.ra(?= [A-Z])  signora
            Dott\.(?= [A-Z])  dottor
            Dott\.ssa(?= [A-Z])  dottoressa
            (?:ad|p\.) ?es\.  ad esempio
            ecc\.  eccetera
            ca\.  circa
            n\.(?= \d)  numero
            tel\.  telefono
            pag\.(?= \d)  pagina
            Avv\.(?= [A-Z])  avvocato
            Ing\.(?= [A-Z])  ingegner
            (?<=[a-zàèéìòù] )[Jj]r\.  junior
        """,
    ),
    "pt": Forms(
        "a", "por cento", "e", _PT,
        "seg:segunda ter:terça qua:quarta qui:quinta sex:sexta sáb:sábado dom:domingo",
        "h|horas|aberto|aberta",
        r"""
            Sr\.(?= [A-ZÁÉÍÓÚÇ])  senhor
            Sra\.(?= [A-ZÁÉÍÓÚÇ])  senhora
            Dr\.(?= [A-ZÁÉÍÓÚÇ])  doutor
            Dra\.(?= [A-ZÁÉÍÓÚÇ])  doutora
            Prof\.(?= [A-ZÁÉÍÓÚÇ])  professor
            p\. ?ex\.  por exemplo
            n(?:\.º|º)(?= \d)  número
            tel\.  telefone
            aprox\.  aproximadamente
            máx\.  máximo
            pág\.(?= \d)  página
            etc\.  et cetera
            av\.(?= [A-ZÁÉÍÓÚÇ])  avenida
            (?<=[a-záéíóúâêôãõç] )[Jj]r\.  Júnior
        """,
    ),
    "hi": Forms(
        "से", "प्रतिशत", "और", _HI,
        "",
        "बजे",
        r"""
            डॉ\.  डॉक्टर
            प्रो\.  प्रोफ़ेसर
            नं\.(?= \d)  नंबर
        """,
        r"(?:\d{1,3}(?:,\d{2,3}){1,4}|\d{1,9})",
        ".",
    ),
}  # fmt: skip

_SCALE = (
    r"(?i:(?!\s?(?:mil(?:\b|a\b|es\b|l?i|l[oó]n|h)|mrd|mio\b|tsd|tausend|thousand|billi|bn\b|[km]\b|"
    r"lakh|crore|लाख|करोड|हज|सौ)))"
)
"""No word or letter after an amount that makes it thousands or millions: the currency stands after such a word."""
_DASH = r"\s?[-–—]\s?"
_FREE = r"(?<![\w.,:/+-])"
"""Nothing before a number of which the number could be a part."""
_WHOLLY = r"(?!\d|[.,:/-]\d|[^\W\d_])"
"""Nothing after a number of which the number could be a part."""
_HOUR = r"\d{1,2}(?:[:.]\d\d)?"
_CLOCK = r"(?:\d{1,2}:\d\d(?:\s?[ap]\.?m\b\.?)?|\d{1,2}\s?[ap]\.?m\b\.?|\d{1,2}\s?h(?:\d\d)?\b)"
_PART = r"\d{1,3}(?:[.,]\d{1,2})?"
_PERCENT = re.compile(rf"{_FREE}(?:({_PART}){_DASH})?({_PART})\s?%")
_RANGE = re.compile(rf"{_FREE}([1-9]\d{{0,2}})\s?–\s?([1-9]\d{{0,2}})(?=\s(?:[^\W\d_]|[\u0900-\u0963]){{3,}})")
"""An en dash between two numbers in front of what is counted."""
_CLOCKS = re.compile(rf"{_FREE}({_CLOCK}){_DASH}({_CLOCK})(?![:\d.-])", re.IGNORECASE)


def in_words(text: str, language: str) -> str:
    """`text` in `language` (ISO 639-1) with words for signs; unchanged in a language that is not known."""
    return _speaker(language).say(text) if language in FORMS else text


class _Speaker:
    """Changes the text of one language."""

    def __init__(self, forms: Forms) -> None:
        self._forms = forms
        self._short: list[tuple[re.Pattern[str], str]] = []
        for line in forms.short.strip().splitlines():
            short, said = re.split(r"\s{2,}", line.strip())
            if short[0].islower():  # it may begin a sentence
                short = f"[{short[0]}{short[0].upper()}]{short[1:]}"
            border = "" if short.startswith("(?<=") else r"(?<![\w.])"
            self._short.append((re.compile(rf"{border}{short}(?!\w)"), said))
        self._day_names = dict(day.split(":") for day in forms.days.split())
        self._day_names |= {name.lower(): name for name in self._day_names.values()}
        day = "|".join(sorted(self._day_names, key=len, reverse=True))
        hours = rf"({_HOUR}){_DASH}({_HOUR})(?![:\d-]|[.,]\d)"
        self._days = re.compile(rf"\b({day})\b\.?({_DASH})({day})\b\.?(?:(:?\s){hours})?", re.IGNORECASE)
        self._day = re.compile(rf"\b({day})\b(?:\.(?=[ ,]))?", re.IGNORECASE)
        several = rf"(?:(?:, | (?:\w{{1,3}}|&) |/){self._day.pattern})+"
        self._day_list = re.compile(self._day.pattern + several, re.IGNORECASE)
        self._hours = re.compile(
            rf"\b({forms.hours})(:?\s){hours}|{_FREE}{hours}(\s?)({forms.hours})(?!\w)", re.IGNORECASE
        )  # fmt: skip
        named = [*forms.money, *(code for code in _CODES if self._money(code))]
        sign = "|".join(sorted(map(re.escape, named), key=len, reverse=True))
        amount = rf"({forms.whole})(?:{re.escape(forms.decimal)}(\d\d))?"
        sums = rf"{amount}(?:{_DASH}{amount})?"
        self._before = re.compile(rf"(?<![^\W_]|[$€£₹])({sign})\s?{sums}{_WHOLLY}{_SCALE}")
        self._behind = re.compile(rf"{_FREE}{sums}\s?({sign})(?![^\W_]){_SCALE}")

    def _money(self, sign: str) -> Money | None:
        money, sign = self._forms.money, _CODES.get(sign, sign)
        return money.get(sign) or money.get("US$" if sign == "$" else "")

    def say(self, text: str) -> str:
        """`text` with words for all signs that this class knows."""
        to = self._forms.to
        for short, said in self._short:
            text = short.sub(partial(_written, said), text)
        if self._forms.days:
            text = self._days.sub(self._day_range, text)
            text = self._day_list.sub(self._list_of_days, text)
        text = _CLOCKS.sub(rf"\1 {to} \2", text)
        text = self._hours.sub(self._hour_range, text)
        if self._forms.money:
            text = self._behind.sub(lambda found: self._sum(found, found[5], *found.groups()[:4]), text)
            text = self._before.sub(lambda found: self._sum(found, *found.groups()), text)
            text = re.sub(r"(?<=[^\W\d_] )€(?!\w)", self._forms.money["€"].many, text)
        text = _PERCENT.sub(self._percentage, text)
        return _RANGE.sub(lambda found: _grown(found, f"{found[1]} {to} {found[2]}"), text)

    def _day_range(self, found: re.Match[str]) -> str:
        """Words for a range of days. Words that only look like days ("so-so", "la mer – mar") stay unchanged."""
        first, dash, last, gap, opens, closes = found.groups()
        to, names = self._forms.to, self._day_names
        capitals = first[0].isupper() and last[0].isupper()
        close = dash.strip() == dash and names[first.lower()].islower()  # no language writes these with a capital
        if names[first.lower()] == names[last.lower()] or not (opens or capitals or close):
            return found[0]
        hours = f"{gap}{opens} {to} {closes}" if opens else ""
        return f"{names[first.lower()]} {to} {names[last.lower()]}{hours}"

    def _list_of_days(self, found: re.Match[str]) -> str:
        names = self._day_names
        days = [day[1] for day in self._day.finditer(found[0])]
        if not all(day[0].isupper() or names[day.lower()].islower() for day in days):
            return found[0]  # "so so", "sat, sun"
        return self._day.sub(lambda day: names[day[1].lower()], found[0])

    def _hour_range(self, found: re.Match[str]) -> str:
        word, gap, first, last, other_first, other_last, other_gap, other_word = found.groups()
        begins, ends = (int(re.split("[:.]", one)[0]) for one in (first or other_first, last or other_last))
        if begins > 23 or not 0 < ends <= 24:  # "24-7", "1-0"
            return found[0]
        if first:
            return f"{word}{gap}{first} {self._forms.to} {last}"
        return f"{other_first} {self._forms.to} {other_last}{other_gap}{other_word}"

    def _percentage(self, found: re.Match[str]) -> str:
        first = f"{found[1]} {self._forms.to} " if found[1] else ""
        return f"{first}{found[2]} {self._forms.percent}"

    def _sum(self, found: re.Match[str], sign: str, whole: str, part: str, last: str, last_part: str) -> str:
        money, forms = self._money(sign), self._forms
        if money is None:
            return found[0]
        whole = re.sub(r"\D", "", whole)
        if last:
            first = whole + (forms.decimal + part if part else "")
            end = re.sub(r"\D", "", last) + (forms.decimal + last_part if last_part else "")
            return f"{first} {forms.to} {end} {money.many}"
        said = f"{whole} {money.one if int(whole) == 1 else money.many}"
        if not part or not int(part):
            return said
        if not money.cent:
            return found[0]
        return f"{said} {forms.joint} {int(part)} {money.cent if int(part) == 1 else money.cents}"


def _grown(found: re.Match[str], said: str) -> str:
    """`said` if the second number is larger than the first; otherwise the text unchanged, since it may be a score."""
    return said if int(found[1]) < int(found[2]) else found[0]


def _written(said: str, found: re.Match[str]) -> str:
    """An abbreviation in full. It keeps a full stop that also ends the sentence, and the capital that begins the
    sentence."""
    ends = found[0].endswith(".") and not found.string[found.end() :].strip("\"'”»)\n ")
    begins = found.string[: found.start()].rstrip()[-1:] in ("", *".!?") and found[0][0].isupper()
    return (said[0].upper() + said[1:] if begins else said) + ("." if ends else "")


@cache
def _speaker(language: str) -> _Speaker:
    """The speaker of a language, made when it is first used: its patterns take 5 ms, and few gateways speak all
    languages."""
    return _Speaker(FORMS[language])
