"""Options of telephone menus on the other side."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Gt


@dataclass(frozen=True)
class IvrOptions:
    """Behaviour of the agent when a telephone menu (IVR) or a queue answers its call."""

    press_keys: bool = False
    """Whether the agent may press keys: menus are then no answering machines, and it waits in queues. Not with `brain`
    or `realtime`."""
    pause: float = field(default=2.0, metadata={"fixed": True})
    """Seconds of silence that end a menu. Then the model gets the whole menu at once."""
    loops: int = field(default=3, metadata={"fixed": True})
    """How often the same menu is answered; when it comes once more, the limit is reached."""
    limit: Annotated[float, Gt(0)] = 900
    """Time in menus and queues, together, after which the limit is reached: ``"15m"``. Time with a person does not
    count, if it is a minute or more."""
    at_limit: Literal["hang_up", "operator"] = "hang_up"
    """The end at the limit: `operator` presses 0, once, and hangs up if nobody comes within a minute."""
