"""The page of the configuration says what each option means."""

from sipgw.config.config import GatewayConfig
from sipgw.web.configuration import tables


def test_every_option_has_a_meaning() -> None:
    shown = tables(GatewayConfig())
    assert len(shown) > 30
    assert not [f"[{table.name}] {option.name}" for table in shown for option in table.options if not option.meaning]
