"""The announcement of a call to an agent's own server: the message ``setup`` of ConversationRelay."""

import hashlib
from collections.abc import Mapping
from typing import Literal

from agent.relay.call import RelayCall
from sipgw.agents.agents import filled
from sipgw.config.agent import AgentOptions
from sipgw.sip.identity import Identity, is_number

WITHHELD = "anonymous"


def relay_call(
    call: str, identity: Identity, direction: Literal["in", "out"], options: AgentOptions, values: Mapping[str, str]
) -> RelayCall:
    """The announcement of the call named `call` (`sipgw.events.CallKey.name`) to the server in `options`. `values` fill
    the ``{{name}}`` in the agent's parameters.

    There are no account and no parent call here: these fields are empty, as are names and numbers that are not known.
    """
    other = identity.dialled if direction == "out" else identity.number
    told = {
        "accountSid": "",
        "callSid": call_sid(call),
        "parentCallSid": "",
        "from": identity.number or WITHHELD,
        "to": identity.dialled,
        "forwardedFrom": identity.diverted[0] if identity.diverted else "",
        "callerName": identity.name,
        "callType": "PSTN" if is_number(other) else "SIP",
        "callStatus": "RINGING",
        "direction": "outbound" if direction == "out" else "inbound",
    }
    parameters = {name: filled(value, values) for name, value in options.brain_parameters.items()}
    return RelayCall(options.brain, told, parameters, options.brain_key)


def call_sid(call: str) -> str:
    """A `sipgw.events.CallKey.name` in the form that servers expect of ``callSid``; all sessions of a call have it."""
    return f"CA{hashlib.sha256(call.encode()).hexdigest()[:32]}"
