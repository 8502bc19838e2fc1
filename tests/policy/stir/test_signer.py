"""Calls are signed with a key of ES256 only, and options and files that cannot be used say so."""

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from agent.rules.rule_error import RuleError
from sipgw.config.options import OptionError, build
from sipgw.config.stir import StirOptions
from sipgw.policy.stir.signer import StirSigner
from sipgw.policy.stir.verifier import StirVerifier
from tests.stir_world import URL, StirWorld

CALLER, CALLED = "+14155550100", "+12125550123"


def test_files_that_cannot_be_used_say_so(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    for path, says in ((tmp_path / "gone.pem", "No such file"), (empty, "no certificates in PEM")):
        with pytest.raises(RuleError, match=says):
            StirVerifier(StirOptions(roots=str(path)))
    rsa_key = tmp_path / "rsa.pem"
    rsa_key.write_bytes(
        rsa.generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    for path, says in ((tmp_path / "gone.pem", "No such file"), (empty, "no private key"), (rsa_key, "P-256")):
        with pytest.raises(RuleError, match=says):
            StirSigner(StirOptions(key=str(path), x5u=URL))


@pytest.mark.parametrize(
    ("values", "says"),
    [({"key": "k.pem"}, "go together"), ({"x5u": URL}, "go together"), ({"key": "k", "x5u": "http://x/y"}, "https"),
     ({"limit": 60}, "constant"), ({"attest": "D"}, "not one of")],
)  # fmt: skip
def test_options_that_cannot_be_used_say_so(values: dict[str, Any], says: str) -> None:
    with pytest.raises(OptionError, match=says):
        build(StirOptions, values, {})


def test_only_numbers_with_country_code_are_signed(tmp_path: Path) -> None:
    signer = StirWorld(tmp_path).signer()
    assert signer.fields("4155550100", CALLED) == signer.fields(CALLER, "1001") == ()
    names = [name for name, _ in signer.fields(CALLER, CALLED)]
    assert names == ["Date", "Identity"]
