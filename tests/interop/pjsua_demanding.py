"""A PJSIP phone that insists on PRACK and on a session timer, holds, resumes and refreshes: ``… TARGET SECONDS``.

It prints what happens, one line each. PJSIP is GPL: it runs in a process of its own and is imported by nothing of ours.
"""

import sys
import time

import pjsua2 as pj

NAMES = {pj.PJSUA_CALL_MEDIA_ACTIVE: "talking", pj.PJSUA_CALL_MEDIA_LOCAL_HOLD: "holding"}


class Call(pj.Call):  # type: ignore[misc]
    def onCallState(self, prm):
        del prm
        info = self.getInfo()
        print(info.stateText, info.lastStatusCode, flush=True)

    def onCallMediaState(self, prm):
        del prm
        info = self.getInfo()  # to be kept while it is looked at
        print(*(NAMES.get(media.status, media.status) for media in info.media), flush=True)

    def onCallTsxState(self, prm):
        transaction = prm.e.body.tsxState.tsx
        if transaction.method in ("PRACK", "UPDATE") and transaction.statusCode >= 200:
            print(transaction.method, transaction.statusCode, flush=True)


def started() -> pj.Endpoint:
    endpoint = pj.Endpoint()
    endpoint.libCreate()
    config = pj.EpConfig()
    config.logConfig.level = config.logConfig.consoleLevel = 0
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = True
    endpoint.libInit(config)
    transport = pj.TransportConfig()
    transport.boundAddress = "127.0.0.1"
    endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
    endpoint.libStart()
    endpoint.audDevManager().setNullDev()
    return endpoint


def main(target: str, seconds: float) -> None:
    endpoint = started()
    config = pj.AccountConfig()
    config.idUri = "sip:pj@127.0.0.1"
    config.callConfig.timerUse = pj.PJSUA_SIP_TIMER_ALWAYS
    config.callConfig.timerMinSESec = config.callConfig.timerSessExpiresSec = 90
    config.callConfig.prackUse = pj.PJSUA_100REL_MANDATORY
    account = pj.Account()
    account.create(config)

    def wait(at_most: float) -> None:
        until = time.monotonic() + at_most
        while time.monotonic() < until:
            endpoint.libHandleEvents(20)

    def sound(flag: int = 0) -> pj.CallOpParam:
        wanted = pj.CallOpParam(True)
        wanted.opt.audioCount, wanted.opt.videoCount, wanted.opt.flag = 1, 0, flag
        return wanted

    call = Call(account)
    call.makeCall(target, sound())
    wait(1)
    call.setHold(pj.CallOpParam())
    wait(1)
    call.reinvite(sound(pj.PJSUA_CALL_UNHOLD))
    wait(1)
    call.update(sound())
    wait(seconds)
    call.hangup(pj.CallOpParam(True))
    wait(1)
    del call
    account.shutdown()
    endpoint.libDestroy()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
