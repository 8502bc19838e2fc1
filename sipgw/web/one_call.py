"""The page of one call, and the files of the call: timeline, waveform, recording, capture, bundle."""

import asyncio
import contextlib
import gzip
import json
from datetime import datetime
from pathlib import Path
from typing import Any
from zlib import crc32

import structlog
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import FileResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from sipgw.bounds import NoPlace, Places
from sipgw.calls.parties import parties
from sipgw.calls.session import CallSession
from sipgw.config.words import PARTS, UNITS, words
from sipgw.records.artifacts.artifact import is_open
from sipgw.records.artifacts.call_files import is_kept, object_of, on_disk
from sipgw.records.artifacts.files import BUNDLE, file_name
from sipgw.records.artifacts.recordings import NOT_YET
from sipgw.records.artifacts.waveform import waveform
from sipgw.records.bundles.bundle import BundleError, reheaded
from sipgw.records.bundles.bundle_store import NoBundle
from sipgw.records.captures.explain import explain, findings, median_wait
from sipgw.records.store.seen_by import seen_by
from sipgw.records.store.tables import CallRecord
from sipgw.web.feed import streamed
from sipgw.web.found_call import CallRoute, FoundCall, find
from sipgw.web.lasting_access import Access
from sipgw.web.models import Report
from sipgw.web.principal import OperatorRole, ViewerRole
from sipgw.web.state import READING, App, Here, note, page, people
from sipgw.web.tenant_view import by_tenant

log = structlog.get_logger()

router = APIRouter(route_class=CallRoute)
BUNDLES = Places("bundles of tenants", READING.workers // 2)
"""Bundles that may be packed for tenants at the same time; the other threads stay free for all pages."""
SMALL = 10_000
"""Bytes up to which an answer is not compressed."""
PAUSES = (0.1, 0.3, 0.6)
"""Pauses in seconds before the database is asked again for the end of a recording."""
KINDS = {".wav": "audio/wav", ".opus": "audio/ogg"}


class TimelineResponse(JSONResponse):
    """A JSON response. Words of models and tools may have surrogates, which UTF-8 lacks; they become ``?``."""

    def render(self, content: Any) -> bytes:
        """See `JSONResponse.render`."""
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


@router.get("/calls/{call:path}/timeline.json")
@by_tenant
async def timeline(call: str, request: Request, app: Here, who: ViewerRole) -> Response:
    """The content of the page; 304 while nothing is new."""
    one = await there_is(app, call)
    session, version = one.session, app.gateway.evidence.timelines.version(one.key) if one.key else ""
    there = parties(session) if session else []
    tag = f'"{version}.{crc32(str(there).encode())}"'
    if version and request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers={"ETag": tag})
    found = await known(app, one)
    ending, messages = found.get("ending"), found["sip"]["messages"]
    stranger = "began" not in found
    if stranger and (refused := app.gateway.admission.refusals.calls.get(call)):
        ending = {"kind": "refused", "cause": refused.why}
    found["parties"] = [] if ending else there
    if session is not None and not ending:
        found["media"] = await session.media_stats()
    shown = [explain(ending, messages, found.get("media") or {})] if ending or stranger else []
    explained = sorted([*shown, *findings(found)], key=lambda finding: not finding.bad)
    found |= {"live": bool(version) and not ending, "explained": [finding._asdict() for finding in explained]}
    report = await app.gateway.store.report(one.row) if ending and not stranger else None
    found["report"] = report and Report(**report).model_dump(mode="json")
    found["costs"] = await _costs(app, one)
    found["words"] = {"parts": PARTS, "units": UNITS}
    found["currency"] = app.gateway.config.cost.currency
    found["recorded"] = await _recording(app, found) is not None
    found["recording_began"] = _recording_began(found)
    found["median_ms"] = median_wait(found["turns"]) if "turns" in found else None
    found["unrecorded"] = "" if found["recorded"] or stranger else _unrecorded(app, found, session)
    found["media"] = {
        name: value for name, value in found.get("media", {}).items() if name not in ("recording", "sound", "legs")
    }
    told = seen_by(found, who.tenant)
    told["costs"] = _in_words(told["costs"])  # last: the names of trunks are hidden in the form of the record
    return await _compressed(request, TimelineResponse(told, headers={"ETag": tag} if version else None))


