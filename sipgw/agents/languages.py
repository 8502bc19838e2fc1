"""The languages of an agent, and the texts in each."""

from collections.abc import Mapping, Sequence

from sipgw.config.agent import LanguageOptions

ENGLISH = (LanguageOptions("en"),)


def translations(languages: Sequence[LanguageOptions], apology: str) -> Mapping[str, Mapping[str, str]]:
    """The sentences of all `languages` by code; `apology` is the agent's own, in the first of them."""
    found = {one.code: one.said for one in languages or ENGLISH}
    first = (languages or ENGLISH)[0]
    if apology and not first.sentences.get("apology"):
        found[first.code]["apology"] = apology
    return found
