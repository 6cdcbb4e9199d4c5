"""From bytes to a checked request: no NaN, no name twice, no unknown field; faults name the field and not the value."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any, Final, NoReturn, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from serving.api.problems import ProblemError

T = TypeVar("T", bound=BaseModel)
_MOST_FAULTS: Final = 20
_SPACED_NAME: Final = re.compile(rb'"\s+:')


def parse(model: type[T], body: bytes) -> T:
    """A request of a model.

    Raises:
        ProblemError: 400 for what is no JSON, 422 for a request that breaks its schema.
    """
    try:
        found = model.model_validate_json(body)
    except (ValidationError, RecursionError):
        return _parse_slowly(model, body)  # tells what is wrong
    return _without_repeats(found, body)


def _without_repeats(found: T, body: bytes) -> T:
    # Of a name that stands twice pydantic takes the last one: the names that it took must be all that there are.
    if _SPACED_NAME.search(body) is None and body.count(b'":') == _names_in(found):
        return found
    return _parse_slowly(type(found), body)


def _names_in(one: BaseModel) -> int:
    """Names of the JSON objects that a request was read from."""
    names = one.model_fields_set
    total = len(names)
    for name in _nesting(type(one)):
        if name in names:
            value = getattr(one, name)
            for inner in value if isinstance(value, list) else (value,):
                total += _names_in(inner) if isinstance(inner, BaseModel) else 0
    return total


@cache
def _nesting(model: type[BaseModel]) -> tuple[str, ...]:
    """Fields of a model that may hold objects."""
    return tuple(name for name, field in model.model_fields.items() if _holds_objects(field.annotation))


def _holds_objects(annotation: Any) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return True
    return any(_holds_objects(inner) for inner in get_args(annotation))


def _parse_slowly(model: type[T], body: bytes) -> T:
    try:
        content = json.loads(body, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except RecursionError:
        raise ProblemError(400, "too_deep", "The body is nested too deep.") from None
    except (ValueError, UnicodeDecodeError) as error:
        detail = error.args[0] if isinstance(error, _RefusedError) else "The body is no JSON."
        raise ProblemError(400, "bad_json", detail) from None
    try:
        return model.model_validate(content)
    except (ValidationError, RecursionError) as error:
        raise _faults(error) from None


def parse_large(model: type[T], body: bytes) -> T:
    """The same for large bodies, whose faults are told by pydantic's own parser."""
    try:
        return _without_repeats(model.model_validate_json(body), body)
    except ValidationError as error:
        if any(fault["type"] == "json_invalid" for fault in error.errors(include_input=False, include_url=False)):
            raise ProblemError(400, "bad_json", "The body is no JSON.") from None
        raise _faults(error) from None


class _RefusedError(ValueError):
    """JSON that Python's parser would take."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _RefusedError("An object of the body has a name twice.")
    return found


def _refuse_constant(_name: str) -> NoReturn:
    raise _RefusedError("NaN and infinity are no JSON numbers.")


def _faults(error: ValidationError | RecursionError) -> ProblemError:
    if isinstance(error, RecursionError):
        return ProblemError(400, "too_deep", "The body is nested too deep.")
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    told = [
        {"field": ".".join(str(part) for part in fault["loc"]) or "body", "fault": fault["msg"]}
        for fault in faults[:_MOST_FAULTS]
    ]
    first = told[0]
    more = f" ({len(faults)} faults in all)" if len(faults) > 1 else ""
    return ProblemError(
        422,
        "bad_request",
        f"{first['field']}: {first['fault']}{more}",
        remedy="/docs describes every field.",
        fields={"faults": told},
    )
