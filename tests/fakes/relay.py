"""A server that speaks ConversationRelay, as strict as the pages of both vendors: in memory, and on a websocket.

Twilio: https://www.twilio.com/docs/voice/conversationrelay/websocket-messages
Telnyx: https://developers.telnyx.com/api-reference/websockets/conversationrelay-websocket-channel
"""

import asyncio
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from agent.providers.websocket import ConnectError, SocketListener
from tests.fakes.websocket import Session, SocketServer

Script = Callable[[dict[str, Any]], Iterable[dict[str, Any] | str | float | int]]
"""What the server does with a message: it sends an object or raw text, waits so many seconds, or closes with a code."""

KEYS = {
    "setup": {
        "type", "sessionId", "accountSid", "parentCallSid", "callSid", "from", "to", "forwardedFrom", "callType",
        "callerName", "direction", "callStatus", "customParameters",
    },
    "prompt": {"type", "voicePrompt", "lang", "last"},
    "dtmf": {"type", "digit"},
    "interrupt": {"type", "utteranceUntilInterrupt", "durationUntilInterruptMs"},
    "error": {"type", "description"},
}  # fmt: skip


def judge(text: str | bytes, first: bool) -> dict[str, Any]:
    """The message, if it is one that the vendors document."""
    assert isinstance(text, str), "messages are text frames"
    message = json.loads(text)
    kind = message["type"]
    assert (kind == "setup") is first, "setup is the first message, and only that"
    assert message.keys() == KEYS[kind], message.keys() ^ KEYS[kind]
    match kind:
        case "setup":
            assert re.fullmatch(r"VX[0-9a-f]{32}", message["sessionId"])
            assert re.fullmatch(r"CA[0-9a-f]{32}", message["callSid"])
            assert message["direction"] in ("inbound", "outbound")
            assert all(isinstance(message[name], str) for name in KEYS["setup"] - {"customParameters"})
            assert all(isinstance(value, str) for value in message["customParameters"].values())
        case "prompt":
            assert message["voicePrompt"].strip()
            assert re.fullmatch(r"[a-z]{2}(-[A-Z]{2})?", message["lang"])
            assert isinstance(message["last"], bool)
        case "dtmf":
            assert re.fullmatch(r"[0-9*#A-D]", message["digit"])
        case "interrupt":
            assert isinstance(message["utteranceUntilInterrupt"], str)
            assert type(message["durationUntilInterruptMs"]) is int
            assert message["durationUntilInterruptMs"] >= 0
        case "error":
            assert message["description"]
    return message


def text(token: str, *, last: bool = True, **more: Any) -> dict[str, Any]:
    return {"type": "text", "token": token, "last": last, **more}


def tokens(words: str, every: float = 0.05) -> list[dict[str, Any] | float]:
    """A reply as a model streams it, a word a token."""
    sent: list[dict[str, Any] | float] = []
    for word in re.findall(r"\S+\s*", words):
        sent += [text(word, last=False), every]
    return [*sent, text("")]


def answers(table: Mapping[str, Iterable[Any]]) -> Script:
    """Answers by words of the prompt, or by the type of the message, which may be followed by a key."""

    def script(message: dict[str, Any]) -> Iterable[Any]:
        if message["type"] == "prompt":
            if not message["last"]:
                return ()
            return next((sent for words, sent in table.items() if words in message["voicePrompt"]), [text("Sure.")])
        return table.get(message["type"] + message.get("digit", ""), ())

    return script


class MemorySession:
    """One session in memory, in the place of `agent.providers.websocket.Socket`."""

    def __init__(self, server: "FakeRelay", headers: Mapping[str, str], listener: SocketListener) -> None:
        self.headers = headers
        self.messages: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.closed: int | None = None
        self._server = server
        self._listener: SocketListener | None = listener
        self._waiting: list[asyncio.TimerHandle] = []
        self._sends_at = 0.0

    @property
    def is_open(self) -> bool:
        return self.closed is None

    def send(self, told: str) -> None:
        loop = asyncio.get_running_loop()
        if not self.is_open:
            return
        message = judge(told, not self.messages)
        self.messages.append(message)
        self.times.append(loop.time())
        if message["type"] == "interrupt" and self._server.stops:
            for one in self._waiting:
                one.cancel()
            self._sends_at = 0.0
        at = max(self._sends_at, loop.time() + 0.01)
        for item in self._server.script(message):
            if isinstance(item, float):
                at += item
            else:
                at += 0.001
                self._waiting.append(loop.call_at(at, self.deliver, item))
        self._sends_at = at

    def deliver(self, item: dict[str, Any] | str | int) -> None:
        if self._listener is None or not self.is_open:
            return
        if isinstance(item, int):
            self.closed, listener = item, self._listener
            listener.lost(item, "")
        else:
            self._listener.received(item if isinstance(item, str) else json.dumps(item))

    async def close(self, time_limit: float) -> None:
        self.fail(1000, "")

    def fail(self, code: int, reason: str) -> None:
        self._listener = None
        self.closed = self.closed or code
        for one in self._waiting:
            one.cancel()

    def abort(self) -> None:
        self.fail(1006, "")


class FakeRelay:
    """The server in memory, for virtual time."""

    def __init__(self, script: Script, *, stops: bool = True) -> None:
        """`stops`: whether it stops talking when it is told of an interruption, as most do."""
        self.script = script
        self.stops = stops
        self.sessions: list[MemorySession] = []
        self.refuses: list[ConnectError | None] = []
        """What happens to each of the next connections."""

    @property
    def messages(self) -> list[dict[str, Any]]:
        """All that it was told but for the setups."""
        return [one for session in self.sessions for one in session.messages[1:]]

    def told(self, kind: str) -> list[dict[str, Any]]:
        return [{name: value for name, value in one.items() if name != "type"}
                for one in self.messages if one["type"] == kind]  # fmt: skip

    @property
    def prompts(self) -> list[str]:
        return [one["voicePrompt"] for one in self.told("prompt") if one["last"]]

    async def dial(
        self, url: str, headers: Mapping[str, str], listener: SocketListener, time_limit: float
    ) -> MemorySession:
        await asyncio.sleep(0.01)
        if self.refuses and (refusal := self.refuses.pop(0)) is not None:
            raise refusal
        self.sessions.append(MemorySession(self, headers, listener))
        return self.sessions[-1]


class RelayServer(SocketServer):
    """The server on a websocket of the loopback."""

    def __init__(self, script: Script, *, refuse_status: int | None = None) -> None:
        super().__init__("", refuse_status)
        self.script = script

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [one for session in self.sessions for one in session.messages]

    async def serve(self, session: Session) -> None:
        talking: asyncio.Task[None] | None = None
        async with asyncio.TaskGroup() as group:
            async for told in session.connection:
                message = judge(told, not session.messages)
                session.messages.append(message)
                await self.note()
                if message["type"] in ("interrupt", "prompt") and talking is not None:
                    talking.cancel()
                talking = group.create_task(self._talk(session, message))

    async def _talk(self, session: Session, message: dict[str, Any]) -> None:
        for item in self.script(message):
            if isinstance(item, float):
                await asyncio.sleep(item)
            elif isinstance(item, int):
                await session.connection.close(item)
            else:
                await session.connection.send(item if isinstance(item, str) else json.dumps(item))
