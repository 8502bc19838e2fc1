"""A telephone made of pjsua2 (PJSIP): ``python -m tests.interop.pjsua_transferring``. Takes orders on its input and
prints what happens: ``call URI``, ``transfer N URI``, ``connect N M`` (attended), ``hangup N``, ``quit``."""

import sys
import threading

import pjsua2 as pj

from tests.interop.pjsua_demanding import started


def say(*words: object) -> None:
    print(*words, flush=True)


class Call(pj.Call):  # type: ignore[misc]
    """Tells its states; PJSIP's own defaults accept REFER and INVITE with Replaces."""

    def __init__(self, phone: "Phone", call_id: int = pj.PJSUA_INVALID_ID) -> None:
        super().__init__(phone, call_id)
        self.phone = phone
        phone.calls.append(self)
        self.number = len(phone.calls)

    def onCallState(self, prm: pj.OnCallStateParam) -> None:
        info = self.getInfo()
        say(self.number, info.stateText, info.lastStatusCode)

    def onCallTransferRequest(self, prm: pj.OnCallTransferRequestParam) -> None:
        say(self.number, "REFERRED", prm.dstUri)
        prm.newCall = Call(self.phone)

    def onCallTransferStatus(self, prm: pj.OnCallTransferStatusParam) -> None:
        say(self.number, "TRANSFER", prm.statusCode, "final" if prm.finalNotify else "")
        prm.cont = True

    def onCallReplaceRequest(self, prm: pj.OnCallReplaceRequestParam) -> None:
        say(self.number, "REPLACING")
        prm.newCall = Call(self.phone)


class Phone(pj.Account):  # type: ignore[misc]
    """Answers every call."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []

    def onIncomingCall(self, prm: pj.OnIncomingCallParam) -> None:
        call = Call(self, prm.callId)
        param = pj.CallOpParam()
        param.statusCode = 200
        call.answer(param)


def obey(phone: Phone, line: str) -> None:
    order, *words = line.split()
    param = pj.CallOpParam(True)
    if order == "call":
        Call(phone).makeCall(words[0], param)
    elif order == "transfer":
        phone.calls[int(words[0]) - 1].xfer(words[1], param)
    elif order == "connect":
        phone.calls[int(words[0]) - 1].xferReplaces(phone.calls[int(words[1]) - 1], param)
    elif order == "hangup":
        phone.calls[int(words[0]) - 1].hangup(param)


def main() -> None:
    endpoint = started()
    number = endpoint.transportEnum()[0]
    phone = Phone()
    account = pj.AccountConfig()
    address = endpoint.transportGetInfo(number).localName
    account.idUri = f"sip:phone@{address}"
    account.sipConfig.transportId = number
    phone.create(account)
    orders: list[str] = []
    threading.Thread(target=_read, args=(orders,), daemon=True).start()
    say("ready", account.idUri)
    while "quit" not in orders:
        endpoint.libHandleEvents(10)
        while orders and orders[0] != "quit":
            obey(phone, orders.pop(0))
    endpoint.libDestroy()


def _read(orders: list[str]) -> None:
    for line in sys.stdin:
        orders.append(line.strip())
    orders.append("quit")


if __name__ == "__main__":
    main()
