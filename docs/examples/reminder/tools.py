"""Tools of the reminder's agent. The list is made up: put your calendar in its place."""

from typing import Annotated, Any, Literal

from agent.tools import ToolError, tool
from agent.turn_taking.expect import Expected, Kind

APPOINTMENTS = {"204817": "tomorrow at nine"}
Patient = Annotated[str, "The patient's number.", Expected(Kind.DIGITS, 6)]


@tool
async def appointment_of(patient: Patient) -> dict[str, Any]:
    """Look up when a patient comes."""
    if patient not in APPOINTMENTS:
        raise ToolError("there is no patient with this number")
    return {"patient": patient, "when": APPOINTMENTS[patient]}


@tool(side_effect=True)
async def note(answer: Literal["comes", "cannot come", "wants to be called by the reception"]) -> dict[str, Any]:
    """Note what the patient has answered."""
    return {"noted": answer}
