"""The conformance kit: what every provider has to do, tried against a server of its tests (docs/providers/own.md)."""
