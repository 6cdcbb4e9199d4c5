"""Counter-based random numbers: a draw depends on its key alone, never on the draws before it.

So any chunk of people can be generated alone, and later people or later weeks change no earlier draw.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
WordArray = npt.NDArray[np.uint64]

_GOLDEN: Final = 0x9E3779B97F4A7C15
_MASK: Final = (1 << 64) - 1
_M1: Final = np.uint64(0xBF58476D1CE4E5B9)
_M2: Final = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = (np.uint64(n) for n in (30, 27, 31, 11))


def _mix(x: WordArray) -> WordArray:
    """Finaliser of splitmix64 (Steele et al. 2014), a bijection of 64-bit words."""
    x = (x ^ (x >> _S30)) * _M1
    x = (x ^ (x >> _S27)) * _M2
    return x ^ (x >> _S31)


def words(seed: int, stream: int, *keys: Any) -> WordArray:
    """64 random bits per key; `keys` broadcast against each other like numpy operands."""
    start = (seed * 0x632BE59BD9B4E019 + stream * _GOLDEN + 0x1F123BB5) & _MASK
    state = np.atleast_1d(np.uint64(start))
    with np.errstate(over="ignore"):
        for key in keys:
            state = _mix((state ^ np.asarray(key).astype(np.uint64)) + np.uint64(_GOLDEN))
        return _mix(state)


def uniform(seed: int, stream: int, *keys: Any) -> FloatArray:
    """Uniform draws in [0, 1)."""
    return (words(seed, stream, *keys) >> _S11).astype(np.float64) * 2.0**-53


def normal(seed: int, stream: int, *keys: Any) -> FloatArray:
    """Nearly normal draws (mean 0, variance 1): the scaled sum of four 16-bit parts of one word."""
    word = words(seed, stream, *keys)
    total = np.zeros(word.shape)
    for shift in (0, 16, 32, 48):
        total += ((word >> np.uint64(shift)) & np.uint64(0xFFFF)).astype(np.float64)
    scaled: FloatArray = (total * 2.0**-16 - 2.0) * np.sqrt(3.0)
    return scaled


def exponential(seed: int, stream: int, *keys: Any) -> FloatArray:
    """Exponential draws with mean 1."""
    return -np.log1p(-uniform(seed, stream, *keys))


def choice(seed: int, stream: int, weights: Any, *keys: Any) -> IntArray:
    """Indices drawn with the given weights, which need not add up to 1."""
    edges = np.cumsum(np.asarray(weights, dtype=np.float64))
    return np.searchsorted(edges / edges[-1], uniform(seed, stream, *keys), side="right").astype(np.int64)
