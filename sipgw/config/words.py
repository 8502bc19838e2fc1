"""Words for products that cost money: for the parts of an agent and for units. Every page for people uses these
tables."""

PARTS = {
    "trunk": "Trunk", "stt": "Speech to text", "llm": "Language model", "tts": "Voice", "realtime": "Speech to speech",
}  # fmt: skip
UNITS = {
    "seconds": "seconds", "tokens_in": "input tokens", "tokens_out": "output tokens",
    "audio_tokens_in": "input tokens of sound", "audio_tokens_out": "output tokens of sound",
    "characters": "characters", "in": "calls in", "out": "calls out",
}  # fmt: skip
"""Words for units. A product of a trunk has the direction of the calls in the place of a unit."""


def words(product: str) -> str:
    """``llm openai/gpt-6-luna tokens_in``, as in `sipgw.policy.cost.cost.Cost`, in words."""
    part, _, rest = product.partition(" ")
    name, _, unit = rest.rpartition(" ")
    return f"{PARTS.get(part, part)} {name or unit}" + (f", {UNITS.get(unit, unit)}" if name else "")
