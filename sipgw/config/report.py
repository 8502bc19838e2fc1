"""The report that the language model fills in after a call."""

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Len, MaxLen

from agent.rules.rule_error import RuleError

Source = Literal["caller", "agent", "tool"]
SOURCES: tuple[Source, ...] = ("caller", "agent", "tool")
_TAKEN = ("summary", "outcome", "achieved")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_CODE = re.compile(r"[a-z]{2,3}")


@dataclass(frozen=True)
class ReportFieldOptions:
    """A field of the report."""

    name: str
    """Lower case letters, digits and _: its name in records, webhooks and CSV."""
    about: Annotated[str, Len(1, 500)]
    """The meaning of the field, as the model reads it."""
    type: Literal["string", "integer", "number", "boolean", "date", "date-time"] = "string"
    """`date` is a day such as 2026-11-24, `date-time` a day and a time such as 2026-11-24T15:00."""
    enum: Annotated[tuple[Annotated[str, Len(1, 100)], ...], MaxLen(100)] = ()
    """The only values of a `string`."""
    minimum: float | None = None
    """The lowest value of an `integer` or `number`."""
    maximum: float | None = None
    """The highest value of an `integer` or `number`."""
    proof: Annotated[tuple[Source, ...], Len(1)] = SOURCES
    """Sources whose words may prove the value: words of the caller, words of the agent that the caller heard, results
    of tools. Use ``["tool"]`` alone for a value that a caller must not be able to claim, such as a payment.
    """

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.name in _TAKEN:
            raise RuleError(f"{self.name!r} is taken, or not made of lower case letters, digits and _", "name")
        if self.enum and self.type != "string":
            raise RuleError(f"{self.name}: enum goes with type 'string'", "enum", "type")
        bounds = [one for one in (self.minimum, self.maximum) if one is not None]
        if bounds and self.type not in ("integer", "number"):
            why = f"{self.name}: minimum and maximum go with types 'integer' and 'number'"
            raise RuleError(why, "minimum", "maximum")
        if sorted(bounds) != bounds:
            raise RuleError(f"{self.name}: minimum is above maximum", "minimum", "maximum")


@dataclass(frozen=True)
class ReportOptions:
    """The report on each answered call, which the language model fills in when the call is over.

    It belongs to the agent that answered or made the call.
    """

    goal: Annotated[str, MaxLen(500)] = ""
    """The aim of the agent in a call: "The caller knows when the order arrives." Empty: no report is made."""
    language: str = ""
    """ISO 639-1 code of the language of the summary; empty for the agent's first language."""
    outcomes: Annotated[tuple[Annotated[str, Len(1, 100)], ...], MaxLen(50)] = ()
    """The possible outcomes of a call. The report names one of them; empty: the report has no outcome."""
    proof: Annotated[tuple[Source, ...], Len(1)] = ("agent", "tool")
    """Sources whose words prove the outcome, and that the goal was achieved. With ``caller``, a caller can claim
    both."""
    fields: Annotated[tuple[ReportFieldOptions, ...], MaxLen(40)] = ()
    """Further values in the report of each call."""

    def __post_init__(self) -> None:
        names = [one.name for one in self.fields]
        if twice := [name for name in names if names.count(name) > 1]:
            at = max(at for at, name in enumerate(names) if name == twice[0])
            raise RuleError(f"two fields are called {twice[0]!r}", ("fields", at, "name"))
        if not self.goal.strip() and (self.fields or self.outcomes):
            raise RuleError(
                "goal: say what the agent is to achieve; without it no report is made", "goal", "fields", "outcomes"
            )
        if self.language and not _CODE.fullmatch(self.language):
            raise RuleError(f"{self.language!r} is not an ISO 639-1 code such as 'de'", "language")

    @property
    def wanted(self) -> bool:
        """Whether reports are made."""
        return bool(self.goal.strip())
