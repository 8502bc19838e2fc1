"""Tools as owners of an agent write them: of many kinds, four businesses of five tools, and a fifth that was never
looked at while the brain was written.
"""

from datetime import date, time
from typing import Annotated, Any, Literal

from pydantic import Field

from agent.tools import Tool, tool
from agent.turn_taking.expect import Expected, Kind

Currency = Literal["dollars", "euros", "pounds"]


@tool(timeout=3.0, filler="Let me look on the shelf.")
async def find_book(title: str) -> dict[str, str]:
    """Find out whether a book is in stock."""
    return {"title": title, "stock": "two copies on the second floor"}


@tool
async def opening_hours(day: Annotated[str, "The day of the week."]) -> str:
    """Tell when the shop is open on a day."""
    return f"On {day} we are open from nine to six."


@tool
async def order_status(order_number: Annotated[str, "The order number.", Expected(Kind.DIGITS, 6)]) -> dict[str, Any]:
    """Look up the status of an order."""
    return {"order_number": order_number, "status": "on its way", "expected": "2026-11-25"}


@tool(side_effect=True)
async def reserve_book(
    title: Annotated[str, "Title of the book."], name: Annotated[str, "The customer's name."]
) -> dict[str, bool]:
    """Put a book aside for a customer who will collect it."""
    return {"ok": True}


@tool
async def gift_card_balance(card_number: Annotated[str, "The number on the gift card."]) -> dict[str, Any]:
    """Get how much money is left on a gift card."""
    return {"card_number": card_number, "balance": 25.5}


@tool(confirm=True)
async def book_table(
    people: Annotated[int, "How many people."],
    time: Annotated[str, "Day and time of the table."],
    name: Annotated[str, "The name for the reservation."],
) -> dict[str, Any]:
    """Book a table at the restaurant."""
    return {"status": "booked"}


@tool
async def todays_specials() -> list[str]:
    """List the specials on today's menu."""
    return ["mushroom soup", "grilled trout", "apple pie"]


@tool
async def check_allergen(
    dish: Annotated[str, "The dish on the menu."],
    allergen: Annotated[Literal["nuts", "gluten", "milk", "eggs", "shellfish"], "What the guest cannot eat."],
) -> bool:
    """Check whether a dish contains an allergen."""
    return False


@tool(confirm=True)
async def cancel_reservation(name: Annotated[str, "The name of the reservation."]) -> dict[str, bool]:
    """Cancel a table reservation."""
    return {"ok": True}


@tool(side_effect=True)
async def order_pizza(
    kind: Annotated[Literal["margherita", "salami", "four cheese", "vegetarian"], "Which pizza."],
    size: Literal["small", "medium", "large"] = "medium",
    quantity: Annotated[int, "How many pizzas.", Field(ge=1, le=20)] = 1,
) -> dict[str, str]:
    """Order pizza for delivery."""
    return {"ready": "in forty minutes"}


@tool
async def weather(city: str) -> dict[str, Any]:
    """Get the weather forecast for a city."""
    return {"city": city, "temperature": "12 degrees", "sky": "cloudy"}


@tool
async def train_times(
    origin: Annotated[str, "Station of departure."],
    destination: Annotated[str, "Station of arrival."],
    when: Annotated[str, "Day or time."] = "now",
) -> list[dict[str, str]]:
    """Find trains between two stations."""
    return [{"departs": "9:05", "arrives": "10:12"}, {"departs": "9:35", "arrives": "10:42"}]


@tool
async def convert_money(amount: float, from_currency: Currency, to_currency: Currency) -> dict[str, float]:
    """Convert an amount of money into another currency."""
    return {"result": 92.5}


@tool
async def translate(
    text: Annotated[str, "The words to translate."],
    language: Annotated[Literal["French", "Spanish", "German", "Italian"], "The language to translate into."],
) -> str:
    """Translate words into another language."""
    return "bonjour"


@tool
async def find_nearby(
    place: Annotated[Literal["pharmacy", "bank", "supermarket", "petrol station"], "What kind of place."],
    street: Annotated[str, "The street or district where the caller is."],
) -> dict[str, str]:
    """Find the nearest pharmacy, bank or other place."""
    return {"name": "Rose Pharmacy", "distance": "200 metres"}


@tool(confirm=True)
async def book_appointment(
    day: Annotated[date, "The date of the appointment."], at: Annotated[time, "The time of the appointment."]
) -> dict[str, str]:
    """Book an appointment with the doctor."""
    return {"status": "booked"}


@tool(side_effect=True)
async def leave_message(
    person: Annotated[str, "Whom the message is for."], message: Annotated[str, "What to tell them."]
) -> dict[str, bool]:
    """Leave a message for a member of staff."""
    return {"ok": True}


@tool(side_effect=True)
async def change_email(email: Annotated[str, "The new e-mail address.", Expected(Kind.EMAIL)]) -> dict[str, bool]:
    """Change the e-mail address of a patient."""
    return {"ok": True}


@tool(side_effect=True)
async def refill_prescription(medicine: Annotated[str, "The name of the medicine."]) -> dict[str, str]:
    """Order a repeat prescription of a medicine."""
    return {"ready": "tomorrow after two"}


@tool(side_effect=True)
async def add_to_list(item: Annotated[str, "What to buy."], quantity: int = 1) -> dict[str, bool]:
    """Add an item to the shopping list."""
    return {"ok": True}


# Not looked at while the brain was written.


@tool
async def parcel_price(
    weight: Annotated[float, "The weight in kilograms."], country: Annotated[str, "The country that it goes to."]
) -> dict[str, float]:
    """Calculate the price of sending a parcel abroad."""
    return {"price": 18.9}


@tool(side_effect=True)
async def set_thermostat(
    room: Literal["living room", "bedroom", "kitchen", "bathroom"], degrees: Annotated[int, "Degrees Celsius."]
) -> dict[str, bool]:
    """Set the temperature of a room."""
    return {"ok": True}


@tool
async def film_times(film: Annotated[str, "The title of the film."], day: str = "today") -> list[str]:
    """Tell at what times the cinema shows a film."""
    return ["five", "a quarter past eight"]


@tool
async def phone_extension(person: Annotated[str, "First and last name."]) -> dict[str, str]:
    """Look up the extension of an employee."""
    return {"extension": "214"}


@tool(side_effect=True)
async def rent_bike(
    bikes: Annotated[int, "How many bikes."],
    days: Annotated[int, "For how many days."],
    electric: Annotated[bool, "Whether they have a motor."] = False,
) -> dict[str, Any]:
    """Rent bicycles."""
    return {"total": "60 euros"}


@tool(side_effect=True)
async def report_fault(
    meter: Annotated[str, "The number of the meter.", Expected(Kind.DIGITS, 8)],
    fault: Annotated[str, "What is wrong."],
) -> dict[str, str]:
    """Report a power cut or another fault to the electricity company."""
    return {"reference": "F 12"}


BUSINESSES: dict[str, tuple[Tool, ...]] = {
    "bookshop": (find_book, opening_hours, order_status, reserve_book, gift_card_balance),
    "restaurant": (book_table, todays_specials, check_allergen, cancel_reservation, order_pizza),
    "travel": (weather, train_times, convert_money, translate, find_nearby),
    "practice": (book_appointment, leave_message, change_email, refill_prescription, add_to_list),
    "unseen": (parcel_price, set_thermostat, film_times, phone_extension, rent_bike, report_fault),
}


@tool
async def plan_route(stops: Annotated[list[str], "All stops."]) -> str:
    """Plan a route for a delivery van."""
    return "done"
