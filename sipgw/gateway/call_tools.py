"""The tools that features of the gateway give to agents in a call."""

from sipgw.agents.orders import order_tools
from sipgw.calls.messages import message_tools
from sipgw.calls.originator import Originator
from sipgw.calls.services import CallTools
from sipgw.outbound.callback_tools import callback_tools
from sipgw.policy.gate.dnc import OwnList
from sipgw.policy.gate.stop_calling import stop_tools
from sipgw.records.artifacts.consent import recording_tools
from sipgw.records.store.store import Store


def call_tools(store: Store, own: OwnList, originator: Originator) -> tuple[CallTools, ...]:
    """The tools that the gateway's features give to agents: one line for each feature."""
    return (
        lambda call, agent: order_tools(agent.config.agent, store),
        callback_tools(store, originator),
        lambda call, agent: recording_tools(call.call_recording),
        message_tools,
        lambda call, agent: stop_tools(
            own,
            lambda: call.info.numbers,
            call.info.trunk.country,
            call.info.id,
            call.info.stopped,
            agent.config.codes[0],
        ),
    )
