"""Long runs that look for leaks: ``python -m tests.soak media --minutes 60 --calls 100``."""
