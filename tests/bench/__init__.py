"""Benchmarks: `make bench`, or `make bench AREA=media`. Each module measures one area and yields its gates."""
