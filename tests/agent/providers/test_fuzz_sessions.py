"""No message of a server, however strange, makes a session raise."""

import json
from typing import Any

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from agent.providers.assemblyai_session import AssemblyAIOptions
from agent.providers.assemblyai_session import AssemblyAISttSession as AssemblyAISession
from agent.providers.assemblyai_speak import AssemblyAITtsOptions, AssemblyAITtsSession
from agent.providers.cartesia_ink import CartesiaOptions, InkSession
from agent.providers.cartesia_sonic import CartesiaTtsOptions, SonicSession
from agent.providers.deepgram_listen import DeepgramOptions, FluxSession, NovaSession
from agent.providers.deepgram_speak import AuraSession, DeepgramTtsOptions, FluxTtsSession
from agent.providers.elevenlabs import ElevenLabsOptions
from agent.providers.elevenlabs_dialogue import DialogueSession
from agent.providers.elevenlabs_scribe import ScribeOptions, ScribeSession
from agent.providers.elevenlabs_ws import ElevenLabsSession
from agent.providers.gemini_live import GeminiOptions, GeminiSession
from agent.providers.openai_listen import OpenAISttOptions, OpenAISttSession
from agent.providers.openai_live import OpenAILiveOptions, OpenAILiveSession
from agent.providers.openai_realtime import OpenAIRealtimeOptions, OpenAIRealtimeSession
from agent.providers.voice_agent_session import VoiceAgentOptions, VoiceAgentSession
from agent.providers.xai_realtime import XaiOptions, XaiSession
from agent.realtime import Brief

SESSIONS = {
    "assemblyai": lambda: AssemblyAISession(AssemblyAIOptions()),
    "universal": lambda: AssemblyAISession(AssemblyAIOptions(model="universal-streaming-english")),
    "nova": lambda: NovaSession(DeepgramOptions(model="nova-3")),
    "flux": lambda: FluxSession(DeepgramOptions()),
    "ink": lambda: InkSession(CartesiaOptions()),
    "scribe": lambda: ScribeSession(ScribeOptions()),
    "openai": lambda: OpenAISttSession(OpenAISttOptions()),
    "aura": lambda: AuraSession(DeepgramTtsOptions()),
    "flux voice": lambda: FluxTtsSession(DeepgramTtsOptions(model="flux-haley-en")),
    "sonic": lambda: SonicSession(CartesiaTtsOptions()),
    "assemblyai voice": lambda: AssemblyAITtsSession(AssemblyAITtsOptions()),
    "dialogue": lambda: DialogueSession(ElevenLabsOptions(model="eleven_v3", transport="dialogue")),
    "elevenlabs": lambda: ElevenLabsSession(ElevenLabsOptions()),
    "realtime": lambda: OpenAIRealtimeSession(OpenAIRealtimeOptions(), Brief("x", "y")),
    "live": lambda: OpenAILiveSession(OpenAILiveOptions(), Brief("x", "y")),
    "gemini": lambda: GeminiSession(GeminiOptions(), Brief("x", "y")),
    "xai": lambda: XaiSession(XaiOptions(), Brief("x", "y")),
    "voice agent": lambda: VoiceAgentSession(VoiceAgentOptions(), Brief("x", "y")),
}
KINDS = (
    *("Turn", "SpeechStarted", "Begin", "Error", "Results", "UtteranceEnd", "TurnInfo", "Connected", "turn.start"),
    *("turn.update", "turn.eager_end", "turn.resume", "turn.end", "error", "Flushed", "Cleared", "chunk", "done"),
    *("Audio", "FlushDone", "session.created", "session.updated", "response.created", "response.output_item.added"),
    *("response.output_item.done", "response.output_audio.delta", "response.output_audio_transcript.delta"),
    *("response.done", "input_audio_buffer.speech_started", "session.ready", "session.error", "transcript.user"),
    *("conversation.item.input_audio_transcription.delta", "conversation.item.input_audio_transcription.completed"),
    *("SpeechMetadata", "SpeechInterrupted", "partial_transcript", "committed_transcript"),
    "committed_transcript_with_timestamps",
    *("conversation.item.input_audio_transcription.updated", "input_audio_buffer.speech_stopped"),
    *("session.started", "session.closed", "session.output_audio.delta", "session.output_transcript.delta"),
    *("session.input_transcript.delta", "response.event"),
    *("tool.call", "reply.started", "reply.audio", "transcript.agent.delta", "reply.done", "input.speech.started"),
)
NAMES = (
    *("type", "id", "text", "words", "start", "end", "word", "transcript", "turn_order", "end_of_turn", "channel"),
    *("alternatives", "is_final", "speech_final", "duration", "last_word_end", "timestamp", "event", "turn_index"),
    *("audio_window_start", "audio_window_end", "error_code", "error", "code", "message", "status_code", "context_id"),
    *("data", "audio", "flush_id", "item", "item_id", "delta", "response", "status", "status_details", "call_id"),
    *("name", "arguments", "reply_id", "end_ms", "audio_start_ms", "session_id", "confidence", "utterance"),
    *("contextId", "isFinal", "speech_id", "metadata", "audio_played_ms", "text_spoken"),
    *("message_type", "language_code", "start_ms", "reason", "usage"),
    *("serverContent", "toolCall", "functionCalls", "args", "toolCallCancellation", "ids", "modelTurn", "parts"),
    *("inlineData", "outputTranscription", "inputTranscription", "interrupted", "generationComplete", "turnComplete"),
    *("usageMetadata", "goAway", "setupComplete", "sessionResumptionUpdate", "newHandle", "promptTokenCount"),
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-10, 10_000),
    st.just(10**400),
    st.floats(),
    st.sampled_from(["", "s1", "c1", "AAAA", "%%%", "Łódź", "message", "function_call", "completed", "EndOfTurn"]),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=12,
)
fields = st.dictionaries(st.sampled_from(NAMES), values, max_size=10)
messages = st.one_of(
    st.binary(max_size=20),
    st.text(max_size=20),
    st.builds(lambda kind, more: json.dumps({**more, "type": kind}), st.sampled_from(KINDS), fields),
    values.map(json.dumps),
)


@pytest.mark.slow
@settings(max_examples=600)
@given(st.lists(messages, min_size=1, max_size=8))
def test_a_session_never_raises(sent: list[str | bytes]) -> None:
    """All of them get the same messages, because to think of these takes more time than to read them."""
    for name, begun in SESSIONS.items():
        note(name)
        session: Any = begun()
        session.begin()
        if hasattr(session, "backlog"):
            session.backlog.add(bytes(16_000))
            while session.backlog.next_frame():
                pass
        else:
            session.say("s1", "Hello.", 0.0)
        for message in sent:
            found = session.receive(message)
            for event in found if isinstance(found, list) else [found] if found else []:
                if type(event).__name__ == "Fault":
                    assert str(session.fault(event))
