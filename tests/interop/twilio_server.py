"""A server made of Twilio's own library, twilio-agent-connect, in a process of its own.

``twilio_server.py PORT KEY ANSWER DATA`` answers with ANSWER, word by word, until a person is wanted: then it ends with
the hand-off DATA. It is that library's mode for ConversationRelay alone, with its FastAPI application, its check of
``X-Twilio-Signature`` and its way to stop a reply. Each thing that happens is a line of JSON on stdout.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator
from typing import Any

os.environ["TAC_ANALYTICS_DISABLED"] = "true"

import uvicorn
from tac import TAC, TACConfig
from tac.channels.voice import VoiceChannel
from tac.models.handoff import PendingHandoffData
from tac.server import TACFastAPIServer


def tell(**happened: Any) -> None:
    print(json.dumps(happened), flush=True)


def main(port: int, key: str, long: str, data: str) -> None:
    config = TACConfig(
        account_sid="AC" + 32 * "0", auth_token=key, api_key="SK" + 32 * "0", api_secret="unused",
        phone_number="+15550101", voice_public_domain=f"http://127.0.0.1:{port}",
    )  # fmt: skip
    tac = TAC(config=config)
    voice = VoiceChannel(tac)

    async def words(text: str) -> AsyncGenerator[str, None]:
        for word in text.split(" "):
            yield f"{word} "
            await asyncio.sleep(0.05)

    async def answer(message: str, context: Any, memory: Any) -> None:
        tell(prompt=message, caller=context.author_info.address if context.author_info else "")
        if "person" in message:
            context.pending_handoff_data = PendingHandoffData(handoffData=data)
            await voice.send_response(context.conversation_id, words("I connect you."))
        else:
            await voice.send_response(context.conversation_id, words(long))

    def interrupted(context: Any, told: Any) -> None:
        tell(heard=told.utterance_until_interrupt, milliseconds=told.duration_until_interrupt_ms)

    tac.on_message_ready(answer)
    tac.on_interrupt(interrupted)
    tac.on_conversation_ended(lambda context: tell(ended=context.conversation_id))
    app = TACFastAPIServer(tac=tac, voice_channel=voice).app
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:5])
