"""When Python looks for unreachable cycles: seldom, as a day holds millions of long-lived objects."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# Net new objects between two looks at the young ones. Python's 700 is made for small heaps: importing the libraries of
# a day alone sets off a dozen walks over everything, each a third of a second, that find nothing.
_YOUNG: Final = 50_000
_GENERATIONS: Final = 20


def collect_rarely() -> None:
    """Raise the thresholds of the collector in this process; what is freed by counting references is not concerned."""
    gc.set_threshold(_YOUNG, _GENERATIONS, _GENERATIONS)


@contextmanager
def importing() -> Iterator[None]:
    """No collection meanwhile; what is there at the end, modules and classes, is never looked at again."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
