"""Cuts a stream of text into sentences, so that the voice can start on the first while the rest is being thought.

Sans-IO.
"""

import re

FIRST_CLAUSE = 24
"""Characters after which the first piece may already end with a clause."""
CLAUSE_WORDS = 4
"""Least words of a clause: after "Well," or "Of course, Mr. Henderson," there is no pause."""
LONGEST = 300
"""Characters after which a piece without any end is cut at a space."""

# In every language, since models mix them; what is a word in another one stands below.
_COMMON = (
    "mr mrs ms dr prof sr jr st vs etc approx dept ext inc ltd tel nr núm núms max min "
    "jan feb apr jun jul aug sep sept oct nov dec ave rd blvd apt"
)
_ABBREVIATIONS = {
    "en": "mar ft hwy rs pp ste vol fig mt sgt capt gen gov sen rep hon rev co corp est",
    "es": "sra sras sres srta dra dras dña prof profa lic ing ud uds vd vds av avda avd pág págs aprox máx mín ej ee "
    "uu ee.uu depto dpto gral ene abr ago dic ref art",
    "fr": "mme mmes mlle mm me pr av env bd boul tél ex janv févr avr juil déc réf cf app éd chap ste",
    "de": "ca bzw usw inkl exkl zzgl evtl ggf mind bspw vgl sog hr fr frl dipl ing mär okt dez mio mrd tsd std sek "
    "stk abt allg mwst sen ct bzgl lt med jh chr co idnr tägl",
    "pt": "sra sras srs dra dras profa av pág págs aprox ex fev abr ago set out cia apto obs ltda máx mín ref",
    "it": "sig sigg dott avv ing geom ecc es pag ca gen mag giu lug ago set sett ott dic mln mld rif gg",
    "hi": "डॉ प्रो श्री रु नं rs",
}
_NUMBERED = ("no", "art", "abs")
"""Words that are abbreviations only if a number follows."""
_LETTERS = re.compile(r"(?:[^\W\d_][.-]+){0,5}[^\W\d_]")
"""An initial, or letters with dots; abbreviations in every language."""
_LIST_NUMBER = re.compile(r"^\d{1,2}\.$")
_GERMAN = re.compile(r"(?:(?<![\d:,])(?<!\bum )\d{1,2}|str)\.\Z", re.IGNORECASE)
"""German full stops that end no sentence: after an ordinal ("3. November", but not "um 9."), and in names of streets
("Hauptstr.")."""
_END = re.compile(r"[.!?…]+(?:[\"')\]»«”’“]|\s»(?!\w))*+(?=\s)|[。！？।]|\n+")
_CLAUSE = re.compile(r"(?<!\d[\s,])[,;:—–](?=\s)")
"""The end of a clause. It excludes the dash in a range of numbers and in a price, "5,– €"."""
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_RUNS_ON = re.compile(r"\s+[^\s,;:.!?…—–]+\s+(?!(?:and|or|y|o|e|u|et|ou|und|oder|bzw|ed|और|या)\b)[^\s,;:.!?…—–]+\s")
"""Two words after a comma that are no item of a list."""


class SentenceCutter:
    """Takes text in pieces of any length; `feed` and `flush` return the pieces that are ready to be spoken."""

    def __init__(self, language: str) -> None:
        """The text is in `language` (ISO 639-1)."""
        own = _ABBREVIATIONS.get(language, _ABBREVIATIONS["en"])
        self._abbreviations = frozenset(f"{_COMMON} {own}".split())
        self._german = language == "de"
        self._buffer = ""
        self._first = True
        self._quotes = 0

    def feed(self, text: str) -> list[str]:
        """Take more text; returns what is ready to be spoken."""
        self._buffer += text
        ready: list[str] = []
        while (end := self._find_end()) is not None:
            self._take(end, ready)
        return ready

    def flush(self) -> list[str]:
        """End the text; returns what is left of it."""
        ready: list[str] = []
        self._take(len(self._buffer), ready)
        return ready

    def _take(self, end: int, ready: list[str]) -> None:
        piece, self._buffer = _clean(self._buffer[:end]).strip(), self._buffer[end:].lstrip()
        if piece:
            ready.append(piece)
            self._first = False
            self._quotes += piece.count("«") - piece.count("»")

    def _goes_on(self, piece: str, rest: str) -> bool:
        """Whether the sentence goes on after `piece`, or whether that cannot be known yet from the text `rest` after
        it."""
        word = piece.rsplit(None, 1)[-1].lstrip("(«„“\"'-").lower() if piece[-1] == "." else ""
        short = re.split("[/-]", word[:-1])[-1]  # "10 €/Std.", "Bestell-Nr."
        if short in self._abbreviations or _LETTERS.fullmatch(word[:-1]) or _LIST_NUMBER.match(piece):
            return True
        if piece[-1] in ".…" and rest[:1].islower():  # "5 lbs. and", "Mo. bis Fr.", "Hmm... okay."
            return True
        if self._german and _GERMAN.search(piece[-40:]):
            return True
        if word[:-1] in _NUMBERED:
            return not rest or rest[0].isdigit()
        # In French a space stands before what closes a quotation.
        return not rest and self._quotes + piece.count("«") > piece.count("»")

    def _find_clause(self) -> int | None:
        """The end of a clause that can stand by itself: at a comma only if what follows is known to run on."""
        begin = 0
        for match in _CLAUSE.finditer(self._buffer):
            words, end = len(self._buffer[begin : match.start()].split()), match.end()
            begin = end
            if end >= FIRST_CLAUSE and words >= CLAUSE_WORDS and (match[0] != "," or _RUNS_ON.match(self._buffer, end)):
                return end
        return None

    def _find_end(self) -> int | None:
        for match in _END.finditer(self._buffer, 0, LONGEST):
            end = match.end()
            if not self._goes_on(self._buffer[:end], self._buffer[end:].lstrip()):
                return end
        if self._first and (clause := self._find_clause()) is not None:
            return clause
        if len(self._buffer) > LONGEST:
            space = self._buffer.rfind(" ", 0, LONGEST)
            return space if space > 0 else LONGEST
        return None


def _clean(text: str) -> str:
    """`text` in a form that voices and records accept: servers may send half a character at the end of a piece."""
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return _CONTROL.sub(" ", whole)
