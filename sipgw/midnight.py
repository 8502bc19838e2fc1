"""The clock of this machine, whose midnight begins a day: of costs, caps and the page Home."""

from datetime import datetime


def local_now() -> datetime:
    """The time by the clock of this machine."""
    return datetime.now().astimezone()


def midnight(now: datetime) -> datetime:
    """The midnight that began the day of `now`.

    On a day when the clocks change, midnight has another offset than `now`. A time of this machine has only the offset
    of now, so the system is asked for that of midnight.
    """
    begun = now.replace(hour=0, minute=0, second=0, microsecond=0)
    here = now.utcoffset() == now.astimezone().utcoffset()
    return begun.replace(tzinfo=None).astimezone() if here else begun
