"""The callback that is being arranged: its phone number, time and topic, which are filled turn by turn."""

from dataclasses import dataclass, replace

from agent.providers.local.brain.numbers import separated

SHORTEST = 7
"""Minimum digits of a phone number that counts as complete and is read back."""
LONGEST = 15
"""Maximum digits of a phone number, ITU-T E.164 §6."""


@dataclass(frozen=True)
class Callback:
    """The known parts of the callback; an empty text is unknown."""

    phone: str = ""
    """The digits dictated so far, perhaps with a leading ``+``."""
    when: str = ""
    """The time in the caller's words."""
    topic: str = ""
    """Topic of the callback."""

    @property
    def phone_complete(self) -> bool:
        """Whether there are enough digits to read them back."""
        return len(self.phone.lstrip("+")) >= SHORTEST

    @property
    def complete(self) -> bool:
        """Whether only the caller's yes is missing."""
        return self.phone_complete and bool(self.when)

    def dictated(self, digits: str, *, correcting: bool) -> "Callback":
        """The callback with further `digits`. A complete number replaces the old one, a few digits continue it; when
        `correcting`, they replace its ending. If the number is longer than `LONGEST` because it was said twice, it
        counts once. A longer number is forgotten, so that it is asked for again.
        """
        plain = digits.lstrip("+")
        half, odd = divmod(len(plain), 2)
        if len(plain) > LONGEST and not odd and plain[:half] == plain[half:]:
            digits, plain = digits[:-half], plain[:half]
        if len(plain) >= SHORTEST:
            phone = digits
        elif correcting and self.phone_complete:
            phone = self.phone[: -len(plain)] + plain
        else:
            phone = self.phone + plain if self.phone else digits
        return replace(self, phone=phone if len(phone.lstrip("+")) <= LONGEST else "")

    def read_back(self) -> str:
        """Number and time as they are spoken."""
        return f"{separated(self.phone)}, {self.when}"
