"""PJSIP with ICE, a full agent of its own kind, calls the gateway, which is lite."""

from pathlib import Path

import pytest

from tests.interop.served import served
from tests.interop.test_calls import speech, wav
from tests.interop.test_srtp import ORDER, TRUNK, pjsua
from tests.interop.test_turn import own_address

pytestmark = pytest.mark.programs("pjsua2")


@pytest.mark.parametrize("srtp", [0, 2])
def test_pjsip_finds_the_way_by_ice_and_is_heard(srtp: int, tmp_path: Path) -> None:
    """Its re-INVITE in mid-call goes on with ICE; with SRTP the checks are no packets that fail authentication."""
    own_address()  # PJSIP has no candidate without one, and then does not call at all
    policy = "required" if srtp else "off"
    with served(tmp_path, TRUNK.format(policy=policy)) as gateway:
        said, heard = wav(tmp_path / "said.wav", speech(*ORDER)), tmp_path / "heard.wav"
        printed = pjsua(gateway, said, heard, 14, srtp, "ice", enough=lambda: gateway.heard("order number", 1))
        assert "CONFIRMED 200" in printed, printed
        assert "ICE role: Controlling, state: Negotiation Success, comp_cnt: 2" in printed, printed
        (call,) = gateway.calls(1)
        assert "order" in " ".join(turn["caller"] for turn in call["turns"]).lower(), call
        assert call["media"]["ice_checks"] > 0
        assert call["media"]["foreign"] < 5, "it sends a packet or two before it has chosen"
        if srtp:
            assert call["media"]["unauthentic"] == 0
