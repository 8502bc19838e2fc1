"""Speech and language providers, one file each, behind the protocols of `agent.stt`, `.model` and `.voice`."""
