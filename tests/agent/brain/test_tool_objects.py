"""Tools of the agent's owner with objects, which are asked for field by field, and with what nobody can say."""

from typing import Annotated

from pydantic import BaseModel, Field

from agent.providers.local.brain.parameters import MOST_PARAMETERS, own_tool
from agent.tools import tool
from tests.agent.brain.caller import schema
from tests.agent.brain.owner_tools import plan_route
from tests.agent.brain.test_own_tools import MORE, Gateway, caller


class Address(BaseModel):
    street: Annotated[str, Field(description="The street.")]
    city: str
    floor: int | None = None


class Order(BaseModel):
    dish: str
    address: Address


@tool
async def order_dish(order: Order) -> dict[str, str]:
    """Order a dish for delivery to an address."""
    return {"status": f"{order.dish} to {order.address.street} in {order.address.city}"}


def test_an_object_is_asked_for_field_by_field() -> None:
    call = caller(order_dish)
    assert call.says("I want to order a dish for delivery") == "Sure. Please tell me the order dish."
    assert call.says("Lasagne") == "Please tell me the street."
    assert call.says("Baker Street") == "Please tell me the order address city."
    assert call.says("Oxford") == f"Lasagne, Baker Street, Oxford, Lasagne to Baker Street in Oxford. {MORE}"
    address = {"street": "Baker Street", "city": "Oxford"}
    assert call.calls == [("order_dish", {"order": {"dish": "Lasagne", "address": address}})]


def test_a_field_that_the_tool_refuses_is_asked_for_again() -> None:
    refused = {"error": "wrong arguments: order.address.city: no such city; correct them, or ask the caller"}
    call = caller(order_dish, answer=lambda name, arguments: refused)
    call.says("I want to order a dish for delivery")
    call.says("Lasagne")
    call.says("Baker Street")
    assert call.says("Oxford") == "That does not look right. Please tell me the order address city."


def test_an_object_is_read_back_field_by_field() -> None:
    call = caller(order_dish, answer=Gateway())
    for words in ("I want to order a dish for delivery", "Lasagne", "Baker Street"):
        call.says(words)
    assert call.says("Oxford") == (
        "Order a dish for delivery to an address: order dish Lasagne, order address street Baker Street, "
        "order address city Oxford. Is that right?"
    )
    assert call.says("yes").startswith("That is done")
    assert call.calls[0] == call.calls[1]


def test_a_tool_that_needs_what_nobody_can_say_is_known_and_says_what_it_needs() -> None:
    call = caller(plan_route)
    needs = f"To plan a route for a delivery van I need the stops, in a form that nobody can speak. {MORE}"
    assert call.says("Please plan a route for my delivery van") == needs
    assert call.says("what can you do").startswith("I can plan a route for a delivery van.")
    assert call.calls == []


def test_objects_without_fields_or_without_end_cannot_be_said() -> None:
    bare = own_tool(schema("post", body={"type": "object"}))
    assert bare and bare.unspoken == "body"
    endless = schema("post", body={"$ref": "#/$defs/node"})
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}, "required": ["next"]}
    endless["function"]["parameters"]["$defs"] = {"node": node}
    found = own_tool(endless)
    assert found and found.unspoken.startswith("body next")
    assert own_tool({"function": {"name": 5}}) is None


def test_of_a_wide_schema_so_many_parameters_are_asked_for_and_a_required_one_beyond_is_told() -> None:
    found = own_tool(schema("wide", **{f"field_{at}": {"type": "string"} for at in range(1000)}))
    assert found and (len(found.parameters), found.unspoken) == (MOST_PARAMETERS, f"field {MOST_PARAMETERS}")
