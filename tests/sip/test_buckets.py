"""Token buckets on virtual time."""

import sys

from sipgw.sip.buckets import Bucket, Buckets


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    bucket = Bucket(rate=2, burst=3)
    assert [bucket.take(10.0) for _ in range(4)] == [True, True, True, False]
    assert bucket.wait(10.0) == 0.5
    assert [bucket.take(10.5) for _ in range(2)] == [True, False]
    assert sum(bucket.take(100.0) for _ in range(10)) == 3


def test_everybody_has_a_bucket_of_their_own() -> None:
    buckets = Buckets(1, 2, b"key")
    assert [buckets.take("a", 0.0) for _ in range(3)] == [True, True, False]
    assert buckets.take("b", 0.0)
    assert buckets.empty("a", 0.5)
    assert not buckets.empty("a", 1.0)


def test_no_number_of_sources_takes_memory() -> None:
    buckets = Buckets(1, 2, b"key", cells=64)
    before = sys.getsizeof(buckets._left) + sys.getsizeof(buckets._at)
    for number in range(5000):
        buckets.take(f"10.0.{number}", 0.0)
    assert sys.getsizeof(buckets._left) + sys.getsizeof(buckets._at) == before
    assert not buckets.take("somebody", 0.0), "a flood from everywhere empties every cell"
    assert buckets.take("somebody", 2.0), "and they fill again"


def test_the_key_decides_who_shares_a_cell() -> None:
    def shares(key: bytes) -> set[int]:
        buckets = Buckets(1, 1, key, cells=8)
        buckets.take("victim", 0.0)
        return {number for number in range(100) if buckets.empty(f"attacker {number}", 0.0)}

    assert shares(b"one") != shares(b"two")
