"""A server for ConversationRelay by the pages of both vendors alone: it knows no code of ours.

``relay_pages_server.py PORT`` asks the model at ``OPENAI_BASE_URL``, passes its words on as they come, stops at an
interruption and remembers what the caller has heard, as both vendors' guides advise. It hands a caller who wants a
person off to billing. A message that no page has ends it.

https://www.twilio.com/docs/voice/conversationrelay/websocket-messages
https://developers.telnyx.com/api-reference/websockets/conversationrelay-websocket-channel
"""

import asyncio
import json
import sys
from contextlib import suppress
from typing import Any

from openai import AsyncOpenAI
from websockets.asyncio.server import ServerConnection, serve

HANDED = "I connect you."


class Call:
    """One call."""

    def __init__(self, socket: ServerConnection, model: AsyncOpenAI, tasks: asyncio.TaskGroup) -> None:
        self.socket, self.model, self.tasks = socket, model, tasks
        self.messages: list[Any] = [{"role": "system", "content": "Be brief."}]
        self.answering: asyncio.Task[None] | None = None
        self.heard = ""

    async def send(self, **fields: Any) -> None:
        await self.socket.send(json.dumps(fields))

    async def answer(self) -> None:
        """Stream a reply. It is remembered as a whole until an interruption tells how much of it was heard."""
        stream = await self.model.chat.completions.create(model="any", messages=self.messages, stream=True)
        said = {"role": "assistant", "content": ""}
        self.messages.append(said)
        async for chunk in stream:
            if token := chunk.choices[0].delta.content if chunk.choices else None:
                said["content"] += token
                await self.send(type="text", token=token)  # without `last` more follows, by Telnyx' page
        await self.send(type="text", token="", last=True)

    async def hand_off(self) -> None:
        await self.send(type="text", token=HANDED, last=True)
        await self.send(type="end", handoffData=json.dumps({"to": "billing", "heard": self.heard}))

    async def stop(self) -> None:
        if self.answering is not None:
            self.answering.cancel()
            with suppress(asyncio.CancelledError):
                await self.answering
        self.answering = None

    async def take(self, message: dict[str, Any]) -> None:
        match message:
            case {"type": "setup", "sessionId": str(), "callSid": str(), "from": str(), "to": str()}:
                assert isinstance(message["customParameters"], dict)
            case {"type": "prompt", "last": False} | {"type": "dtmf", "digit": str()}:
                pass
            case {"type": "prompt", "voicePrompt": str(words), "lang": str(), "last": True}:
                await self.stop()
                self.messages.append({"role": "user", "content": words})
                work = self.hand_off() if "person" in words else self.answer()
                self.answering = self.tasks.create_task(work)
            case {"type": "interrupt", "utteranceUntilInterrupt": str(heard), "durationUntilInterruptMs": int()}:
                await self.stop()
                self.heard = self.messages[-1]["content"] = heard
            case _:
                raise ValueError(message)


async def main(port: int) -> None:
    model = AsyncOpenAI(max_retries=0)

    async def hold(socket: ServerConnection) -> None:
        async with asyncio.TaskGroup() as tasks:
            call = Call(socket, model, tasks)
            async for message in socket:
                await call.take(json.loads(message))
            await call.stop()

    async with serve(hold, "127.0.0.1", port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
