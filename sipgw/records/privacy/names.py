"""Names of people in texts, found by Presidio and a model of spaCy."""

from collections.abc import Iterable
from functools import cache
from threading import Lock
from typing import Any

from sipgw.config.records import Kind, english_models

_ONE_TEXT = Lock()
"""Held while the model reads a text: it takes one at a time, and both the records' thread and the event loop use it."""


def places(text: str) -> list[tuple[int, int]]:
    """The positions of names in `text`: first index and end."""
    with _ONE_TEXT:
        found = _analyzer().analyze(text=text, entities=["PERSON"], language="en")
    return [(one.start, one.end) for one in found]


def load(kinds: Iterable[Kind]) -> None:
    """Load the model if names are among `kinds`. Loading takes seconds; otherwise the first text would wait for it."""
    if "names" in kinds:
        with _ONE_TEXT:
            _analyzer()


@cache
def _analyzer() -> Any:
    """Presidio with an installed model. Without a model name Presidio would download its default."""
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NlpEngineProvider

    models = [{"lang_code": "en", "model_name": english_models()[0]}]
    provider = NlpEngineProvider(nlp_configuration={"nlp_engine_name": "spacy", "models": models})
    return AnalyzerEngine(nlp_engine=provider.create_engine(), supported_languages=["en"])
