"""The conformance kit: tests what every provider must do, against a server of the provider's tests
(docs/providers/own.md)."""
