"""A minute of coverage-guided fuzzing over the parsers of everything that strangers send."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.sip import INVITE, OFFER
from tests.sip.test_torture import DATA
from tests.waiting import HANG

pytest.importorskip("atheris", reason="there is no atheris for this Python")
SEEDS = {
    "message": [INVITE, *(path.read_bytes() for path in sorted(DATA.glob("*.dat")))],
    "uri": [b"sip:+1415%20@[::1]:5060;transport=tcp;lr?Subject=x", b"tel:+1-415-555;ext=1", b"sips:a:b@host"],
    "header": [b'"A \\" b" <sip:a@b;x=y>;tag=1', b"SIP/2.0/UDP h:5060;branch=z9hG4bK;rport", b"1 INVITE"],
    "sdp": [OFFER],
}


@pytest.mark.slow
@pytest.mark.parametrize("target", SEEDS)
def test_a_parser_raises_nothing_but_its_own_error(target: str, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(SEEDS[target]):
        (corpus / str(number)).write_bytes(seed)
    command = [sys.executable, "-m", "tests.sip.coverage_fuzz", target, str(corpus)]
    # 15 s of this target; an input that takes more than 5 s is a finding too.
    command += ["-max_total_time=15", "-timeout=5", "-max_len=8192", f"-artifact_prefix={tmp_path}/"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=HANG, check=False)
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert "DONE" in ran.stderr
