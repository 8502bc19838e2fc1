"""Says whether the called person or the trunk is the cause that a call was not answered, by its status. Sans-IO.

The Q.850 cause of a Reason header (RFC 3326 §2) takes precedence over the status. PBXs and carriers that map causes to
statuses (RFC 3398 §7.2.4.1, §8.2.6.1) send 403 both for a person who declined and for a trunk that refuses.
"""

from sipgw.sip.events import Ended

BUSY = frozenset({486, 600})
NO_ANSWER = frozenset({408, 480, 487})
"""480 is also the answer for a phone that is switched off; 487 follows our own CANCEL after `ring_timeout`."""
DECLINED = frozenset({603, 607, 608})
"""607 and 608: the person called, or the carrier for them, does not want such calls (RFC 8197, RFC 8688)."""
WRONG_NUMBER = frozenset({404, 410, 484, 604})
ELSEWHERE = frozenset({401, 403, 407, 408, 500, 502, 503, 504})
"""Statuses that concern the trunk and not the called person: the next trunk is tried. Not among them: 404, 410, 480,
484, 486, 487, 488, 6xx."""

PERSON = {
    1: "wrong_number",  # unallocated number
    17: "busy",
    18: "no_answer",  # no user responding
    19: "no_answer",  # alerted, no answer
    20: "no_answer",  # subscriber absent
    21: "declined",  # call rejected
    22: "wrong_number",  # number changed
    28: "wrong_number",  # invalid number format
}
"""Causes that concern the called person (ITU-T Q.850 §2.2.7), and the ending of such a call."""
TRUNK = frozenset({34, 38, 41, 42, 43, 44, 47, 58})
"""Causes of a network that is full or out of order: the next trunk is tried. Causes in neither table, such as 16
(normal clearing), 31 (unspecified) and 127 (interworking), say less than the status."""
RANG_IN_VAIN = (603, 0)
"""Status and Q.850 cause of an Asterisk whose dialplan ends after the phone has rung without an answer: the person has
not declined."""


def elsewhere(ended: Ended) -> bool:
    """Whether the next trunk is to be tried: the trunk is at fault, and the phone of the person may never have rung."""
    if ended.cause in PERSON:
        return False
    return ended.cause in TRUNK or ended.status in ELSEWHERE


def kind_of(ended: Ended) -> str:
    """The kind of ending: ``busy``, ``no_answer``, ``declined``, ``wrong_number`` or ``failed``."""
    if ended.by == "network" or ended.cause in TRUNK:
        return "failed"
    kinds = ((BUSY, "busy"), (NO_ANSWER, "no_answer"), (DECLINED, "declined"), (WRONG_NUMBER, "wrong_number"))
    by_status = next((kind for statuses, kind in kinds if ended.status in statuses), "failed")
    if (ended.status, ended.cause) == RANG_IN_VAIN:
        by_status = "no_answer"
    return by_status if ended.cause is None else PERSON.get(ended.cause, by_status)
