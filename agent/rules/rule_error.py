"""The error of a rule on options: it names the keys that it is about."""

Keys = tuple[str | int, ...]
"""A place in a table: keys of tables and positions in lists, outermost first."""


class RuleError(ValueError):
    """A value of an option, or options together, that a rule refuses.

    Parameters
    ----------
    problem
        What is wrong, in one clause. The key stands before it in messages.
    key, others
        The options that the rule is about, by name or by the path from the table that has the rule. A message names the
        first that the file has, with its line.
    """

    def __init__(self, problem: str, key: str | Keys, *others: str | Keys) -> None:
        self.problem = problem
        self.keys: tuple[Keys, ...] = tuple((one,) if isinstance(one, str) else one for one in (key, *others))
        super().__init__(f"{'.'.join(map(str, self.keys[0]))}: {problem}")

    def below(self, *path: str | int) -> "RuleError":
        """The same error for an outer table: `path` leads from there to the table of the rule."""
        return RuleError(self.problem, *((*path, *key) for key in self.keys))


def positive(options: object, *names: str) -> None:
    """Raise `RuleError` for the first of these `options` that is not above 0."""
    for name in names:
        if getattr(options, name) <= 0:
            raise RuleError("must be positive", name)
