"""Providers that take private things out themselves are asked to, if that is wanted."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from agent.providers.assemblyai_session import AssemblyAIOptions
from agent.providers.deepgram_listen import DeepgramOptions, FluxSession, NovaSession


def query(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).query)


def test_assemblyai_is_asked_by_policies() -> None:
    asked = query(AssemblyAIOptions(api_key="k", redact=("credit_card_number", "person_name")).session_url())
    assert (asked["redact_pii"], asked["redact_pii_sub"]) == (["true"], ["entity_name"])
    assert json.loads(asked["redact_pii_policies"][0]) == ["credit_card_number", "person_name"]
    assert "redact_pii" not in query(AssemblyAIOptions(api_key="k").session_url())


def test_nova_is_asked_for_each_kind() -> None:
    options = DeepgramOptions(api_key="k", model="nova-3", redact=("pci", "ssn"))
    assert query(NovaSession(options).request()[0])["redact"] == ["pci", "ssn"]


@pytest.mark.faults("E4")
@pytest.mark.parametrize("kind", ["numbers", "aggressive_numbers"])
def test_flux_is_asked_to_take_out_numbers(kind: str) -> None:
    assert query(FluxSession(DeepgramOptions(api_key="k", redact=(kind,))).request()[0])["redact"] == [kind]


@pytest.mark.parametrize("kinds", [("pci",), ("numbers", "aggressive_numbers")])
def test_flux_takes_one_of_its_two_kinds(kinds: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="flux models take one of numbers, aggressive_numbers"):
        DeepgramOptions(api_key="k", redact=kinds)