@router.get("/calls/{call:path}/waveform.json")
@by_tenant
async def peaks(call: str, app: Here, _who: ViewerRole) -> Response:
    """The loudness of both channels of the recording, and its length in seconds."""
    path = await recording_of(app, await there_is(app, call))
    try:
        shape = await waveform(app.gateway.store, path)
    except (OSError, ValueError) as error:
        raise HTTPException(404, f"the recording has no waveform: {error}") from None
    return JSONResponse(shape)


@router.get("/calls/{call:path}/recording")
@by_tenant
async def recording(request: Request, call: str, app: Here, who: ViewerRole, save: bool = False) -> Response:
    """The recording; the caller is left, the agent right."""
    path = await recording_of(app, await there_is(app, call))
    name, objects = f"{file_name(call)}{path.suffix}" if save else "", app.gateway.store.objects
    link = await objects.link(key, name) if objects and (key := await object_of(app.gateway.store, path)) else ""
    # A link gives the whole recording, even if a piece is asked for.
    whole = bool(link) or request.headers.get("range", "bytes=0-") == "bytes=0-"
    if app.listened.anew(who, call, asyncio.get_running_loop().time(), whole=whole):
        await note(request, "heard the recording", call)
    if link:
        return RedirectResponse(link, 307)
    kind = KINDS.get(path.suffix, "application/octet-stream")
    return FileResponse(path, media_type=kind, filename=name or None)


@router.get("/calls/{call:path}/pcap")
@by_tenant
async def pcap(request: Request, call: str, app: Here, who: OperatorRole) -> Response:
    """The capture file, for Wireshark. It has the sound, also while the call goes on: for those who may listen."""
    one = await there_is(app, call)
    pieces = app.gateway.evidence.pcap(one.key, one.name)
    try:
        first = await anext(pieces)
    except StopAsyncIteration:
        raise HTTPException(404, "nothing of this call is in memory any more") from None
    await note(request, "fetched the capture", call)

    async def whole() -> Any:
        yield first
        async for piece in pieces:
            yield piece

    headers = {"Content-Disposition": f'attachment; filename="{file_name(call)}.pcap"'}
    return StreamingResponse(whole(), media_type="application/vnd.tcpdump.pcap", headers=headers)


@router.get("/calls/{call:path}/bundle")
@by_tenant
async def bundle(request: Request, call: str, app: Here, who: OperatorRole) -> Response:
    """The call as a file, for `sipgw replay`; it has the sound."""
    try:
        with BUNDLES.held(who.tenant) if who.tenant else contextlib.nullcontext():
            content = await _bundle(app, await there_is(app, call), who.tenant)
    except NoPlace:
        raise HTTPException(503, "other bundles are being packed; try again", {"Retry-After": "5"}) from None
    await note(request, "fetched the bundle", call)
    headers = {"Content-Disposition": f'attachment; filename="{file_name(call)}{BUNDLE}"'}
    return Response(content, media_type="application/zip", headers=headers)


@router.get("/calls/{call:path}/words")
@by_tenant
async def live_words(call: str, app: Here, who: OperatorRole, access: Access) -> Response:
    """Server-sent events: each word of a call that goes on, as soon as it is recognised, and before private words are
    taken out: for those who may listen, too."""
    session = (await there_is(app, call)).session
    if session is None:
        raise HTTPException(404, "this call is not going on")
    identity, recording = session.info.id, session.context.call_recording
    events = app.transcripts.follow(
        identity, lambda: identity in app.gateway.calls, lambda: recording is None or recording.keeps, who.tenant
    )
    return await streamed(events, "too many pages follow calls", access.lost)


