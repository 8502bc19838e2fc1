"""Tool results for the ear."""

import json

import pytest

from agent.providers.local.brain.results import MAX_VALUE, ToolFault, fault, order_sentences, parse, spoken


def said(number: str, result: object) -> str:
    return " ".join(order_sentences(number, parse(json.dumps(result))))


@pytest.mark.parametrize(
    ("result", "sentences"),
    [
        (
            {"number": "7346", "item": "a blue raincoat", "status": "out for delivery", "expected": "today"},
            "Order 7 3 4 6, a blue raincoat, is out for delivery. It is expected today.",
        ),
        (
            {"item": "two lamps", "status": "delivered", "expected": "delivered yesterday at noon"},
            "Order 7 3 4 6, two lamps, was delivered yesterday at noon.",
        ),
        (
            {"status": "out_for_delivery", "expected_date": "2026-11-24"},
            "Order 7 3 4 6 is out for delivery. It is expected November 24.",
        ),
        ({"order": {"status": "shipped"}, "carrier": "DHL"}, "Order 7 3 4 6: I found it. Carrier: DHL."),
        ({"state": "shipped", "tracking_url": "http://x"}, "Order 7 3 4 6 was shipped."),
        ({"items": ["a lamp", "a bulb"]}, "Order 7 3 4 6: a lamp, a bulb."),
        ("It left the warehouse.", "Order 7 3 4 6: It left the warehouse."),
        ([{"status": "lost"}], "Order 7 3 4 6 was lost."),
    ],
)
def test_any_result_becomes_sentences(result: object, sentences: str) -> None:
    assert said("7346", result) == sentences


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"error": "no order with that number"}', ToolFault.MISSING),
        ('{"error": "Order not found"}', ToolFault.MISSING),
        ("null", ToolFault.MISSING),
        ('{"found": false}', ToolFault.MISSING),
        ('{"error": "the tool took too long"}', ToolFault.BROKEN),
        ('{"ok": false}', ToolFault.BROKEN),
        ("", ToolFault.BROKEN),
        ('{"status": "shipped"}', None),
        ('{"ok": true}', None),
        ("on its way", None),
    ],
)
def test_faults(content: str, expected: ToolFault | None) -> None:
    assert fault(parse(content)) is expected


def test_values_are_short_and_without_markup() -> None:
    assert spoken("**out_for_delivery** <b>") == "out for delivery b"
    assert len(spoken("word " * 1000)) <= MAX_VALUE
    assert spoken({"nested": 1}) == ""


@pytest.mark.parametrize(
    "content", ["[" * 100_000, "{", "NaN", "[]", '"\\ud800"', "[null]", "1e999", '{"status": [[]]}']
)
def test_hostile_results_do_not_raise(content: str) -> None:
    result = parse(content)
    fault(result)
    assert order_sentences("1", result)
