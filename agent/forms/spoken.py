"""Spoken forms of letters, digits and signs in each language, and the text that they stand for."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache

# The first word of each is what the agent says itself.
_SIGN_WORDS = {
    "en": {".": "dot;point;period", "+": "plus", "@": "at", "_": "underscore", "-": "dash;hyphen;minus"},
    "es": {".": "punto", "+": "más", "@": "arroba", "_": "guion bajo;guión bajo", "-": "guion;guión"},
    "fr": {".": "point", "+": "plus", "@": "arobase;arrobase", "_": "tiret bas;underscore", "-": "tiret"},
    "de": {".": "Punkt", "+": "plus", "@": "ät;at;klammeraffe", "_": "Unterstrich", "-": "Bindestrich;minus"},
    "pt": {".": "ponto", "+": "mais", "@": "arroba", "_": "sublinhado;underline", "-": "hífen;traço"},
    "it": {".": "punto", "+": "più", "@": "chiocciola", "_": "trattino basso;underscore", "-": "trattino"},
    "hi": {".": "डॉट;dot", "+": "प्लस;plus", "@": "ऐट;एट;at", "_": "अंडरस्कोर;underscore", "-": "हाइफ़न;डैश;dash"},
}
SIGNS = {code: {sign: words.partition(";")[0] for sign, words in signs.items()} for code, signs in _SIGN_WORDS.items()}
"""Spoken names of the signs in addresses and numbers."""
_DIGITS = {
    "en": "zero|oh|nought one two three four five six seven eight nine",
    "es": "cero un|uno dos tres cuatro cinco seis siete ocho nueve",
    "fr": "zéro un deux trois quatre cinq six sept huit neuf",
    "de": "null eins|ein zwei|zwo drei vier fünf sechs sieben acht neun",
    "pt": "zero um|uma dois|duas três quatro cinco seis|meia sete oito nove",
    "it": "zero un|uno due tre quattro cinque sei sette otto nove",
    "hi": "शून्य|ज़ीरो|shunya एक|ek दो|do तीन|teen चार|char|chaar पांच|पाँच|paanch छह|छः|chhe|cheh सात|saat आठ|aath नौ|nau",
}
_REPEATS = {
    "en": "double triple", "es": "doble triple", "fr": "double triple", "de": "doppel|doppelt dreifach|dreimal",
    "pt": "duplo|dobro triplo", "it": "doppia|doppio tripla|triplo", "hi": "डबल|double ट्रिपल|triple",
}  # fmt: skip
SIGNED = (".", "@", "_", "-", "+")
_AROUND = ',;:!?…"“”„()«»¿¡।'
_NAMED = re.compile(r"(?<!\w)(\w),? (?:as in|like in|like|for|wie|comme|como|come|de|di|जैसे) \1\w+", re.IGNORECASE)
_SPELLED = re.compile(r"[^\W_](?:[-.][^\W_])+")


@lru_cache(64)
def _sign_words(languages: tuple[str, ...]) -> tuple[re.Pattern[str], dict[str, str]]:
    table = {
        word.casefold(): sign
        for code in languages
        for sign, words in _SIGN_WORDS.get(code, {}).items()
        for word in words.split(";")
    }
    longest = sorted(map(re.escape, table), key=len, reverse=True) or ["(?!)"]
    return re.compile(rf"(?<!\S)(?:{'|'.join(longest)})(?=[\s{re.escape(_AROUND)}.]|$)"), table


@lru_cache(64)
def _values(languages: tuple[str, ...], *, repeats: bool) -> dict[str, int]:
    table, first = (_REPEATS, 2) if repeats else (_DIGITS, 0)
    return {
        word: value
        for code in languages
        for value, words in enumerate(table.get(code, "").split(), first)
        for word in words.split("|")
    }


def with_signs(text: str, languages: Sequence[str]) -> str:
    """`text`, lower case, with signs in the place of their names: "dot" is "."."""
    pattern, table = _sign_words(tuple(languages))
    return pattern.sub(lambda match: table[match[0]], normal(text))


def in_ascii_digits(text: str) -> str:
    """`text` with the decimal digits of any script as ASCII: "१२" is "12"."""
    return re.sub(r"\d", lambda digit: str(int(digit[0])), text)


def normal(text: str) -> str:
    """`text` in lower case, composed characters (Unicode NFKC), digits as ASCII."""
    return in_ascii_digits(unicodedata.normalize("NFKC", text)).casefold()


def unnamed(text: str) -> str:
    """`text` without words that only name a letter: "S as in Sierra"."""
    return _NAMED.sub(r"\1", text)


def tokens(text: str, languages: Sequence[str], *, signs: bool = False) -> list[str]:
    """The words of `text` with digits and letters as characters: "double five" becomes "5" and "5", "S as in Sierra"
    becomes "s", "J-O" becomes "j" and "o". With `signs`, spoken names of signs become signs."""
    text = with_signs(text, languages) if signs else text
    digits, repeats = (_values(tuple(languages), repeats=one) for one in (False, True))
    words = [part for word in unnamed(normal(text)).split() for part in _apart(word)]
    made: list[str] = []
    times = 1
    while words:
        word = words.pop(0)
        word = str(digits[word]) if word in digits else word
        if word in repeats and words:
            times = repeats[word]
            continue
        made += [word] * (times if len(word) == 1 else 1)
        times = 1
    return made


def _apart(word: str) -> Iterator[str]:
    word = word if word in SIGNED else word.strip(_AROUND).rstrip(".")
    if _SPELLED.fullmatch(word) and not word.isdigit():
        yield from re.split(r"[-.]", word)
    elif word:
        yield word


def glued(words: Sequence[str]) -> str:
    """The words as one text, without spaces in spelled parts: between single letters, around a sign, and before digits
    after them."""
    text, before = "", "."
    for word, after in zip(words, [*words, ""][1:], strict=True):
        sign, letter = word in SIGNED, len(word) == 1 and word.isalpha()
        joins = sign or word.isdigit() or before in SIGNED or (len(before) == 1 and before.isalpha())
        text += word if joins else f" {word}"
        # "a" and "I" are words, too, unless more letters follow.
        before = "" if letter and word in "ai" and len(after) != 1 and before != "." and not joins else word
    return text


def plain_words(text: str, languages: Sequence[str], *, signs: bool) -> list[str]:
    """The letters and digits of each word of `text`, spelled words in one piece; with `signs`, their names are signs.

    An address of e-mail is one word then, in whichever way it is said.
    """
    words = (re.sub(r"[\W_]+", "", word) for word in glued(tokens(text, languages, signs=signs)).split())
    return [word for word in words if word]


def stands(wanted: str, spoken: str, languages: Sequence[str], *, signs: bool = False) -> bool:
    """Whether the words of `wanted` stand in `spoken`, one after the other."""
    one, all_words = (plain_words(text, languages, signs=signs) for text in (wanted, spoken))
    return any(all_words[at : at + len(one)] == one for at in range(len(all_words) - len(one) + 1))


def digits_of(text: str, languages: Sequence[str]) -> str:
    """The digits of `text` in a row, in figures or words."""
    return "".join(re.sub(r"\D", "", "0" if word == "o" else word) for word in tokens(text, languages))