@router.get("/calls/{call:path}")
@by_tenant
async def one_call(call: str, request: Request, app: Here, who: ViewerRole) -> Response:
    """The page; its script fills it in."""
    one = await there_is(app, call)
    found = await known(app, one)
    out = found.get("direction") == "out"
    other = str(found.get("called" if out else "caller") or "withheld")
    shown: dict[str, Any] = {"people": people(app), "bundle": False, "unbundled": ""}
    shown["recorded"] = await _recording(app, found) is not None
    if one.session is None and who.may("operator"):
        shown["bundle"], shown["unbundled"] = await _bundled(app, one)
    shown["captured"] = app.gateway.evidence.captured(one.key, one.name)
    return page(
        request, "call.html", title=f"Call {'to' if out else 'from'} {other[:80]}", call=call, other=other, **shown
    )


async def there_is(app: App, name: str) -> FoundCall:
    """The call of that name. Raises 404."""
    if (found := await find(app.gateway, name)) is None:
        raise HTTPException(404, "nothing is known of this call")
    return found


async def _bundle(app: App, one: FoundCall, tenant: str) -> bytes:
    """The bundle as `tenant` (empty: the operator) sees it. Raises 404, and 410 for a damaged file."""

    async def stored(path: Path) -> bytes:
        async with on_disk(app.gateway.store, path) as file:
            return await READING.run(file.read_bytes)

    if one.key is None:
        raise HTTPException(404, "there is no bundle: the call was refused")
    try:
        content = await app.gateway.evidence.bundle(one.key)
    except NoBundle as reason:
        if (found := await app.gateway.evidence.bundles.written(one.key, stored)) is None:
            raise HTTPException(404, f"there is no bundle: {reason}") from None
        content = found
    try:
        return await READING.run(reheaded, content, lambda head: seen_by(head, tenant)) if tenant else content
    except BundleError as error:
        log.warning("bundle is damaged", call=one.name, cause=str(error))
        why = "the bundle of this call is damaged, and cannot be shown; ask whoever runs the gateway for a copy"
        raise HTTPException(410, why) from None


async def _bundled(app: App, one: FoundCall) -> tuple[bool, str]:
    """Whether `_bundle` finds a bundle of an ended call. If not, also the reason; empty if no bundle is expected."""
    evidence = app.gateway.evidence
    if one.key is None:
        return False, ""
    if not (reason := await evidence.no_bundle(one.key)):
        return True, ""
    with contextlib.suppress(SQLAlchemyError, OSError):
        for path in evidence.bundles.paths(one.key):
            if one.row and await is_kept(app.gateway.store, path, one.row):
                return True, ""
    return False, "" if evidence.options.bundles == "off" else reason


async def known(app: App, one: FoundCall) -> dict[str, Any]:
    """Known facts of a call. Raises 404."""
    evidence = app.gateway.evidence
    if one.key and (found := await evidence.timelines.of(one.key)) is not None:
        return found
    messages = evidence.messages(one.key, one.name)
    if one.row and (record := await app.gateway.store.call(one.row)) is not None:
        return _from_record(record) | ({"sip": messages["sip"]} if messages else {})
    if messages is None:
        raise HTTPException(404, "nothing is known of this call")
    return messages


async def recording_of(app: App, one: FoundCall) -> Path:
    """The file of the recording. Raises 404, or 409 while private words in it are not covered yet."""
    if (path := await _recording(app, await known(app, one))) is None:
        raise HTTPException(404, "this call has no recording")
    for pause in (*PAUSES, 0.0):
        try:
            async with app.gateway.store.read() as session:
                heard = await is_open(session, str(path), one.row)
        except FileNotFoundError:
            raise HTTPException(404, "this call has no recording") from None
        if heard is not None:
            break
        await asyncio.sleep(pause)
    if not heard:
        raise HTTPException(409, "something private in the recording is still to be covered; try again in a while")
    return path


async def _recording(app: App, found: dict[str, Any]) -> Path | None:
    """The file of the recording of a call, on this disk or in object storage; None if there is none any more."""
    told = found.get("media", {}).get("recording")
    path = Path(str(told["file"])) if isinstance(told, dict) and told.get("file") else None
    if path is None or not (await READING.run(path.is_file) or await object_of(app.gateway.store, path)):
        return None
    return path


