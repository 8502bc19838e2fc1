"""Former keys of the configuration, and the keys that replace them. A former key is an error that says what to
write."""

from functools import cache

from agent.providers.provider import CONSTANT
from sipgw.config.registry import every

OF_LANGUAGE = "no key any more: write it for each entry of [[languages]], as sentences.{}"
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
    "assemblyai_voice": "[assemblyai_tts]",
    "cartesia_voice": "[cartesia_tts]",
    "deepgram_voice": "[deepgram_tts]",
    "openai_voice": "[openai_tts]",
    "privacy.bleep": "redact_audio",
    "turns.final_limit": "max_endpointing_delay",
    "turns.hesitation_limit": CONSTANT,
    "turns.dictation_pause": "no key any more: the agent tells what it asks for by the tool expect",
    "turns.confirm_after_quiet": CONSTANT,
    "turns.confirm_limit": CONSTANT,
    "turns.max_digits": CONSTANT,
    "failover.deaf_after": CONSTANT,
    "failover.unheard_after": CONSTANT,
    "failover.stuck_after": CONSTANT,
    "capture.rtp_megabytes": "megabytes",
    "capture.sip_megabytes": "no key any more: it is a quarter of megabytes",
    "capture.bundle_megabytes": "no key any more: it is half of megabytes",
    "webhooks.timeout": CONSTANT,
    "webhooks.concurrency": CONSTANT,
    "limits.retry_after": CONSTANT,
    "limits.window": "no key any more: it is an hour",
    "transfer.longest": "no key any more: after 2 hours both calls are hung up",
    "callbacks.retry.failed": "no key any more: it is 10 minutes",
    "turns.digit_pause": "no key any more: it is 2.5 s; # completes the keys at once",
    "prices.source": "no key any more: write it as a comment",
    "prices.estimate": "no key any more: only list prices of the package are marked; leave it out",
    "alarms.mos": "no key any more: it is 3.5",
    "admission.calls_per_second": "no key any more: it is 200 new calls, four times as many in a burst",
    "limits.blocked_networks": "blocked",
    "gate.hook_limit": CONSTANT,
    "mcp.connect_limit": CONSTANT,
    "sip.take_over": "no key any more: start the gateway with sipgw serve --take-over",
    "people.order": "no key any more: they are tried in the order in which they stand",
    "languages.filler": "[languages.sentences] filler",
    "languages.reprompt": "[languages.sentences] reprompt",
    "languages.again": "[languages.sentences] again",
    "languages.goodbye": "[languages.sentences] goodbye",
    "languages.goodbye_silence": "[languages.sentences] goodbye_silence",
    "languages.goodbye_overtime": "[languages.sentences] goodbye_overtime",
    "languages.apology": "[languages.sentences] apology",
    "languages.connecting": "[languages.sentences] connecting",
    "languages.not_connected": "[languages.sentences] not_connected",
    "languages.not_done": "[languages.sentences] not_done",
    "agent.apology": OF_LANGUAGE.format("apology"),
    "agent.emergency": OF_LANGUAGE.format("emergency"),
    "cost.goodbye": OF_LANGUAGE.format("goodbye_overtime"),
    "agent.thinking_after": CONSTANT,
    "turns.learned_pause_limit": CONSTANT,
    "turns.wait_limit": CONSTANT,
    "ivr.pause": CONSTANT,
    "ivr.loops": CONSTANT,
    "prefetch.limit": CONSTANT,
    "failover.open_limit": CONSTANT,
    "sip.tcp": "no key any more: the gateway always listens on TCP too",
    "admission.strangers_per_second": CONSTANT,
    "admission.stranger_per_second": "no key any more: it is 20 messages, five times as many in a burst",
    "admission.failures_per_minute": "no key any more: it is 10 wrong passwords",
    "admission.realm": "no key any more: it is sipgw",
    "sip.dscp": "no key any more: signalling is marked CS3 (24); let a router mark it otherwise",
    "media.dscp": "no key any more: sound is marked EF (46); let a router mark it otherwise",
    "capture.seconds": "no key any more: it is the last 60 s",
    "capture.timelines": "no key any more: it is the latest 10,000 calls; the retention of calls removes them, too",
    "web.session_limit": "no key any more: it is 7 days; session_idle ends sessions earlier",
    "web.oidc.session_limit": "no key any more: it is 8 hours",
    "web.oidc.label": "no key any more: the button is called single sign-on",
    "embed.calls_per_hour": "no key any more: it is 6 calls of one address; name your proxies in the table web",
    "knowledge.passages": "no key any more: it is 4 passages",
    "alarms.calls": "no key any more: it is the latest 50 calls",
    "embed.at_once_per_visitor": CONSTANT,
    "alarms.least": CONSTANT,
    "storage.link_life": CONSTANT,
    "stir.limit": CONSTANT,
    "stir.freshness": "no key any more: RFC 8224 §6.2 says 60 s",
    "providers.ears_lost": "stt_lost",
    "providers.ears_deaf": "stt_deaf",
}
"""For each former key, with its table: the new key, a new table, or a text that begins with "no". A new key has its
table if the table is another one, and its unit after a comma. ``providers`` is a table of `sipgw simulate`. The former
keys of a provider's table are in the provider's record."""


@cache
def renames() -> dict[str, str]:
    """`INSTEAD` together with the former keys of the tables of all providers."""
    return INSTEAD | {
        f"{one.section}.{old}": _placed(one.section, new) for one in every() for old, new in one.renamed.items()
    }


def _placed(section: str, new: str) -> str:
    """`new`, with the table of a provider's `extra` in which it stands."""
    place, comma, unit = new.partition(",")
    table, dot, key = place.rpartition(".")
    return f"[{section}.{table}] {key}{comma}{unit}" if dot and table.startswith("extra") else new


def instead(path: tuple[str | int, ...]) -> str:
    """A sentence that names the new key for the former key at `path` (as in `sipgw.config.options.OptionFault`); empty
    if the key at `path` is not a former one."""
    names = [name for name in path if isinstance(name, str)]
    # Tables stand in the file of an agent, too, below the keys of [agent].
    found = renames().get(".".join(names)) or renames().get(names[-1] if names else "", "")
    table, bracket, key = found.rpartition("] ")
    if bracket:
        file = " of sipgw.toml, or at the top of an agent's file" if table == "[agent" else ""
        key, comma, unit = key.partition(",")
        return f"{names[-1]!r} stands in another table now: write {key} in {table}]{file}{comma}{unit}"
    if found.startswith("no "):
        return f"{names[-1]!r} is {found}"
    if found.startswith("["):
        return f"the table [{names[-1]}] is called {found} now"
    return f"{names[-1]!r} is called {found!r} now" if found else ""
