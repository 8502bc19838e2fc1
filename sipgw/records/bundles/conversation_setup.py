"""The setup of a conversation as JSON: persona, turn-taking, tools and backups."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from agent.ivr.options import IvrOptions
from agent.persona import Persona
from agent.providers.failover import FailoverOptions
from agent.tools import Tool
from agent.turn_taking.options import TurnOptions
from sipgw.records.bundles.recorder import RECORDER, note

_TOOL = ("name", "description", "timeout", "filler", "side_effect", "confirm", "repeatable", "cache")


@dataclass(frozen=True)
class ConversationSetup:
    """The setup of a conversation."""

    persona: Persona
    turns: TurnOptions
    failover: FailoverOptions
    tools: tuple[dict[str, Any], ...]
    """The name and options of each tool, and its parameters as JSON schema."""
    people: dict[str, str]
    can_transfer: bool
    voicemail: str | None = None
    """In an outgoing call: the message for an answering machine, empty for none. None: machines are not detected."""
    languages: tuple[str, ...] = ("en",)
    """The languages of the agent, the first one first."""
    screening: str = ""
    """In an outgoing call: the sentence for a call screen."""
    ivr: IvrOptions | None = None
    """In an outgoing call: options for telephone menus; None: the agent does not walk through menus."""

    def as_dict(self) -> dict[str, Any]:
        """The setup as a dict for JSON."""
        return asdict(self) | {"persona": asdict(self.persona) | {"keys": dict(self.persona.keys)}}

    @classmethod
    def of(cls, found: dict[str, Any]) -> "ConversationSetup":
        """Read the setup. Raises `TypeError`, `KeyError` or `ValueError` if `found` is no setup of this version."""
        turns = dict(found["turns"])
        languages = turns.pop("languages", None) or found.get("languages") or ("en",)  # their place in earlier releases
        return cls(
            Persona(**found["persona"]),
            TurnOptions(**turns),
            FailoverOptions(**found["failover"]),
            tuple(dict(one) for one in found["tools"]),
            dict(found["people"]),
            bool(found["can_transfer"]),
            found["voicemail"],
            tuple(languages),
            found.get("screening") or "",
            IvrOptions(**ivr) if (ivr := found.get("ivr")) else None,
        )


def tell_setting(
    persona: Persona,
    turns: TurnOptions,
    failover: FailoverOptions,
    tools: Iterable[Tool],
    people: Mapping[str, str],
    *,
    can_transfer: bool,
    languages: tuple[str, ...],
    ivr: IvrOptions | None = None,
) -> None:
    """Give the setup of the conversation to the recorder of the present call, if there is one."""
    recorder = RECORDER.get()
    if recorder is not None:
        shown = tuple({name: getattr(one, name) for name in _TOOL} | _parameters(one) for one in tools)
        setting = ConversationSetup(
            persona, turns, failover, shown, dict(people), can_transfer, None, languages, ivr=ivr
        )
        recorder.setting = setting.as_dict()


def tell_amd(voicemail: str, screening: str) -> None:
    """Tell the recorder, if there is one, that answering machines are detected, with the message for machines and the
    sentence for call screens."""
    recorder = RECORDER.get()
    if recorder is not None:
        recorder.setting |= {"voicemail": voicemail, "screening": screening}


def _parameters(tool: Tool) -> dict[str, Any]:
    return {"parameters": tool.schema["function"]["parameters"]}


def seen_transfer(connect: Callable[[str], Awaitable[bool]]) -> Callable[[str], Awaitable[bool]]:
    """Wrap `connect`, so that the recorder of the call gets its result."""

    async def connected(to: str) -> bool:
        note("transfer", do="asked", to=to)
        done = await connect(to)
        note("transfer", do="ended", to=to, connected=done)
        return done

    return connected
