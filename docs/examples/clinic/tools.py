"""Tools of the clinic's agent. The patients are made up: put your calendar in their place."""

from typing import Annotated, Any

from agent.tools import ToolError, tool
from agent.turn_taking.expect import Expected, Kind

APPOINTMENTS = {"204817": {"doctor": "Doctor Lindgren", "day": "Tuesday", "time": "nine o'clock"}}
FREE = ("Wednesday at ten o'clock", "Friday at two o'clock")
Patient = Annotated[str, "The patient's number.", Expected(Kind.DIGITS, 6)]


def _of(patient: str) -> dict[str, str]:
    if patient not in APPOINTMENTS:
        raise ToolError("there is no patient with this number")
    return APPOINTMENTS[patient]


@tool
async def appointment_of(patient: Patient) -> dict[str, Any]:
    """Look up a patient's next appointment."""
    return dict(_of(patient))


@tool
async def free_appointments() -> dict[str, Any]:
    """Look up the appointments that are free."""
    return {"free": FREE}


@tool(confirm=True)
async def move_appointment(patient: Patient, to: str) -> dict[str, Any]:
    """Move a patient's appointment to a free one, which is written as `free_appointments` has it."""
    if to not in FREE:
        raise ToolError("that one is not free")
    return {"status": "moved", "doctor": _of(patient)["doctor"], "to": to}


@tool(confirm=True)
async def cancel_appointment(patient: Patient) -> dict[str, Any]:
    """Cancel a patient's appointment."""
    return {"status": "cancelled", **_of(patient)}
