"""The bench of turn-taking: recorded people talk with the whole conversation, and what they hear is judged."""

from tests.bench.turns.gates import gates as gates
