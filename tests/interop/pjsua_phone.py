"""PJSIP (pjsua2) as a phone with SRTP, in a process of its own: it plays a WAV file and records what it hears.

Arguments: URI, file to play, file to record, seconds, SRTP (0 off, 1 optional, 2 mandatory), and perhaps "ice". It
hangs up when its standard input has ended, after so many seconds at the earliest. Prints the call's own account of its
media at the end.
"""

import sys
import threading
import time
from math import inf

import pjsua2 as pj


class Phone(pj.Call):  # type: ignore[misc]
    """One call."""

    def __init__(self, account: pj.Account, said: str, heard: str) -> None:
        super().__init__(account)
        self.player, self.recorder = pj.AudioMediaPlayer(), pj.AudioMediaRecorder()
        self.player.createPlayer(said, 1)  # PJMEDIA_FILE_NO_LOOP
        self.recorder.createRecorder(heard)

    def onCallMediaState(self, prm: pj.OnCallMediaStateParam) -> None:
        print("media", flush=True)
        sound = self.getAudioMedia(-1)
        self.player.startTransmit(sound)
        sound.startTransmit(self.recorder)

    def onDtmfDigit(self, prm: pj.OnDtmfDigitParam) -> None:
        print("key", prm.digit, prm.duration, flush=True)

    def onCallState(self, prm: pj.OnCallStateParam) -> None:
        print("state", self.getInfo().stateText, self.getInfo().lastStatusCode, flush=True)


def main() -> None:
    uri, said, heard, seconds, srtp, *more = sys.argv[1:]
    endpoint = pj.Endpoint()
    endpoint.libCreate()
    config = pj.EpConfig()
    config.logConfig.level = config.logConfig.consoleLevel = 3
    config.medConfig.clockRate = config.medConfig.sndClockRate = 8000
    endpoint.libInit(config)
    transport = pj.TransportConfig()
    transport.boundAddress = "127.0.0.1"
    endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
    endpoint.libStart()
    endpoint.audDevManager().setNullDev()
    options = pj.AccountConfig()
    options.idUri = "sip:caller@127.0.0.1"
    options.mediaConfig.srtpUse = int(srtp)
    options.mediaConfig.srtpSecureSignaling = 0
    if "ice" in more:  # it makes no candidates of a loopback address; its checks go out by that all the same
        options.natConfig.iceEnabled = True
    else:
        options.mediaConfig.transportConfig.boundAddress = "127.0.0.1"
    account = pj.Account()
    account.create(options)
    call = Phone(account, said, heard)
    call.makeCall(uri, pj.CallOpParam(True))
    until = time.monotonic() + float(seconds)
    half = time.monotonic() + float(seconds) * 0.6
    enough = threading.Thread(target=sys.stdin.read, daemon=True)
    enough.start()
    while time.monotonic() < until or (enough.is_alive() and call.isActive()):
        endpoint.libHandleEvents(50)
        if time.monotonic() > half and call.isActive():
            half = inf
            call.reinvite(pj.CallOpParam(True))  # a session refresh, with keys again
    if call.isActive():
        print(call.dump(True, "  "), flush=True)
        call.hangup(pj.CallOpParam())
        endpoint.libHandleEvents(500)
    del call, account
    endpoint.libDestroy()


if __name__ == "__main__":
    main()
