"""Connects the tool by which an agent promises to call back with the call in which the agent speaks."""

from dataclasses import replace

from agent.tools import Tool
from sipgw.agents.agents import AgentDefinition
from sipgw.calls.context import CallContext
from sipgw.calls.originator import Originator
from sipgw.calls.services import CallTools
from sipgw.config.tenants import tenant_named, tenant_of
from sipgw.outbound.jobs import Jobs
from sipgw.outbound.promises import CallbackContext, callback_tool
from sipgw.policy.gate.rules import GateRefusal, GateRequest
from sipgw.records.store.store import Store


def callback_tools(store: Store, originator: Originator) -> CallTools:
    """Makes `sipgw.outbound.promises.callback_tool` for each call. If no trunk can dial, or the tenant has no number, a
    person has to make the promised call."""

    def tools(call: CallContext, agent: AgentDefinition) -> list[Tool]:
        options, info = agent.config.callbacks, call.info
        tenants = agent.gateway.tenants
        tenant = tenant_of(info.agent, tenants)
        numbers = tenant_named(tenant, tenants).numbers if tenant else ("",)  # without a number it cannot call out
        options = replace(options, dial=options.dial and bool(numbers and originator.first()))

        async def asking() -> CallbackContext:
            verified = await call.verified()
            return CallbackContext(info.key, info.agent, info.other, info.trunk, verified)

        async def refused(number: str, trunk: str, consent: bool) -> str:
            """Why the gate does not permit a call back to `number` at any hour; empty if it does."""
            request = GateRequest(
                number, originator.first(trunk), info.agent, "callback", consent=consent or None,
                caller_id=next(iter(numbers), ""), tenant=tenant,
            )  # fmt: skip
            judged = await originator.gate.judge(request, later=True)
            return judged.reason if isinstance(judged, GateRefusal) else ""

        return [callback_tool(Jobs(store, ""), asking, options, refused=refused, tenants=tenants)]

    return tools
