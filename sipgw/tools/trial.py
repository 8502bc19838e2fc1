"""Gateways for a trial: they use the configuration, but are isolated from the network."""

from dataclasses import replace
from pathlib import Path

from media.process.engine import MediaOptions
from sipgw.config.agent import AgentOptions
from sipgw.config.config import GatewayConfig
from sipgw.config.records import StoreOptions
from sipgw.config.trunks import TrunkOptions
from sipgw.sip.endpoint_options import EndpointOptions

LOOPBACK = ("127.0.0.0/8",)
MOST = 8000
"""Maximum calls at the same time: the RTP port range has no room for more."""
SOMEBODY = "sip:somebody@127.0.0.1"
EMBEDDED = AgentOptions(stt="local", llm="local", tts="local")


def trial(config: GatewayConfig | None, folder: Path) -> GatewayConfig:
    """Agent, turn-taking, limits and providers of `config`, or the embedded ones, on separate loopback ports. Its
    records go to a database in `folder`. Trunks, accounts, cluster, object storage, webhooks, mail, recordings and
    captures are left out: a trial makes no calls, sends no webhooks and no mail, and leaves no files. The agent's real
    tools run. Every transfer, at any hour, goes to the caller itself (`SOMEBODY`), so nobody else is called.
    """
    config, plain = config or GatewayConfig(agent=EMBEDDED), GatewayConfig()
    last = SOMEBODY if any(trunk.transfer_to for trunk in config.trunks) else ""
    return replace(
        config,
        sip=EndpointOptions(host="127.0.0.1", port=0),
        media=MediaOptions(bind_host="127.0.0.1", processes=config.media.processes, fast=config.media.fast),
        trunks=(TrunkOptions("trial", "peer", networks=LOOPBACK, max_calls=MOST, transfer_to=last),),
        people=tuple(replace(one, to=SOMEBODY, trunk="", mode="refer", hours=(), holidays="") for one in config.people),
        accounts=(),
        routes=(),
        admission=replace(config.admission, max_calls=MOST),
        gate=plain.gate,
        recording=plain.recording,
        webhooks=(),
        mail=plain.mail,
        messages=replace(config.messages, mail_to=()),
        capture=replace(plain.capture, rtp="off"),
        store=StoreOptions(path=str(folder / "trial.db")),
        storage=plain.storage,
        retention=plain.retention,
        browser=plain.browser,
        cluster=plain.cluster,
    )
