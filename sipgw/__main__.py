"""``python -m sipgw``."""

from sipgw.cli.main import main

main()
