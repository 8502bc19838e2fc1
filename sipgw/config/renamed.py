"""Keys of the configuration that are written otherwise now. An old key is an error that says what to write."""

CONSTANT = "no key any more: the gateway has a constant for it; leave it out"

INSTEAD = {
    "agent.ears": "stt",
    "agent.model": "llm",
    "agent.voice": "tts",
    "agent.duplex": "realtime",
    "agent.ears_backup": "stt_backup",
    "agent.model_backup": "llm_backup",
    "agent.voice_backup": "tts_backup",
    "agent.duplex_backup": "realtime_backup",
    "languages.voice": "tts",
    "assemblyai_voice": "assemblyai_tts",
    "cartesia_voice": "cartesia_tts",
    "deepgram_voice": "deepgram_tts",
    "openai_voice": "openai_tts",
    "assemblyai.chunk": CONSTANT,
    "assemblyai.keyterms": "agent.keyterms",
    "assemblyai.languages": "languages.code",
    "assemblyai.min_turn_silence": "extra.min_turn_silence, in milliseconds",
    "assemblyai.max_turn_silence": "extra.max_turn_silence, in milliseconds",
    "assemblyai.prompt": "extra.prompt",
    "assemblyai.vad_threshold": "extra.vad_threshold",
    "assemblyai.interruption_delay": "extra.interruption_delay",
    "assemblyai.voice_focus": "extra.voice_focus",
    "assemblyai_agent.keyterms": "agent.keyterms",
    "assemblyai_agent.mode": "extra.input.transcription_mode",
    "assemblyai_agent.voice": "voice_id",
    "cartesia.keyterms": "agent.keyterms",
    "cartesia.languages": "languages.code",
    "cartesia.turn_start_threshold": "extra.turn_start_threshold",
    "cartesia.turn_eager_end_threshold": "extra.turn_eager_end_threshold",
    "cartesia.turn_end_threshold": "extra.turn_end_threshold",
    "cartesia.turn_end_timeout": "extra.turn_end_timeout_ms",
    "cartesia_tts.emotion": "extra.generation_config.emotion",
    "cartesia_tts.speed": "extra.generation_config.speed",
    "deepgram.keyterms": "agent.keyterms",
    "deepgram.languages": "languages.code",
    "deepgram.endpointing": "extra.endpointing, in milliseconds",
    "deepgram.eot_threshold": "extra.eot_threshold",
    "deepgram.eager_eot_threshold": "extra.eager_eot_threshold",
    "deepgram.utterance_end": "extra.utterance_end_ms",
    "deepgram.eot_timeout": "extra.eot_timeout_ms",
    "deepgram.smart_format": "extra.smart_format",
    "elevenlabs.base_url": "url",
    "elevenlabs.model_id": "model",
    "elevenlabs.language_code": "language",
    "elevenlabs.stability": "extra.voice_settings.stability",
    "elevenlabs.speed": "extra.voice_settings.speed",
    "elevenlabs.similarity_boost": "extra.voice_settings.similarity_boost",
    "elevenlabs.style": "extra.voice_settings.style",
    "elevenlabs.use_speaker_boost": "extra.voice_settings.use_speaker_boost",
    "openai.base_url": "url",
    "openai.temperature": "extra.temperature",
    "openai.first_token_limit": CONSTANT,
    "openai_backup.base_url": "url",
    "openai_backup.temperature": "extra.temperature",
    "openai_backup.first_token_limit": CONSTANT,
    "openai_realtime.voice": "voice_id",
    "openai_realtime.turn_detection": "extra.audio.input.turn_detection.type",
    "openai_realtime.silence": "extra.audio.input.turn_detection.silence_duration_ms, in milliseconds",
    "openai_realtime.eagerness": "extra.audio.input.turn_detection.eagerness",
    "openai_tts.voice": "voice_id",
    "openai_tts.speed": "extra.speed",
    "openai_tts.instructions": "extra.instructions",
    "polly.engine": "model",
    "privacy.bleep": "redact_audio",
    "providers.ears_lost": "stt_lost",
    "providers.ears_deaf": "stt_deaf",
}
"""The old key with its table; the key that says it now, in that table or with its own and, behind a comma, its unit; or
that there is none. ``providers`` is a table of `sipgw simulate`."""


def instead(path: tuple[str | int, ...]) -> str:
    """What to write for the key at `path`, as in `sipgw.config.options.OptionError`; empty if it is no old key."""
    names = [name for name in path if isinstance(name, str)]
    # Tables stand in the file of an agent, too, below the keys of [agent].
    found = INSTEAD.get(".".join(names)) or INSTEAD.get(names[-1] if names else "", "")
    if found.startswith("no "):
        return f"{names[-1]!r} is {found}"
    name, comma, unit = found.partition(",")
    return f"{names[-1]!r} is called {name!r} now{comma}{unit}" if found else ""
