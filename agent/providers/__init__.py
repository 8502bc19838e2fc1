"""Speech and language providers, one file each, behind the protocols of `agent.ears`, `.model` and `.voice`."""
