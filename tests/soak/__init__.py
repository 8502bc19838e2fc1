"""Long runs, too long for CI: ``python -m tests.soak media`` or ``sip``."""
