"""A test call: is it answered, with a common codec, and with sound in both directions?"""

import asyncio
from collections import Counter

from media.process.engine import MediaOptions
from media.rtp.srtp import Keys
from sipgw.calls.negotiation import OurSide
from sipgw.config.trunks import TrunkOptions
from sipgw.sip.dialog import is_private
from sipgw.sip.endpoint import CallFailed
from sipgw.sip.leg import Leg
from sipgw.sip.message import Response
from sipgw.sip.offer_answer import LocalMedia, NotAcceptable, accept_answer
from sipgw.tools.doctor import audio
from sipgw.tools.doctor.doctor_endpoint import DoctorEndpoint, DoctorTimeouts
from sipgw.tools.doctor.finding import Finding, bad, good
from sipgw.trunks.route_selector import Attempt, NotDialled, RouteSelector


async def call(
    asker: DoctorEndpoint, trunk: TrunkOptions, number: str, media: MediaOptions, patience: DoctorTimeouts
) -> list[Finding]:
    """Call `number` through `trunk`, listen, hang up."""
    about, now = trunk.name, asyncio.get_running_loop().time
    try:
        attempt = next(iter(RouteSelector((trunk,), Counter(), lambda name: True).attempts(number, now)))
    except (NotDialled, StopIteration) as error:
        return [bad("call.number", about, f"{number}: {error}")]
    ports = await audio.open_ports(media.bind_host, *media.port_range)
    if ports is None:
        return [bad("local.rtp-ports", about, f"no free pair of UDP ports in {media.port_range}")]
    try:
        return await _placed(asker, attempt, ports, patience)
    finally:
        ports.close()


async def _placed(
    asker: DoctorEndpoint, attempt: Attempt, ports: audio.AudioPorts, patience: DoctorTimeouts
) -> list[Finding]:
    trunk = attempt.trunk
    side = OurSide(ports.sound.number)
    offers = side.offers(trunk.srtp, attempt.there)
    asker.begin()
    asker.calling = f"o=sipgw {side.local.session_id} "
    try:
        leg, _ = await asker.endpoint.invite(
            attempt.target, attempt.from_, *offers, credentials=attempt.credentials if trunk.password else None,
            proxy=attempt.proxy, fields=attempt.fields, ring_timeout=patience.ring,
        )  # fmt: skip
    except CallFailed as failed:
        asker.end_call()
        finals = [one for one in asker.responses() if one.status >= 300 and one.cseq.method == "INVITE"]
        return [refused(finals[-1] if finals else None, str(failed), trunk, str(attempt.target))]
    try:
        return await _answered(asker, leg, side.local, ports, trunk, patience)
    finally:
        asker.end_call()
        leg.hangup()
        await leg.over(2.0)


async def _answered(
    asker: DoctorEndpoint,
    leg: Leg,
    local: LocalMedia,
    ports: audio.AudioPorts,
    trunk: TrunkOptions,
    patience: DoctorTimeouts,
) -> list[Finding]:
    about, found = trunk.name, list[Finding]()
    if asker.looped is not None and asker.looped.offer is not None:
        found += looped(leg.local, asker.looped.offer, about)
    try:
        agreed = accept_answer(leg.local, leg.remote, local.as_sent(leg.local))
    except NotAcceptable as error:
        return [*found, bad("call.answer", about, f"200, but {error}")]
    secured = agreed.srtp
    sound = f"{agreed.encoding} in SRTP ({secured.suite})" if secured else agreed.encoding
    found.append(good("call.ok", about, f"answered with {sound}, sound to {agreed.remote_address}"))
    if secured:
        ports.secure(Keys(secured.suite, secured.ours, secured.theirs, secured.mki))
    if private := out_of_reach(agreed.remote_address, leg.source.host, about):
        return [*found, private]
    if agreed.on_hold or agreed.direction != "sendrecv":
        found.append(bad("call.held", about, f"the answer is a={agreed.direction} for the gateway"))
        return found
    remote = (agreed.remote_address, agreed.remote_port)
    heard = await ports.talk(remote, agreed.control, agreed.payload_type, agreed.encoding, patience.listen)
    own = f"{ports.sound.number} and {ports.control.number}"
    return [*found, audio.judge(heard, about, f"{remote[0]}:{remote[1]}", own)]


def out_of_reach(media: str, signalling: str, about: str) -> Finding | None:
    """The finding if a host on the Internet wants our sound at a private address; otherwise None. Sans-IO."""
    if is_private(media) and not is_private(signalling):
        return bad("call.private-media", about, f"c= names {media}, and {signalling} is on the Internet")
    return None


def looped(sent: bytes, came: bytes, about: str) -> list[Finding]:
    """Findings on a test call that was routed back to us: compare the sent session description with the received one.
    Sans-IO."""
    if came == sent:
        return [
            good("alg.body-ok", about, "the gateway's session description came back in the looped call as it was sent")
        ]
    ours, theirs = sent.decode("utf-8", "replace").splitlines(), came.decode("utf-8", "replace").splitlines()
    pairs = [(a, b) for a, b in zip(ours, theirs, strict=False) if a != b and a[:2] in ("c=", "m=", "o=")]
    shown = "; ".join(f"sent {a!r}, came back as {b!r}" for a, b in pairs) or f"{len(sent)} bytes became {len(came)}"
    return [bad("alg.body", about, shown)]


STATUSES = {
    400: "call.number", 402: "call.credit", 403: "call.forbidden", 404: "call.number", 408: "call.no-answer",
    415: "call.codec", 416: "call.number", 480: "call.no-answer", 484: "call.number", 486: "call.busy",
    488: "call.codec", 503: "call.limit", 600: "call.busy", 603: "call.busy", 604: "call.number", 606: "call.codec",
}  # fmt: skip
"""The finding for each status of a refused call, if the reason phrase says nothing more."""
PHRASES = (
    ("call.srtp-required", 488, ("encryption", "srtp", "savp")),
    ("call.caller-id", 403, ("caller", "origination number", "from number", "d35", "d36", "d51")),
    ("call.limit", 403, ("concurren", "limit", "cps", "channel")),
    ("call.credit", 403, ("credit", "balance", "funds", "billing")),
    ("call.codec", 500, ("codec", "media", "incompatible")),
)
"""Words in a reason phrase, Warning or Reason header that say more than the status: finding, status, words."""


def refused(response: Response | None, failure: str, trunk: TrunkOptions, target: str) -> Finding:
    """The finding on a call that was not answered: why. Sans-IO."""
    if response is None:
        return bad("call.no-answer", trunk.name, f"INVITE {target}: {failure}")
    words = f"{response.reason} {response.headers.get('warning') or ''} {response.headers.get('reason') or ''}"
    evidence = f"INVITE {target}: {response.status} {words.strip()}"
    if response.status in (401, 407):
        return bad("call.wrong-password" if trunk.password else "call.no-password", trunk.name, evidence)
    for id_, status, hints in PHRASES:
        if response.status == status and any(hint in words.lower() for hint in hints):
            return bad(id_, trunk.name, evidence)
    return bad(STATUSES.get(response.status, "call.refused"), trunk.name, evidence)
