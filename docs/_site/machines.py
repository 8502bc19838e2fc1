"""The state machines, drawn from their tables."""

from collections.abc import Mapping
from enum import Enum

from agent.relay import talk
from agent.turn_taking import table as turns
from media.jitter import states
from media.rtp import source
from sipgw.sip import failover_table, invite_dialog_table, offer_exchange_table, transaction

Table = Mapping[tuple[Enum, Enum], tuple[Enum, tuple[Enum, ...]]]
MACHINES: dict[str, tuple[str, Table]] = {
    "Whose turn it is": ("`agent/turn_taking/table.py`: between the caller and the agent.", turns.TABLE),
    "Source check of RTP": (
        "`media/rtp/source.py`: the address that the sound of a call comes from, and the address that it goes to.",
        source.TABLE,
    ),
    "The jitter buffer for recognisers": (
        "`media/jitter/states.py`: how much sound was put out, against the time that has passed.",
        states.TABLE,
    ),
    "State of a ConversationRelay session": (
        "`agent/relay/talk.py`: the messages of ConversationRelay do not say which prompt a token answers.",
        {cell: (then, ()) for cell, then in talk.CYCLES.items()},
    ),
    "INVITE, client": ("`sipgw/sip/transaction.py`: RFC 3261 figure 5, RFC 6026 figure 1.", transaction.INVITE_CLIENT),
    "INVITE, server": ("`sipgw/sip/transaction.py`: RFC 3261 figure 7, RFC 6026 figure 2.", transaction.INVITE_SERVER),
    "Any other request, client": ("`sipgw/sip/transaction.py`: RFC 3261 figure 6.", transaction.CLIENT),
    "Any other request, server": ("`sipgw/sip/transaction.py`: RFC 3261 figure 8, RFC 4320.", transaction.SERVER),
    "A call, from its caller": ("`sipgw/sip/invite_client.py`: RFC 3261 §13.2, §9.1, §15.", invite_dialog_table.CLIENT),
    "A call, to its callee": ("`sipgw/sip/invite_server.py`: RFC 3261 §13.3, §15.", invite_dialog_table.SERVER),
    "Offer and answer": ("`sipgw/sip/offer_exchange.py`: RFC 3264, RFC 6337.", offer_exchange_table.OFFERS),
    "An INVITE tried at several addresses": (
        "`sipgw/sip/failover.py`: RFC 3263 §4.3; each branch of a fork may bring a 2xx.",
        failover_table.INVITE_FAILOVER,
    ),
    "Any other request tried at several addresses": (
        "`sipgw/sip/failover.py`: RFC 3263 §4.3.",
        failover_table.FAILOVER,
    ),
    "One branch of a request": ("`sipgw/sip/failover.py`: the request at one address.", failover_table.BRANCH),
}


def machines() -> str:
    """A diagram of each machine, and below it what each transition does."""
    lines = [
        "# State machines",
        "",
        "Drawn from the tables that the code runs. An event without an arrow in a state changes nothing there.",
        "In the machines of calls, offers and failover it cannot happen: the code then raises an error.",
    ]
    for name, (about, table) in MACHINES.items():
        lines += ["", f"## {name}", "", about, "", "```mermaid", "stateDiagram-v2", *_diagram(table), "```", ""]
        lines += ["| state | event | then | and |", "|---|---|---|---|"]
        for (state, event), (then, done) in table.items():
            did = ", ".join(str(one.value) for one in done)
            lines.append(f"| {state.value} | {event.value} | {then.value} | {did} |")
    return "\n".join(lines) + "\n"


def _diagram(table: Table) -> list[str]:
    """One arrow for all events that lead from one state to another."""
    events: dict[tuple[Enum, Enum], list[str]] = {}
    for (state, event), (then, _) in table.items():
        events.setdefault((state, then), []).append(str(event.value))
    states = dict.fromkeys(state for pair in events for state in pair)
    named = [f'    state "{state.value}" as {state.name}' for state in states]
    first = next(iter(table))[0]
    arrows = [f"    {a.name} --> {b.name}: {' / '.join(labels)}" for (a, b), labels in events.items()]
    return [*named, f"    [*] --> {first.name}", *arrows]
