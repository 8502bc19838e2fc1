"""``sipgw serve`` whose agents are parrots: everything is real but the speech services, so many calls cost little."""

from sipgw.cli import serve
from sipgw.cli.main import main
from sipgw.tools.load.host import ParrotGateway

if __name__ == "__main__":
    serve.Gateway = ParrotGateway  # type: ignore[attr-defined, misc]
    main()
