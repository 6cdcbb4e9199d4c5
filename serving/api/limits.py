"""Rate limits that hold in every sliding window: each allowed request is remembered until its window has passed."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

_AWAY_SECONDS: Final = 1.0  # a Redis that did not answer is asked again after this long
_MOST_KEYS: Final = 100_000  # idle keys beyond this are forgotten, the longest idle first


@dataclass(frozen=True, slots=True)
class Allowance:
    """Answer of a limiter.

    Attributes:
        allowed: whether the request may go on.
        limit: requests in a window.
        remaining: requests that are left now.
        reset_seconds: until the oldest remembered request leaves the window, rounded up.
    """

    allowed: bool
    limit: int
    remaining: int
    reset_seconds: int

    def headers(self, window_seconds: float) -> dict[str, str]:
        """Header fields of draft-ietf-httpapi-ratelimit-headers (revision 6 and its widely read forerunners)."""
        found = {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset_seconds),
            "RateLimit-Policy": f"{self.limit};w={math.ceil(window_seconds)}",
        }
        if not self.allowed:
            found["Retry-After"] = str(max(1, self.reset_seconds))
        return found


class Limiter(Protocol):
    """Counts requests by key."""

    window_seconds: float

    def take(self, key: str, limit: int) -> Allowance:
        """Count one request of a key, if it is within `limit` per window."""
        ...


class MemoryLimiter:
    """A limiter of one process.

    Args:
        window_seconds: length of the window.
        share: part of every limit that this process may use: with n processes 1 / n, so that together they never
            allow more than the limit; of a limit below n nothing is left.
        clock: monotonic seconds.
    """

    def __init__(
        self, window_seconds: float = 60.0, *, share: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.window_seconds = window_seconds
        self._share, self._clock = share, clock
        self._taken: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def is_spent(self, key: str, limit: int) -> bool:
        """Whether a key has no request left in the window; counts nothing."""
        with self._lock:
            taken = self._taken.get(key, ())
            since = self._clock() - self.window_seconds
            return sum(moment > since for moment in taken) >= self._most(limit)

    def _most(self, limit: int) -> int:
        return math.floor(limit * self._share)

    def take(self, key: str, limit: int) -> Allowance:
        """See `Limiter.take`."""
        most = self._most(limit)
        with self._lock:
            now = self._clock()
            taken = self._taken.get(key)
            if taken is None:
                taken = self._taken[key] = deque()
                if len(self._taken) > _MOST_KEYS:
                    self._taken.popitem(last=False)
            else:
                self._taken.move_to_end(key)
            # A request leaves when its whole window has passed: two that lie exactly one window apart may both count.
            while taken and taken[0] <= now - self.window_seconds:
                taken.popleft()
            allowed = len(taken) < most
            if allowed:
                taken.append(now)
            left = max(0, most - len(taken))
            wait = math.ceil(taken[0] + self.window_seconds - now) if taken else 0
        return Allowance(allowed, most, left, wait)


# Server time, so that processes with different clocks agree. Returns allowed, taken, microseconds until the reset.
_TAKE: Final = """
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local window = tonumber(ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
local taken = redis.call('ZCARD', KEYS[1])
local allowed = 0
if taken < tonumber(ARGV[2]) then
  local n = redis.call('INCR', KEYS[1] .. ':n')
  redis.call('ZADD', KEYS[1], now, n)
  taken = taken + 1
  allowed = 1
end
redis.call('PEXPIRE', KEYS[1], math.ceil(window / 1000) + 1000)
redis.call('PEXPIRE', KEYS[1] .. ':n', math.ceil(window / 1000) + 1000)
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
local wait = 0
if first[2] then wait = tonumber(first[2]) + window - now end
return {allowed, taken, wait}
"""


class RedisLimiter:
    """A limiter that many processes share; when Redis does not answer, `fallback` goes on counting in this process.

    Args:
        client: `redis.Redis`.
        fallback: limiter of this process.
        window_seconds: length of the window.
        prefix: of the keys in Redis.
    """

    def __init__(
        self, client: Any, fallback: MemoryLimiter, *, window_seconds: float = 60.0, prefix: str = "recovery:limit:"
    ) -> None:
        self.window_seconds = window_seconds
        self.is_degraded = False
        self._fallback, self._prefix = fallback, prefix
        self._take = client.register_script(_TAKE)
        self._again_at = 0.0

    def take(self, key: str, limit: int) -> Allowance:
        """See `Limiter.take`."""
        import redis

        if time.monotonic() < self._again_at:
            return self._fallback.take(key, limit)
        try:
            answer = self._take(keys=[self._prefix + key], args=[int(self.window_seconds * 1e6), limit])
        except redis.RedisError:
            self.is_degraded = True
            self._again_at = time.monotonic() + _AWAY_SECONDS
            return self._fallback.take(key, limit)
        self.is_degraded = False
        allowed, taken, wait = (int(value) for value in answer)
        return Allowance(bool(allowed), limit, max(0, limit - taken), math.ceil(wait / 1e6))
