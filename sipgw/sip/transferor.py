"""We refer the other side to another target (REFER, RFC 3515), and learn the outcome by NOTIFY."""

import re
from dataclasses import replace
from functools import partial

from sipgw.sip.call_state import CallState
from sipgw.sip.checks import unwanted
from sipgw.sip.events import Referred
from sipgw.sip.fields import param, parse_params, split
from sipgw.sip.identity import cleaned
from sipgw.sip.message import Request, Response
from sipgw.sip.replaces import Replaces
from sipgw.sip.timers import Timer
from sipgw.sip.transaction import Transaction
from sipgw.sip.uri import Uri

REFER_LIMIT = 30.0
"""Seconds after a REFER, or after a report about it, in which the next report must come."""
RING_LIMIT = 120.0
"""Seconds until the outcome must be known, even if the other side keeps reporting that the target rings."""
ANSWER_TIME = 1.0
"""Seconds from the first report of ringing, or from the REFER if none comes, in which no person answers. A PBX that
reports 200 sooner means that it has passed the caller on (Asterisk 20 ms after the ringing, FreeSWITCH before it
dials), not what RFC 3515 §2.4.5 means: that the call to the target was answered."""
PROOF_LIMIT = 2.0
"""Seconds in which a failure may still follow a 200 that came within `ANSWER_TIME`."""
UNPROVEN = 202
"""The status of an outcome that only says that the caller was passed on."""
SIPFRAG = "message/sipfrag"
STATUS_LINE = re.compile(rb"SIP/2\.0 +([1-6]\d\d)(?: +([^\r\n]{0,200}))?")


class Transferor:
    """Our REFERs in one call, one at a time."""

    def __init__(self, call: CallState) -> None:
        self._call = call
        self._limit: Timer | None = None
        self._until = 0.0
        self._number = 0
        """The CSeq number of the latest REFER; with credentials it has a higher one. The numbers name the subscriptions
        (§2.4.6), so a lower one is that of an earlier REFER."""
        self._subscribed = False
        self._rang = False
        self._believed_from = 0.0
        """The time from which a report of 200 can be true."""
        self._passed_on = False
        """Whether a report of 200 came sooner."""

    def refer(self, target: Uri, now: float, replaces: Replaces | None = None) -> None:
        """Ask the other side to call `target`, in the place of the call `replaces` if given (RFC 5589 §7)."""
        call = self._call
        if call.dialog is None or not call.up or self._limit is not None:
            call.on_event(Referred(False, 0, "the call is not up, or being transferred"))
            return
        if cause := call.core.environment.forbidden(target, now):
            call.on_event(Referred(False, 403, cause))
            return
        if replaces is not None:
            target = replace(target, headers=replaces.escaped())
        self._until = now + RING_LIMIT
        self._limit = self._wait(now)
        self._subscribed = True
        self._number = call.dialog.local_number + 1
        self._rang, self._passed_on = replaces is not None, False  # the replaced call is answered already
        self._believed_from = now if self._rang else now + ANSWER_TIME
        fields = (
            ("Refer-To", f"<{target}>"),
            ("Referred-By", f"<{call.dialog.local.uri}>"),
            ("Supported", "norefersub"),
        )
        call.request("REFER", now, fields=fields, on_final=partial(self._answered, self._number))

    def _answered(self, number: int, response: Response | None, now: float) -> None:
        del now
        if number != self._number:
            return  # of an earlier REFER, which was given up
        if response is None:
            self._outcome(Referred(False, 408, "no answer to REFER"))
        elif response.status >= 300:
            self._outcome(Referred(False, response.status, response.reason))
        elif (response.headers.get("refer-sub") or "").strip().lower() == "false":
            # RFC 4488 §4: they accept, but will report no outcome.
            self._outcome(Referred(True, UNPROVEN, "passed on; the other side does not report the outcome"))

    def notified(self, request: Request, transaction: Transaction, now: float) -> None:
        """Answer a NOTIFY (RFC 6665 §4.1.3), and learn the outcome from its status line (RFC 3515 §2.4.5)."""
        core = self._call.core
        refusal = unwanted(request)
        if refusal is not None:
            core.respond(transaction, refusal.status, now, headers=refusal.headers)
        elif not self._subscribed:
            core.respond(transaction, 481, now)
        else:
            core.respond(transaction, 200, now)
            number = param(parse_params(split(request.headers.get("event") or "", ";")[1:]), "id") or ""
            if not (number.isascii() and number.isdigit() and int(number[:10]) < self._number):
                self._report(request, now)

    def _report(self, request: Request, now: float) -> None:
        line = STATUS_LINE.match(request.body)
        if line is None:
            return
        status, reason = int(line[1]), cleaned((line[2] or b"").decode("utf-8", "replace"))
        over = (request.headers.get("subscription-state") or "").lower().startswith("terminated")
        if 200 <= status < 300 and now < self._believed_from:
            self._doubt(now)
        elif status >= 200 or (over and not self._passed_on):
            self._outcome(Referred(200 <= status < 300, status, reason))
        elif self._limit is not None and not self._passed_on:
            if status >= 180 and not self._rang:
                self._rang, self._believed_from = True, now + ANSWER_TIME
            self._limit.cancel()
            self._limit = self._wait(now)

    def _doubt(self, now: float) -> None:
        """Wait a little, because a 200 came before a person can have answered: a failure may follow, or a BYE."""
        if self._limit is not None and not self._passed_on:
            self._passed_on = True
            self._limit.cancel()
            self._limit = self._call.core.timers.at(now + PROOF_LIMIT, lambda at: self.close())

    def _wait(self, now: float) -> Timer:
        late = Referred(False, 408, "the other side did not report the outcome of the transfer")
        return self._call.core.timers.at(min(now + REFER_LIMIT, self._until), lambda at: self._outcome(late))

    def close(self) -> None:
        """Report the outcome as far as it is known, because no further report can come: the call is over."""
        unproven = Referred(True, UNPROVEN, "passed on; reported as answered sooner than a person can answer")
        self._outcome(unproven if self._passed_on else Referred(False, 0, "the call ended"))

    def _outcome(self, outcome: Referred) -> None:
        if self._limit is None:
            return
        self._limit.cancel()
        self._limit = None
        self._call.on_event(outcome)
