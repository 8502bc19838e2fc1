"""Tries to sign in: what strangers do keeps nobody else out."""

import pytest

from sipgw.web.throttle import PAUSE, TRIES, SignInThrottle, TooManyAttempts


def allowed(throttle: SignInThrottle, address: str, now: float) -> bool:
    try:
        throttle.take(address, now)
    except TooManyAttempts:
        return False
    return True


def test_one_address_has_a_few_tries_at_once_then_one_by_one() -> None:
    throttle = SignInThrottle()
    assert [allowed(throttle, "192.0.2.1", 0.0) for _ in range(TRIES + 1)] == [True] * TRIES + [False]
    assert not allowed(throttle, "192.0.2.1", PAUSE - 0.1)
    assert allowed(throttle, "192.0.2.1", PAUSE)
    assert not allowed(throttle, "192.0.2.1", PAUSE)


SECONDS = 900


@pytest.mark.parametrize("strangers", [7, 60])
def test_strangers_who_try_all_day_keep_nobody_out(strangers: int) -> None:
    """Each tries every second. Somebody signs in from a new address each minute; ann from where she always does."""
    throttle = SignInThrottle(key=b"no two of these addresses share a cell")
    throttle.know(["192.0.2.200"])
    tried = 0
    for second in range(SECONDS):
        for number in range(strangers):
            tried += allowed(throttle, f"203.0.113.{number}", second)
        if second % 60 == 59:
            assert allowed(throttle, f"198.51.100.{second // 60}", second)
            assert allowed(throttle, "192.0.2.200", second)
            throttle.succeeded("192.0.2.200", second)
    assert tried <= strangers * (TRIES + SECONDS / PAUSE)
    assert tried / SECONDS < 2, "hashes a second"


def test_what_is_right_does_not_count_and_makes_an_address_known() -> None:
    throttle = SignInThrottle(busy=lambda: True)
    assert not allowed(throttle, "192.0.2.1", 0.0), "strangers wait while much is checked"
    throttle.know(["192.0.2.2"])
    for _ in range(20):
        assert allowed(throttle, "192.0.2.2", 0.0)
        throttle.succeeded("192.0.2.2", 0.0)
