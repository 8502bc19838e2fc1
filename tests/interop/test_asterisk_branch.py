"""Two Asterisks: somebody of a branch, which has a PBX of its own, is asked and gets a caller of the main office."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.interop.asterisk import MODULES, asterisk
from tests.interop.company import scenario
from tests.interop.desks import until
from tests.interop.office import MORE_MODULES, Office, office
from tests.ports import free_ports

pytestmark = pytest.mark.programs("asterisk")
PERSON = "900"
FILES = {
    "pjsip.conf": """\
[udp]
type = transport
protocol = udp
bind = 127.0.0.1:{port}
[others](!)
type = endpoint
context = in
disallow = all
allow = ulaw
direct_media = no
[others](others)
[others]
type = identify
endpoint = others
match = 127.0.0.1
[person](others)
aors = person
[person]
type = aor
contact = sip:900@127.0.0.1:{phones}
""",
    "extensions.conf": "[in]\nexten => 900,1,Dial(PJSIP/person)\n",
}


@contextlib.asynccontextmanager
async def offices(folder: Path) -> AsyncIterator[Office]:
    """The main office and the branch. The phone of the branch is one of ours, too."""
    branch, phones = free_ports(), free_ports()
    async with office(folder, branch, phones) as company:
        with asterisk(branch, {}, FILES, (*MODULES, *MORE_MODULES), phones=phones):
            yield company


PLACE = offices


@scenario
async def test_somebody_of_the_branch_is_asked_and_the_pbx_of_the_caller_takes_over(company: Office) -> None:
    """The gateway's REFER names a call at another PBX: that of the caller dials there with Replaces."""
    caller = await company.desks.call("201", "700")
    session = await company.session("201")
    await company.hears(session, "201")
    session.call_control.transfer("branch")
    await until(lambda: company.desks.calls[PERSON])
    await caller.sound.hums(PERSON)
    assert (await company.record(session.info.id))["ending"] == "transferred"
    person = company.desks.calls[PERSON][-1]
    await person.sound.hums("201")
    caller.leg.hangup()
    await person.over()
