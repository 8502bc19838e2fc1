"""Errors of the agent, and the text of our own errors in records."""


def first(error: BaseException) -> BaseException:
    """The first error inside an exception group, at any depth; any other error itself."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def internal(error: BaseException) -> str:
    """The words for an unexpected error in a record. Its message is left out, because it may contain a secret."""
    return f"internal error: {type(first(error)).__name__}"


class ProviderError(Exception):
    """A speech or language provider refused, failed or was too slow.

    Parameters
    ----------
    provider
        Name of the provider as it stands in the configuration, e.g. ``"assemblyai"``.
    problem
        What went wrong, in one clause, without any secret.
    advice
        What the operator can do about it; empty if nothing is known.
    temporary
        True when the same request may succeed later (connection lost, rate limit, overload).
    retry_after
        Seconds that the provider asked to be left alone; 0 if it did not say.
    of_request
        True when it is this one request that went wrong: the same would again, another may go well.
    refused
        True when the provider has taken no work: it said no, or could not be reached. Whoever counts what is to be paid
        counts everything else.
    """

    def __init__(
        self,
        provider: str,
        problem: str,
        *,
        advice: str = "",
        temporary: bool = True,
        retry_after: float = 0.0,
        of_request: bool = False,
        refused: bool = False,
    ) -> None:
        super().__init__(f"{provider}: {problem}" + (f" ({advice})" if advice else ""))
        self.provider = provider
        self.problem = problem
        self.advice = advice
        self.temporary = temporary
        self.retry_after = retry_after
        self.of_request = of_request
        self.refused = refused
