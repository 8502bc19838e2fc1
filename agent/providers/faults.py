"""Turns a provider's refusal into a `ProviderError` that says what to do, and that contains no secret."""

from collections.abc import Mapping

from agent.bodies import TooLargeError
from agent.errors import ProviderError

QUOTE_LIMIT = 200
"""Maximum characters of a provider's own words in an error."""

CLOSES: Mapping[int | str, tuple[str, str, bool]] = {
    1000: ("the server ended the session", "", True),
    1001: ("the server is going away", "", True),
    1005: ("the server ended the session", "", True),
    1006: ("connection lost", "", True),
    1011: ("internal error of the server", "", True),
    1012: ("the server restarts", "", True),
    1013: ("the server is overloaded", "", True),
    1014: ("the server behind a proxy does not answer", "", True),
}
"""Close codes of websockets (RFC 6455 §7.4.1, and IANA's registry) after which another session may succeed. For each:
the problem, the advice, and whether it passes. 1005 stands for a close frame without a code, which some libraries
send."""

PAUSE = 0.5
"""Seconds after which a provider that limits the rate may be asked again, if it names no time."""


def quoted(words: object, secret: str) -> str:
    """A provider's own words, made safe for the log: one printable line, shortened, with `secret` masked."""
    text = " ".join(str(words).split())
    if secret:
        text = text.replace(secret, "***")
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return text if len(text) <= QUOTE_LIMIT else text[: QUOTE_LIMIT - 1] + "…"


def seconds_of(retry_after: str | None) -> float:
    """The seconds in a Retry-After field (RFC 9110 §10.2.3), at most an hour; 0 without the field, or for a date."""
    try:
        seconds = float(retry_after or 0)
    except ValueError:
        return 0.0
    return min(seconds, 3600.0) if seconds > 0 else 0.0


def wait_of(headers: Mapping[str, str]) -> float:
    """The seconds for which the `headers` of an answer ask for no requests; some servers name milliseconds."""
    return seconds_of(headers.get("retry-after-ms")) / 1000 or seconds_of(headers.get("retry-after"))


def http_fault(provider: str, status: int, words: str = "", retry_after: float = 0.0) -> ProviderError:
    """The error for an HTTP status; `words` are the provider's own, already `quoted`.

    Words of a 401 are left out, because some providers repeat part of the key in them.
    """
    problem, advice = _STATUS.get(status, (f"answered HTTP {status}", ""))
    if words and status != 401:
        problem = f"{problem}: {words}"
    if status == 429:
        retry_after = retry_after or PAUSE
    temporary = status in (408, 409, 425, 429) or status >= 500
    one = status in (400, 413, 422)
    refused = (status < 500 and status != 408) or status == 503  # after others the work may be done, and billed
    return ProviderError(
        provider, problem, advice=advice, temporary=temporary, retry_after=retry_after, of_request=one, refused=refused
    )


def too_large(provider: str, error: TooLargeError) -> ProviderError:
    """The error for an answer whose body is too large to be read. If the answer is a refusal, the error is that
    refusal."""
    if error.status < 300:
        return ProviderError(provider, str(error))
    return http_fault(provider, error.status, str(error), wait_of(error.fields))


def coded_fault(provider: str, known: tuple[str, str, bool], words: str = "") -> ProviderError:
    """The error for a code of the provider. `known` has the problem, the advice, and whether the error may pass by
    itself."""
    problem, advice, temporary = known
    problem = f"{problem}: {words}" if words else problem
    return ProviderError(provider, problem, advice=advice, temporary=temporary, refused=True)


_STATUS = {
    400: ("refused the request", "check the model name and the options"),
    401: ("refused the API key", "check the key and that it belongs to this service"),
    402: ("wants payment", "check the balance of the account"),
    403: ("does not permit this", "check what the key and the plan allow"),
    404: ("does not know this address, model or voice", "check the base URL, model and voice names"),
    413: ("refused the request as too large", "shorten the instructions or what the tools return"),
    422: ("refused the request", "check the model name and the options"),
    429: ("limits the rate", "raise the limit of the account or take fewer calls at once"),
}
