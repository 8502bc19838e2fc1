"""What docs/transfers.md says is so: its configuration, its numbers, its files."""

import re
from glob import glob
from pathlib import Path

from agent import briefing
from agent.briefing_phrases import BriefingPhrases
from sipgw.config.config import parse
from sipgw.config.people import TransferOptions

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "transfers.md").read_text()
TRUNK = '[[trunks]]\nname = "telnyx"\nmode = "register"\nregistrar = "sip.telnyx.com"\nuser = "u"\npassword = "${P}"\n'


def test_its_configuration_is_valid() -> None:
    (block,) = re.findall(r"^```toml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    config = parse(TRUNK + block, "docs", {"P": "secret"})
    assert [(one.name, one.mode, one.ring_timeout) for one in config.people] == [
        ("billing", "warm", 25.0), ("billing", "bridge", 25.0),
    ]  # fmt: skip
    assert config.transfer == TransferOptions()


def test_what_is_said_to_a_person_is_what_the_page_says() -> None:
    plain = " ".join(TEXT.split())
    assert f'hears "{BriefingPhrases().opening}"' in plain
    assert f"takes more than {briefing.SUMMARY_LIMIT:.0f} s" in plain


def test_its_files_exist() -> None:
    for name in re.findall(r"`((?:sipgw|media|agent|tests)/[^`]+\.py)`", TEXT):
        first, brace, rest = name.partition("{")
        names = [first + one + rest.partition("}")[2] for one in rest.partition("}")[0].split(",")] if brace else [name]
        assert all(glob(str(ROOT / one)) for one in names), name
