"""Compiles the loops of scoring with numba where it is there; without it numpy does the same work."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, Final, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

AVAILABLE: Final = find_spec("numba") is not None


def compiled(function: F) -> F:
    """The function as machine code: no fast-math, so that sums keep their order, and without the interpreter lock.

    The compiled form is kept beside the source, else in the user's cache folder (numba's own order; NUMBA_CACHE_DIR
    overrides it). Where neither can be written, each process compiles for itself.
    """
    if not AVAILABLE:
        return function
    import numba

    make: Any = numba.njit
    options = {"nogil": True, "error_model": "numpy", "fastmath": False}
    try:
        made: F = make(function, cache=True, **options)
    except RuntimeError:  # no folder to keep it in
        made = make(function, cache=False, **options)
    return made
