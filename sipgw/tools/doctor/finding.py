"""Findings: the check, the evidence, the cause and the fix. They contain no secrets."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Literal

from sipgw.tools.doctor.catalogue import CATALOGUE

Verdict = Literal["ok", "warn", "fail"]
EVIDENCE_LIMIT = 300
"""Maximum characters of the evidence, which quotes messages of the other side."""
MASK = "***"


@dataclass(frozen=True)
class Finding:
    """One result. `id` is stable: scripts and tests may rely on it."""

    id: str
    verdict: Verdict
    about: str
    """The subject of the finding: a trunk, a provider, or ``this machine``."""
    evidence: str
    """The evidence, in words with the measured or received values."""
    cause: str = ""
    """The likely cause; empty when nothing is wrong."""
    fix: str = ""
    """The one line of configuration or portal field to change."""

    def as_dict(self) -> dict[str, str]:
        """The finding as a dictionary, for JSON."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


def good(id_: str, about: str, evidence: str) -> Finding:
    """Finding of a part that works."""
    return Finding(id_, "ok", about, _line(evidence))


def bad(id_: str, about: str, evidence: str, **names: object) -> Finding:
    """Finding of a failed check. Verdict, cause and fix are in the catalogue under `id_`; `names` fill their blanks."""
    verdict, cause, fix = CATALOGUE[id_]
    shown = {name: _line(str(value)) for name, value in names.items()}
    return Finding(id_, verdict, about, _line(evidence), cause.format_map(shown), fix.format_map(shown))


def _line(text: str) -> str:
    """One printable line of bounded length."""
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    return text if len(text) <= EVIDENCE_LIMIT else text[: EVIDENCE_LIMIT - 1] + "…"


def masked(finding: Finding, secrets: Iterable[str]) -> Finding:
    """`finding` with all `secrets` masked, because a carrier may quote our request."""
    texts = {name: getattr(finding, name) for name in ("evidence", "cause", "fix")}
    for secret in sorted(secrets, key=len, reverse=True):
        texts = {name: text.replace(secret, MASK) for name, text in texts.items()}
    return replace(finding, **texts)


def status_of(findings: Iterable[Finding]) -> int:
    """The exit status: 1 when something fails, else 0; warnings do not count."""
    return int(any(one.verdict == "fail" for one in findings))
