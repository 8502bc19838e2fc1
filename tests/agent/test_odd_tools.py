"""Functions whose parameters no model can write: the error names the tool and the parameter."""

import socket
from collections.abc import Callable

import pytest

from agent.tools import ToolFileError, tool


def odd_class(one: int, two: socket.socket) -> str:
    """Take what no model can write."""
    return ""


def odd_callable(two: Callable[[], int]) -> str:
    """Take what no model can write."""
    return ""


def odd_name(two: "Nowhere") -> str:  # type: ignore[name-defined]  # noqa: F821
    """Take what is not there."""
    return ""


@pytest.mark.faults("H13")
@pytest.mark.parametrize(
    ("function", "says"),
    [
        (odd_class, "tool odd_class: parameter two: <class 'socket.socket'> is no type that a model can write"),
        (odd_callable, "tool odd_callable: parameter two: "),
        (odd_name, "tool odd_name: its type hints cannot be read: name 'Nowhere' is not defined"),
    ],
)
def test_an_odd_type_names_tool_and_parameter(function: Callable[..., str], says: str) -> None:
    with pytest.raises(ToolFileError) as caught:
        tool(function)
    assert str(caught.value).startswith(says)
    assert "\n" not in str(caught.value)
