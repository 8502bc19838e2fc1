"""Which agent answers whom, by the verdict on the caller's number."""

import pytest

from sipgw.agents.agents import Agents
from sipgw.config.agent import RouteOptions
from sipgw.config.config import GatewayConfig
from sipgw.config.stir import StirOptions
from sipgw.sip.identity import Identity, Stir
from sipgw.sip.message import Headers, Request
from sipgw.sip.uri import Uri

NUMBER = "+15550100"
PASSED, FAILED, UNSIGNED = Identity(stir=Stir("passed")), Identity(stir=Stir("failed")), Identity()


def agents_of(*routes: RouteOptions) -> Agents:
    return Agents(
        GatewayConfig(routes=routes, stir=StirOptions(roots="roots.pem")),
        {"accounts": GatewayConfig(), "sales": GatewayConfig()},
    )


def request(user: str) -> Request:
    return Request("INVITE", Uri("sip", user, "gw"), headers=Headers((("To", "<sip:gw>"),)))


@pytest.mark.parametrize("called", [(), (NUMBER,)], ids=["for every number", "for one number"])
@pytest.mark.parametrize(
    ("user", "caller", "who"),
    [
        ("accounts", FAILED, "agent"),
        ("Accounts", UNSIGNED, "agent"),
        ("accounts", PASSED, "accounts"),
        (NUMBER, FAILED, "agent"),
        (NUMBER, PASSED, "accounts"),
        ("sales", FAILED, "sales"),
    ],
)
def test_who_dials_the_name_of_an_agent_passes_no_rule_by_that(
    called: tuple[str, ...], user: str, caller: Identity, who: str
) -> None:
    """The caller writes the Request-URI, and the route takes only callers whose number has passed."""
    agents = agents_of(RouteOptions("accounts", called, verdicts=("passed",)))
    assert agents.answering(request(user), caller, "carrier").name == who


def test_the_verdict_is_asked_for_where_the_dialled_agent_demands_it() -> None:
    agents = agents_of(RouteOptions("accounts", (NUMBER,), verdicts=("passed",)), RouteOptions("sales", ("1",)))
    asked = [
        user for user in ("accounts", NUMBER, "sales", "1", "2") if agents.ask_verdict(request(user), UNSIGNED, "x")
    ]
    assert asked == ["accounts", NUMBER]
