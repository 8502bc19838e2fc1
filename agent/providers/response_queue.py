"""The order of the responses of a session of OpenAI Realtime or its like. Sans-IO."""

from collections import deque
from collections.abc import Callable
from typing import Any

ACTIVE = "conversation_already_has_active_response"
"""Another response is being made: this one has to be asked for again."""


class Responses:
    """The response that is being made, and those to be asked for after it: the server refuses a second one.

    One that is cancelled is being made until the server says that it is done.
    """

    def __init__(self, send: Callable[..., None]) -> None:
        self._send = send
        self.active = ""
        """The one being made; the server also makes some by itself, when a turn is over."""
        self.hushed = False
        """Whether nothing more of it is to be heard, or of the one that has been asked for."""
        self._waiting: deque[dict[str, Any]] = deque()
        self._owed = False  # whether one that answers what was said has to be asked for
        self._asked: dict[str, Any] = {}  # the one asked for last; empty if it answers what was said
        self._asking = False  # whether it is still to be seen what becomes of that
        self._count = 0

    def prompt(self, response: dict[str, Any]) -> None:
        """Have this one made, after those before."""
        self._waiting.append(response)

    def owe(self) -> None:
        """Request a response to the last words."""
        self._owed = True

    def go_on(self, *, ready: bool) -> None:
        """Ask for the next one if there is none; to answer, only if all is there that is to be answered (`ready`)."""
        if self.active or self._asking:
            return
        if self._waiting:
            self._ask(self._waiting.popleft())
        elif self._owed and ready:
            self._ask({})

    def _ask(self, response: dict[str, Any]) -> None:
        self._asked, self._asking = response, True
        self._count += 1
        self._send("response.create", event_id=self._event, **({"response": response} if response else {}))

    @property
    def _event(self) -> str:
        return f"create{self._count}"

    def hush(self, *, interrupted: bool) -> None:
        """Make nothing more of what was prompted; what is `interrupted` by the caller the server cancels by itself."""
        self._waiting.clear()
        if self.active and not self.hushed and not interrupted:
            self._send("response.cancel", response_id=self.active)
        self.hushed = bool(self.active) or self._asking

    def created(self, response: str) -> bool:
        """One is being made; returns whether it is to be heard."""
        asked, self._asking = self._asking, False
        if not asked or not self._asked:
            self._owed = False  # it answers all that was said and sent before it; what is prompted answers nothing
        self.active = response
        if asked and self.hushed:
            self._send("response.cancel", response_id=response)
        else:
            self.hushed = False
        return not self.hushed

    def done(self, response: object) -> None:
        """Nothing more comes of one."""
        if response == self.active:
            self.active, self.hushed = "", False

    def idle(self) -> None:
        """The server says that it makes none: the one that was thought to be made was left without an end."""
        self.active, self.hushed = "", False

    def refused(self, event: object, code: object) -> bool:
        """Note an error; returns whether the next one may be asked for."""
        if code != ACTIVE and not (self._asking and event == self._event):
            return False
        if code != ACTIVE:
            self._owed = self._owed and bool(self._asked)
        elif not self._asked:
            self._owed = True
        elif not self.hushed:
            self._waiting.appendleft(self._asked)
        self._asking = False
        self.hushed = self.hushed and bool(self.active)
        return code != ACTIVE
