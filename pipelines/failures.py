"""Turns expected errors into Dagster failures that say what to do; permanent ones are never retried."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

import dagster as dg

from contracts.errors import PermanentError, RecoveryError

F = TypeVar("F", bound=Callable[..., Any])


def failure(error: RecoveryError) -> dg.Failure:
    """Dagster failure with what, where and remedy as metadata; retried only when the error may pass."""
    return dg.Failure(
        description=str(error),
        metadata={"what": error.what, "where": error.where or "-", "remedy": error.remedy or "-"},
        allow_retries=not isinstance(error, PermanentError),
    )


def readable(function: F) -> F:
    """Decorate an asset body (plain or generator): `RecoveryError` becomes a readable failure."""
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def generator(*args: Any, **kwargs: Any) -> Iterator[Any]:
            try:
                yield from function(*args, **kwargs)
            except RecoveryError as error:
                raise failure(error) from error

        return cast("F", generator)

    @functools.wraps(function)
    def plain(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except RecoveryError as error:
            raise failure(error) from error

    return cast("F", plain)