async def _compressed(request: Request, whole: Response) -> Response:
    """Compress a large answer if the browser takes it: the timeline of an hour has a megabyte. It has no secret that
    could be guessed from the compressed length."""
    if "gzip" not in request.headers.get("accept-encoding", "") or len(whole.body) < SMALL:
        return whole
    packed = await READING.run(gzip.compress, bytes(whole.body), 6)
    headers = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    if tag := whole.headers.get("etag"):
        headers["ETag"] = tag
    return Response(packed, media_type=whole.media_type, headers=headers)


async def _costs(app: App, one: FoundCall) -> dict[str, Any] | None:
    """Costs of the call, in parts, and its usage: see `sipgw.policy.cost.cost.Cost.as_dict`."""
    if one.session is not None:
        return one.session.context.cost.as_dict() if one.session.context.cost else None
    async with app.gateway.store.read() as session:
        return await session.scalar(select(CallRecord.costs).where(CallRecord.id == one.row))


def _in_words(costs: dict[str, Any] | None) -> dict[str, Any] | None:
    """`costs` with sentences on products without a price, and on products with an estimated price."""
    return costs and costs | {name: [words(one) for one in costs.get(name, ())] for name in ("estimated", "unpriced")}


def _unrecorded(app: App, found: dict[str, Any], live: CallSession | None) -> str:
    """Why a call has no recording, in a sentence; empty while it is recorded."""
    told = found.get("media", {}).get("sound")
    withheld = told.get("withheld") if isinstance(told, dict) else ""
    if live and live.context.call_recording:
        withheld = "" if live.context.call_recording.agreed else NOT_YET
        if live.context.call_recording.agreed and live.context.call_recording.path:
            return ""
    if withheld:
        return f"No sound is kept, captured or heard by others: {withheld}."
    if _was_recorded(found):
        return "It was deleted."
    agent = app.gateway.agents.all.get(found.get("agent", ""))
    folder = (agent.config if agent else app.gateway.config).recording.folder
    return "None was made." if folder else "Off. [recording] folder in sipgw.toml turns it on."


def _was_recorded(found: dict[str, Any]) -> bool:
    return isinstance(found.get("media", {}).get("recording"), dict)


def _recording_began(found: dict[str, Any]) -> float | None:
    """Seconds of the call at which its recording begins: later than the call if the caller had to agree first."""
    began = found["media"]["recording"].get("began") if _was_recorded(found) else None
    return (datetime.fromisoformat(began) - datetime.fromisoformat(found["began"])).total_seconds() if began else None


def _from_record(record: dict[str, Any]) -> dict[str, Any]:
    """A timeline made from the `record` of a call without a timeline; it lacks the times inside the call."""
    began, answered, ended = record["began"], record.get("answered"), record["ended"]

    def after(moment: Any) -> float | None:
        return round((moment - began).total_seconds(), 3) if moment else None

    turns = [turn | {"t": after(turn.pop("at", None)), "marks": []} for turn in record["turns"]]
    names = ("direction", "trunk", "agent", "caller", "called")
    return {name: record.get(name, "") for name in names} | {
        "call": record["id"],
        "stir": (record.get("identity") or {}).get("stir", {}),
        "began": began.isoformat(),
        "answered": after(answered),
        "ended": after(ended),
        "ending": {"kind": record["ending"], "cause": record["cause"]} if record["ending"] else None,
        "media": record["media"] or {},
        "turns": [turn | {"tools": [_tool(run) for run in turn["tools"]]} for turn in turns],
        "events": [
            {"t": after(one["at"]), "kind": "turn", "text": one["about"].get("evidence", "")}
            for one in record.get("events", ())
            if one["kind"] == "turn_decided"
        ],
        "quality": [],
        "sip": {"messages": [], "left_out": 0},
        "left_out": 0,
    }


def _tool(run: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in run.items() if name != "at"}
