"""Gateways for trials: nothing of them reaches outside."""

from pathlib import Path

from sipgw.config.config import parse
from sipgw.tools.trial import SOMEBODY, trial

CONFIGURED = """
[agent]
business = "Acme"
[turns]
reprompts = 5
[recording]
folder = "/var/recordings"
[capture]
folder = "/var/captures"
[[trunks]]
name = "carrier"
mode = "register"
registrar = "sip.example.com"
user = "acme"
transfer_to = "+14155550123"
[[people]]
name = "billing"
to = "+14155550124"
trunk = "carrier"
hours = ["sat 00:00-00:01"]
[cluster]
redis = "${R}"
[storage]
url = "s3://calls"
[[webhooks]]
name = "crm"
secret = "${S}"
url = "https://hooks.example.com/calls"
"""


def test_a_trial_keeps_the_agent_and_calls_nobody(tmp_path: Path) -> None:
    configured = parse(CONFIGURED, "x", {"S": "a-secret-of-some-length-0123456789", "R": "redis://127.0.0.1:6379/0"})
    config = trial(configured, tmp_path)
    assert config.agent == configured.agent
    assert config.turns == configured.turns
    assert [trunk.registrar for trunk in config.trunks] == [""]
    assert [(one.name, one.to, one.trunk, one.hours) for one in config.people] == [("billing", SOMEBODY, "", ())]
    assert config.trunks[0].transfer_to == SOMEBODY
    assert trial(None, tmp_path).trunks[0].transfer_to == ""
    assert not config.webhooks
    assert not config.cluster.redis
    assert not config.storage.url, "it uploads no files of a gateway with the same database"
    assert not config.recording.folder
    assert not config.capture.folder
    assert config.sip.host == "127.0.0.1"
    assert Path(config.store.path).parent == tmp_path
    assert trial(None, tmp_path).agent.stt == "local"
