"""Tools that nobody had seen who wrote the brain: of restaurants, parcels, a clinic, a bank and other places."""

from datetime import date
from typing import Annotated, Literal

from agent.tools import Tool, tool
from agent.turn_taking.expect import Expected, Kind

Account = Literal["checking", "savings"]


@tool
async def join_waiting_list(party_size: Annotated[int, "How many people are coming."], name: str) -> str:
    """Put a party on tonight's waiting list."""
    return "done"


@tool
async def delivers_to(postcode: Annotated[str, "Postcode of the address.", Expected(Kind.DIGITS, 5)]) -> str:
    """Find out if the kitchen delivers to an address."""
    return "done"


@tool
async def track_parcel(tracking_number: Annotated[str, "The number on the label.", Expected(Kind.DIGITS, 8)]) -> str:
    """Tells where a parcel is."""
    return "done"


@tool
async def redeliver_parcel(
    tracking_number: Annotated[str, "The number on the label.", Expected(Kind.DIGITS, 8)], day: date
) -> str:
    """Bring a parcel once more, on another day."""
    return "done"


@tool
async def cancel_visit(patient: Annotated[str, "Full name of the patient."], day: date) -> str:
    """Cancel a patient's visit to the doctor."""
    return "done"


@tool
async def lab_results(
    patient_number: Annotated[str, "The number on the patient card.", Expected(Kind.DIGITS, 6)],
) -> str:
    """Say whether the results of a blood test have come in."""
    return "done"


@tool
async def block_card(
    last_digits: Annotated[str, "The last four digits of the card.", Expected(Kind.DIGITS, 4)],
    cause: Literal["lost", "stolen", "damaged"],
) -> str:
    """Block a bank card."""
    return "done"


@tool
async def account_balance(account: Account) -> str:
    """Get the balance of an account."""
    return "done"


@tool
async def move_money(amount: Annotated[float, "How much money."], from_account: Account, to_account: Account) -> str:
    """Move money between the caller's accounts."""
    return "done"


@tool
async def book_inspection(plate: Annotated[str, "The licence plate."], day: date, morning: bool = True) -> str:
    """Book the yearly inspection of a car."""
    return "done"


@tool
async def report_absence(child: Annotated[str, "First name of the child."], reason: str) -> str:
    """Tell the school that a child is absent today."""
    return "done"


@tool
async def send_taxi(
    pickup: Annotated[str, "The address where the taxi should come."], when: Annotated[str, "When."] = "now"
) -> str:
    """Send a taxi to an address."""
    return "done"


@tool
async def submit_meter_reading(
    reading: Annotated[int, "What the meter shows."], kind: Literal["electricity", "gas", "water"]
) -> str:
    """Take down a meter reading."""
    return "done"


@tool
async def buy_tickets(show: Annotated[str, "Title of the show."], seats: int, evening: date) -> str:
    """Sell tickets for the theatre."""
    return "done"


@tool
async def open_claim(policy_number: Annotated[str, "The policy number."], what_happened: str) -> str:
    """Open an insurance claim."""
    return "done"


@tool
async def vaccinate_pet(
    pet: Annotated[str, "The name of the pet."], species: Literal["dog", "cat", "rabbit"], day: date
) -> str:
    """Arrange a vaccination for a pet."""
    return "done"


@tool
async def lost_property(item: Annotated[str, "What was lost."]) -> str:
    """Look in the lost property office for an item."""
    return "done"


@tool
async def freeze_membership(
    member_number: Annotated[str, "The member number.", Expected(Kind.DIGITS, 5)], months: int
) -> str:
    """Pause a gym membership for some months."""
    return "done"


@tool
async def room_price(nights: int, room: Literal["single", "double", "suite"]) -> str:
    """Quote the price of a hotel room."""
    return "done"


@tool
async def late_checkout(room_number: str) -> str:
    """Let a guest leave the room later than eleven."""
    return "done"


PLACES: dict[str, tuple[Tool, ...]] = {
    "restaurant": (
        join_waiting_list,
        delivers_to,
    ),
    "parcel": (
        track_parcel,
        redeliver_parcel,
    ),
    "clinic": (
        cancel_visit,
        lab_results,
    ),
    "bank": (
        block_card,
        account_balance,
        move_money,
    ),
    "garage": (book_inspection,),
    "school": (report_absence,),
    "taxi": (send_taxi,),
    "utility": (submit_meter_reading,),
    "theatre": (buy_tickets,),
    "insurance": (open_claim,),
    "vet": (vaccinate_pet,),
    "station": (lost_property,),
    "gym": (freeze_membership,),
    "hotel": (
        room_price,
        late_checkout,
    ),
}
