"""Real phones speak SRTP with keys by SDES; real speech goes in, speech comes back, and nothing goes in the clear."""

import subprocess
import sys
import time
import wave
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.interop.baresip import Baresip
from tests.interop.linphone import Linphone
from tests.interop.served import Served, served
from tests.interop.test_calls import once_more, speech, transcript, wav
from tests.ports import free_ports
from tests.waiting import HANG

PHONE = Path(__file__).parent / "pjsua_phone.py"
TRUNK = '[[trunks]]\nname = "phones"\nmode = "peer"\nnetworks = ["127.0.0.1"]\nsrtp = "{policy}"\n'
ORDER = (1.0, 4.0, "ask_order.wav", 250.0)
ENOUGH = 200
"""Seconds after which a phone hangs up, whatever it has heard."""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with served(tmp_path_factory.mktemp("gateway"), TRUNK.format(policy="required")) as running:
        yield running


def pjsua(gateway: Served, *arguments: object, enough: Callable[[], bool]) -> str:
    """Call the gateway with PJSIP until it is `enough`; returns what it printed."""
    command = [sys.executable, str(PHONE), f"sip:agent@127.0.0.1:{gateway.port}", *map(str, arguments)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as phone:
        try:
            until = time.monotonic() + HANG
            while time.monotonic() < until and phone.poll() is None and not enough():
                time.sleep(0.2)
            return phone.communicate(timeout=HANG)[0]
        finally:
            phone.kill()


def asked_and_answered(gateway: Served, before: int, heard: bytes) -> None:
    call = gateway.calls(before + 1)[-1]
    assert "order" in " ".join(turn["caller"] for turn in call["turns"]).lower(), call
    assert "order number" in transcript(heard)
    dropped = {name: call["media"][name] for name in ("lost", "unauthentic", "replayed")}
    assert dropped == {"lost": 0, "unauthentic": 0, "replayed": 0}
    assert call["media"]["rtcp_received"] > 0
    assert "inline:" not in "".join(gateway.log)


@pytest.mark.programs("baresip")
def test_baresip(gateway: Served, tmp_path: Path) -> None:
    """It offers AVP with keys (RFC 8643)."""
    before = len(gateway.calls(0))
    phone = Baresip(
        tmp_path,
        wav(tmp_path / "said.wav", speech(*ORDER)),
        f"sip:agent@127.0.0.1:{gateway.port}",
        more="module srtp.so\n",
        account=";mediaenc=srtp",
    )
    printed = phone.call(ENOUGH, once_more(gateway, "order number"))
    assert "SRTP is Enabled" in printed or "AES_CM_128" in printed, printed
    asked_and_answered(gateway, before, phone.heard())


@pytest.mark.programs("baresip")
def test_who_does_not_encrypt_is_refused_where_it_is_required(gateway: Served, tmp_path: Path) -> None:
    before = len(gateway.calls(0))
    phone = Baresip(tmp_path, wav(tmp_path / "said.wav", speech(1.0)), f"sip:agent@127.0.0.1:{gateway.port}")
    assert "488" in phone.call(3)
    call = gateway.calls(before + 1)[-1]
    assert call["ending"] == "refused"
    assert "requires SRTP" in call["cause"]


@pytest.mark.programs("linphone")
def test_linphone(gateway: Served, tmp_path: Path) -> None:
    """It offers SAVP."""
    before = len(gateway.calls(0))
    said = wav(tmp_path / "said.wav", speech(*ORDER[1:]))
    encryption = "media_encryption=srtp\nmedia_encryption_mandatory=1"
    phone = Linphone(tmp_path, said, f"sip:agent@127.0.0.1:{gateway.port}", free_ports(), sip=encryption)
    printed = phone.call(ENOUGH, once_more(gateway, "order number"))
    assert "Call 1 with" in printed, printed
    asked_and_answered(gateway, before, phone.heard())


@pytest.mark.programs("pjsua2")
def test_pjsip(gateway: Served, tmp_path: Path) -> None:
    """It offers SAVP, and again in mid-call."""
    before = len(gateway.calls(0))
    said, heard = wav(tmp_path / "said.wav", speech(*ORDER)), tmp_path / "heard.wav"
    printed = pjsua(gateway, said, heard, "20", "2", enough=once_more(gateway, "order number"))
    assert "CONFIRMED 200" in printed, printed
    assert printed.count("\nmedia\n") >= 2, "it offered again"
    assert "SRTP status: Active Crypto-suite: A" in printed, printed
    with wave.open(str(heard)) as recording:
        asked_and_answered(gateway, before, recording.readframes(recording.getnframes()))
