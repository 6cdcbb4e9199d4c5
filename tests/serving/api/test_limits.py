from __future__ import annotations

import math
import uuid
from collections.abc import Iterator
from itertools import pairwise

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.api.limits import Limiter, MemoryLimiter, RedisLimiter


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@settings(max_examples=150)
@given(
    limit=st.integers(1, 5),
    gaps=st.lists(st.sampled_from([0.0, 0.1, 1.0, 3.3, 9.9, 10.0, 10.1, 25.0]), min_size=1, max_size=60),
)
def test_in_no_sliding_window_more_than_the_limit(limit: int, gaps: list[float]) -> None:
    clock = Clock()
    limiter = MemoryLimiter(10.0, clock=clock)
    allowed: list[float] = []
    for gap in gaps:
        clock.now += gap
        before = sum(moment > clock.now - 10.0 for moment in allowed)
        answer = limiter.take("a", limit)
        # Never too many, and never fewer than could be allowed.
        assert answer.allowed == (before < limit)
        if answer.allowed:
            allowed.append(clock.now)
        assert answer.remaining == limit - before - answer.allowed
    for at in allowed:
        assert sum(at <= moment < at + 10.0 for moment in allowed) <= limit


def test_a_refusal_says_when_to_come_back() -> None:
    clock = Clock()
    limiter = MemoryLimiter(10.0, clock=clock)
    assert limiter.take("a", 1).allowed
    clock.now = 4.0
    refused = limiter.take("a", 1)
    assert not refused.allowed
    headers = refused.headers(10.0)
    assert headers["Retry-After"] == headers["RateLimit-Reset"] == "6"
    assert headers["RateLimit-Policy"] == "1;w=10"
    clock.now = 10.0
    assert limiter.take("a", 1).allowed


def test_keys_do_not_share_and_processes_share_by_parts() -> None:
    limiter = MemoryLimiter(10.0, share=0.5, clock=Clock())
    assert [limiter.take("a", 4).allowed for _ in range(3)] == [True, True, False]
    assert limiter.take("b", 4).allowed
    assert not limiter.take("c", 0).allowed


@pytest.fixture
def client() -> Iterator[redis.Redis]:
    found = redis.Redis(host="127.0.0.1", port=6379, socket_connect_timeout=0.5)
    try:
        found.ping()
    except redis.RedisError:
        pytest.skip("no Redis on 127.0.0.1:6379")
    yield found
    found.close()


def test_redis_counts_for_all_processes(client: redis.Redis) -> None:
    prefix = f"test:{uuid.uuid4()}:"
    shared: list[Limiter] = [RedisLimiter(client, MemoryLimiter(1.0), window_seconds=1.0, prefix=prefix) for _ in "ab"]
    answers = [shared[at % 2].take("k", 3) for at in range(5)]
    assert [answer.allowed for answer in answers] == [True, True, True, False, False]
    assert [answer.remaining for answer in answers] == [2, 1, 0, 0, 0]
    assert all(0 <= answer.reset_seconds <= 1 for answer in answers)
    client.delete(prefix + "k", prefix + "k:n")


def test_without_redis_each_process_goes_on_counting() -> None:
    away = redis.Redis(host="127.0.0.1", port=1, socket_connect_timeout=0.2)
    limiter = RedisLimiter(away, MemoryLimiter(60.0))
    assert limiter.take("k", 1).allowed
    assert not limiter.take("k", 1).allowed
    assert limiter.is_degraded


def test_requests_one_window_apart_may_both_count() -> None:
    clock = Clock()
    limiter = MemoryLimiter(10.0, clock=clock)
    moments = []
    for step in range(400):
        clock.now = step * 0.25
        if limiter.take("a", 1).allowed:
            moments.append(clock.now)
    assert all(math.isclose(later - earlier, 10.0) for earlier, later in pairwise(moments))
