"""A PJSIP phone in a long call with a session timer of 90 s that it refreshes: ``… TARGET SECONDS SAID``.

SAID is a WAV file that is played again and again. Prints what happens, and how much sound came and was lost.
"""

import sys
import time

import pjsua2 as pj

from tests.interop.pjsua_demanding import started


class Call(pj.Call):  # type: ignore[misc]
    def __init__(self, account: pj.Account, said: str) -> None:
        super().__init__(account)
        self.player = pj.AudioMediaPlayer()
        self.player.createPlayer(said)  # over and over

    def onCallState(self, prm):
        del prm
        info = self.getInfo()
        print(info.stateText, info.lastStatusCode, flush=True)

    def onCallMediaState(self, prm):
        del prm
        self.player.startTransmit(self.getAudioMedia(-1))

    def onCallTsxState(self, prm):
        transaction = prm.e.body.tsxState.tsx
        if transaction.state == pj.PJSIP_TSX_STATE_COMPLETED and transaction.method == "UPDATE":
            who = "us" if transaction.role == pj.PJSIP_ROLE_UAC else "them"
            print("refreshed by", who, transaction.statusCode, flush=True)


def main(target: str, seconds: float, said: str) -> None:
    endpoint = started()
    config = pj.AccountConfig()
    config.idUri = "sip:pj@127.0.0.1"
    config.callConfig.timerUse = pj.PJSUA_SIP_TIMER_ALWAYS
    config.callConfig.timerMinSESec = config.callConfig.timerSessExpiresSec = 90
    config.mediaConfig.transportConfig.boundAddress = "127.0.0.1"
    account = pj.Account()
    account.create(config)
    call = Call(account, said)
    wanted = pj.CallOpParam(True)
    wanted.opt.videoCount = 0
    call.makeCall(target, wanted)
    began = time.monotonic()
    while (lasted := time.monotonic() - began) < seconds and (call.isActive() or lasted < 5):
        endpoint.libHandleEvents(20)
    if call.isActive():
        received = call.getStreamStat(0).rtcp.rxStat
        print("sound", received.pkt, "lost", received.loss, flush=True)
        call.hangup(pj.CallOpParam(True))
        for _ in range(50):
            endpoint.libHandleEvents(20)
    del call
    account.shutdown()
    endpoint.libDestroy()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), sys.argv[3])
