"""Keys of the configuration that have another name now, or are gone. An old key is an error that tells what is there
instead."""

RENAMED = {
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
    "assemblyai.vad_threshold": "extra.vad_threshold",
    "assemblyai.interruption_delay": "extra.interruption_delay",
    "assemblyai.voice_focus": "extra.voice_focus",
    "cartesia.turn_start_threshold": "extra.turn_start_threshold",
    "cartesia.turn_eager_end_threshold": "extra.turn_eager_end_threshold",
    "cartesia.turn_end_threshold": "extra.turn_end_threshold",
    "cartesia.turn_end_timeout": "extra.turn_end_timeout_ms",
    "cartesia_tts.emotion": "extra.generation_config.emotion",
    "deepgram.utterance_end": "extra.utterance_end_ms",
    "deepgram.eot_timeout": "extra.eot_timeout_ms",
    "deepgram.smart_format": "extra.smart_format",
    "elevenlabs.similarity_boost": "extra.voice_settings.similarity_boost",
    "elevenlabs.style": "extra.voice_settings.style",
    "elevenlabs.use_speaker_boost": "extra.voice_settings.use_speaker_boost",
    "privacy.bleep": "redact_audio",
    "turns.final_limit": "max_endpointing_delay",
    "turns.hesitation_limit": "learned_pause_limit",
    "providers.ears_lost": "stt_lost",
    "providers.ears_deaf": "stt_deaf",
}
"""The old key with its table, and the new key in that table. ``providers`` is a table of `sipgw simulate`."""

REMOVED = {
    "turns.dictation_pause": "the agent tells what it asks for by the tool `expect`",
}
"""The old key with its table, and what does its work now."""


def replacement(path: tuple[str | int, ...]) -> str:
    """What does the work of the removed key at `path`; empty if there was no such key."""
    return REMOVED.get(".".join(name for name in path if isinstance(name, str)), "")


def new_name(path: tuple[str | int, ...]) -> str:
    """The new name of the key at `path`, as in `sipgw.config.options.OptionError`; empty if it was not renamed."""
    names = [name for name in path if isinstance(name, str)]
    # Tables stand in the file of an agent, too, below the keys of [agent].
    return RENAMED.get(".".join(names)) or RENAMED.get(names[-1], "")
