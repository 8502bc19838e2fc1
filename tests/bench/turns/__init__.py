"""The bench of turn-taking: recorded people talk with the whole conversation, and what they hear is judged."""

from collections.abc import Iterator

from tests.bench.gate import Gate


def gates() -> Iterator[Gate]:
    """The quick bench."""
    from tests.bench.turns import bars

    yield from bars.gates()
