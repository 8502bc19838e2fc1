"""Findings on the sound of a trunk's latest calls, from their records."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from sipgw.config.alarms import AlarmOptions
from sipgw.config.records import StoreOptions
from sipgw.events import FAULT_WORDS, is_deaf, sounds
from sipgw.records.captures.explain import CallFinding, findings, refused_sound
from sipgw.records.store.calls import CallFilter
from sipgw.records.store.schema import NewerSchemaError, OldSchemaError, revisions
from sipgw.records.store.store import Store
from sipgw.tools.doctor.finding import Finding, bad, good
from sipgw.tools.doctor.machine import HERE
from sipgw.trunks.call_alarms import SOUND, faults_of

LATEST = 50
"""Number of latest calls that are examined."""


async def examine(options: StoreOptions, trunks: Sequence[str], alarms: AlarmOptions) -> list[Finding]:
    """Findings on the sound of the latest calls of `trunks`; empty without records. The database is only read."""
    if not _kept(options):
        return []
    try:
        async with Store(options).unchanged() as store:
            pages = {trunk: await store.page(CallFilter(trunk=trunk, ended=True), LATEST) for trunk in trunks}
    except OldSchemaError as error:
        return [bad("calls.old-schema", HERE, f"its schema is {error}, and that of this release {revisions()[0]}")]
    except (NewerSchemaError, SQLAlchemyError):
        return []  # `sipgw check` and the gateway report this error
    heard: dict[str, list[Mapping[str, Any]]] = {trunk: [] for trunk in trunks}
    for trunk, call in ((trunk, call) for trunk, page in pages.items() for call in page.calls):
        for its, media in sounds(trunk, call["media"] or {}):
            if its in heard and "sent" in media:
                heard[its].append({**call, "media": media})
    for calls in heard.values():
        calls.sort(key=lambda call: call["began"], reverse=True)
    return [finding for trunk, calls in heard.items() for finding in judge(calls[:LATEST], trunk, alarms.mos)]


def _kept(options: StoreOptions) -> bool:
    """Whether the database exists; the doctor creates none."""
    return bool(options.url) or Path(options.path).is_file()


def judge(calls: Sequence[Mapping[str, Any]], trunk: str, mos: float) -> Iterator[Finding]:
    """Findings on `calls`, newest first: rows of the records with the sound of one leg on `trunk`. Sans-IO."""
    faults = [faults_of(call["media"], mos) for call in calls]
    for fault in SOUND:
        its = [call for call, found in zip(calls, faults, strict=True) if fault in found]
        if not its:
            continue
        last = its[0]
        evidence = f"{len(its)} of the latest {len(calls)} calls {FAULT_WORDS[fault]}; the last one is {last['id']}"
        refused = _refused({**last, "media": {**last["media"], "refused_sources": refused_sound(last["media"])}})
        if not (fault == "foreign" or (fault == "one_way" and is_deaf(last["media"]))):
            refused = []  # refused packets do not explain lost ones
        if refused:
            evidence = f"{evidence}: {refused[0].what}"
        fix = refused[0].fix if refused else f"see the page of the call {last['id']}"
        yield bad(f"calls.{fault.replace('_', '-')}", trunk, evidence, fix=fix)
    others = [(call, why) for call, found in zip(calls, faults, strict=True) if not found and (why := _refused(call))]
    if others:
        last, (first, *_) = others[0]
        evidence = f"in {len(others)} of the latest {len(calls)} calls many packets were refused; the last one is"
        yield bad("calls.refused", trunk, f"{evidence} {last['id']}: {first.what}", fix=first.fix)
    elif calls and not any(faults):
        yield good("calls.sound", trunk, f"nothing was wrong with the sound of the latest {len(calls)} calls")


def _refused(call: Mapping[str, Any]) -> list[CallFinding]:
    """Findings that explain why many packets of this call were refused."""
    return [one for one in findings({"began": call["began"].isoformat(), "media": call["media"]}) if one.bad]
