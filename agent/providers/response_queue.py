"""Orders the responses of a session of OpenAI Realtime, or of a similar protocol. Sans-IO."""

from collections import deque
from collections.abc import Callable
from typing import Any

ACTIVE = "conversation_already_has_active_response"
"""Error code: another response is being made, so this one must be requested again."""


class Responses:
    """The response that is being made, and those to request after it, because the server makes one at a time.

    A cancelled response counts as being made until the server says that it is done.
    """

    def __init__(self, send: Callable[..., None]) -> None:
        self._send = send
        self.active = ""
        """Id of the response being made; empty if there is none. The server also makes responses by itself, after a
        turn."""
        self.hushed = False
        """Whether the rest of this response, or of the requested one, shall not be heard."""
        self._waiting: deque[dict[str, Any]] = deque()
        self._owed = False  # whether a response to the last words must be requested
        self._asked: dict[str, Any] = {}  # the last requested one; empty if it answers the last words
        self._asking = False  # whether the server has not reacted to this request yet
        self._count = 0

    def prompt(self, response: dict[str, Any]) -> None:
        """Request this response, after those that wait."""
        self._waiting.append(response)

    def owe(self) -> None:
        """Note that a response to the last words must be requested."""
        self._owed = True

    def go_on(self, *, ready: bool) -> None:
        """Request the next response if none is being made. A response to the last words is requested only if `ready`:
        everything that it answers has come."""
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
        """Cancel the present response, and drop those that wait. If the caller has `interrupted` it, the server cancels
        it by itself."""
        self._waiting.clear()
        if self.active and not self.hushed and not interrupted:
            self._send("response.cancel", response_id=self.active)
        self.hushed = bool(self.active) or self._asking

    def created(self, response: str) -> bool:
        """Note that a response is being made. Returns whether it shall be heard."""
        asked, self._asking = self._asking, False
        if not asked or not self._asked:
            self._owed = False  # it answers all words and results so far; a prompted one answers nothing
        self.active = response
        if asked and self.hushed:
            self._send("response.cancel", response_id=response)
        else:
            self.hushed = False
        return not self.hushed

    def done(self, response: object) -> None:
        """Note that a response has ended."""
        if response == self.active:
            self.active, self.hushed = "", False

    def idle(self) -> None:
        """Note that the server makes no response now: it did not report the end of the last one."""
        self.active, self.hushed = "", False

    def refused(self, event: object, code: object) -> bool:
        """Note an error message. Returns whether the next response may be requested."""
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
