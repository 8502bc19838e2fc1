"""Reads the CSV file of a campaign: telephone numbers and values. Invalid rows are reported by line. Sans-IO."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sipgw.agents.agents import VariableError, checked
from sipgw.config.agent import AgentOptions
from sipgw.config.numbers import NumberError, e164, shaped
from sipgw.config.trunks import TrunkOptions

NUMBER = "number"
"""The column of the telephone numbers."""
MOST = 200_000
"""Largest number of rows of a file."""
LONGEST_LINE = 20_000
"""Most characters of a line."""


class FileError(ValueError):
    """The file as a whole cannot be used."""


@dataclass(frozen=True)
class CampaignRow:
    """A person to be called."""

    line: int
    number: str
    """The number in E.164, or as it is written if the trunk dials numbers so (`number_format = "as_dialled"`)."""
    variables: Mapping[str, str]


@dataclass(frozen=True)
class InvalidRow:
    """A row that is left out, and why."""

    line: int
    problem: str


def columns(header: str) -> tuple[list[str], str]:
    """The names in the first line, and their separator. Raises `FileError`."""
    separator = max(",;\t", key=header.count)
    try:
        names = [name.strip() for name in next(csv.reader([header], delimiter=separator, strict=True), [])]
    except csv.Error as error:
        raise FileError(f"line 1: {error}") from None
    if NUMBER not in names:
        raise FileError(f"line 1: there is no column {NUMBER!r}; there are {', '.join(names)[:200] or 'none'}")
    if twice := {name for name in names if name and names.count(name) > 1}:
        raise FileError(f"line 1: two columns are called {min(twice)!r}")
    return names, separator


def unused(names: Iterable[str], agent: AgentOptions) -> list[str]:
    """The columns that the agent has no variable for."""
    return [name for name in names if name and name not in (*agent.variables, "topic", NUMBER)]


def read(lines: Iterable[str], agent: AgentOptions, trunk: TrunkOptions) -> Iterator[CampaignRow | InvalidRow]:
    """The rows below the header line of a file; each row is one line. Raises `FileError` for the header."""
    source = iter(lines)
    names, separator = columns(next(source, "").lstrip("\ufeff").rstrip("\r\n"))
    known = {*agent.variables, "topic"}
    seen: dict[str, int] = {}
    for line, text in enumerate(source, start=2):
        if line > MOST + 1:
            yield InvalidRow(line, f"more than {MOST} rows; the rest is left out")
            return
        if not text.strip():
            continue
        try:
            cells = _cells(text, separator, len(names))
            given = dict(zip(names, cells, strict=True))
            number = _number(given[NUMBER], trunk)
            variables = checked(agent, {name: value for name, value in given.items() if name in known and value})
        except (csv.Error, VariableError, NumberError, ValueError) as error:
            yield InvalidRow(line, str(error)[:300])
            continue
        if number in seen:
            yield InvalidRow(line, f"the same number as in line {seen[number]}")
            continue
        seen[number] = line
        yield CampaignRow(line, number, variables)


def _cells(text: str, separator: str, wanted: int) -> list[str]:
    if len(text) > LONGEST_LINE:
        raise ValueError(f"longer than {LONGEST_LINE} characters")
    if "\ufffd" in text:
        raise ValueError("not UTF-8")
    cells = [cell.strip() for cell in next(csv.reader([text.rstrip("\r\n")], delimiter=separator, strict=True), [])]
    if len(cells) != wanted:
        raise ValueError(f"{len(cells)} columns instead of {wanted}")
    return cells


def _number(text: str, trunk: TrunkOptions) -> str:
    if not text:
        raise NumberError("no number")
    return shaped(text, "as_dialled") if trunk.number_format == "as_dialled" else e164(text, trunk.country)
