"""``sipgw serve`` whose agents are parrots: everything is real but the speech services, so many calls cost little."""

from sipgw.cli import main as cli
from sipgw.load.host import ParrotGateway

if __name__ == "__main__":
    cli.Gateway = ParrotGateway  # type: ignore[misc]
    cli.main()
