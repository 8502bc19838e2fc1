"""Who calls from a phone of an account: its owner, whatever the phone writes."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sipgw.config.config import GatewayConfig
from sipgw.config.inbound import AccountOptions
from sipgw.sip.digest import Credentials
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from tests.cloud import cloud
from tests.interop.test_accounts import records
from tests.recipes import OFFER
from tests.waiting import HANG

ANNA = AccountOptions("anna", "annas-password")
OTHER = "+14155550133"


def called(folder: Path, written: str, *fields: tuple[str, str]) -> dict[str, Any]:
    """The record of a call with the password of anna, in whose From `written` stands."""

    def accounts(config: GatewayConfig) -> GatewayConfig:
        return replace(config, accounts=(ANNA,))

    async def scenario() -> dict[str, Any]:
        async with (
            cloud(folder, [], [], change=accounts) as world,
            Endpoint(EndpointOptions("127.0.0.1", 0), lambda leg: leg.reject(403), lambda *_: None) as phone,
        ):
            credentials = Credentials(ANNA.user, ANNA.password)
            leg, _ = await phone.invite(world.target, written, OFFER, credentials=credentials, fields=fields)
            leg.hangup()
            await leg.over(HANG)
            (record,) = await records(world.gateway)
            return record

    return asyncio.run(scenario())


@pytest.mark.parametrize("written", ["anna", OTHER, "bob"])
def test_the_caller_is_the_owner_of_the_account_and_not_who_the_phone_says(tmp_path: Path, written: str) -> None:
    """Else who has one password could call as any customer, whose orders the agent then tells."""
    assert called(tmp_path, f"<sip:{written}@127.0.0.1>")["caller"] == ANNA.user


def test_a_phone_of_an_account_may_withhold_its_owner(tmp_path: Path) -> None:
    record = called(tmp_path, "<sip:anonymous@anonymous.invalid>", ("Privacy", "id"))
    assert record["caller"] == "withheld"
