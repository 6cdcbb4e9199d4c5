"""Requests generated from the API's own OpenAPI: what broke, by operation; for a test small, for torture large."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

HANG_SECONDS: Final = 1.0
_CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@dataclass
class Findings:
    """What generated requests found.

    Attributes:
        cases: requests by operation.
        statuses: answers by status.
        failures: broken promises, one line each.
        slow: answers that took longer than `HANG_SECONDS`.
    """

    cases: dict[str, int] = field(default_factory=dict)
    statuses: dict[int, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    slow: list[str] = field(default_factory=list)

    def judge(self, case: schemathesis.Case[Any], session: requests.Session) -> None:
        """Send one request and look at its answer."""
        began = time.perf_counter()
        self.look(case, case.call(session=session), time.perf_counter() - began)

    def look(self, case: schemathesis.Case[Any], answer: schemathesis.Response, seconds: float) -> None:
        """Judge an answer."""
        label = case.operation.label
        self.cases[label] = self.cases.get(label, 0) + 1
        self.statuses[answer.status_code] = self.statuses.get(answer.status_code, 0) + 1
        if seconds > HANG_SECONDS:
            self.slow.append(f"{label}: {seconds:.2f} s")
        try:
            case.validate_response(answer, checks=_CHECKS)
        except FailureGroup as group:
            self.failures += [f"{label} {answer.status_code}: {_words(one)}" for one in group.exceptions]
        except Failure as one:
            self.failures.append(f"{label} {answer.status_code}: {_words(one)}")


def check_operations(url: str, *, token: str, people: Sequence[str], cases: int, is_fixed: bool = True) -> Findings:
    """Send `cases` requests to every operation, half of them valid by the schema and half not.

    Args:
        url: of a running service.
        token: an administrator's key.
        people: ids that the service knows; half of the requests about a person name one of them.
        cases: of each operation.
        is_fixed: the same values in every run.
    """
    found = Findings()
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    session = requests.Session()  # kept open: a connection a request would exhaust the ports
    session.headers["Authorization"] = f"Bearer {token}"
    for result in schema.get_all_operations():
        operation: Any = cast("Any", result).ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            if mode is GenerationMode.NEGATIVE and not (operation.body or operation.path_parameters):
                continue
            test = settings(
                max_examples=max(1, cases // 2),
                deadline=None,
                database=None,
                derandomize=is_fixed,
                phases=(Phase.generate,),
                suppress_health_check=list(HealthCheck),
            )(_sending(operation, mode, found, session=session, people=people))
            test()
    return found


def check_sequences(url: str, *, token: str, people: Sequence[str], runs: int, is_fixed: bool = True) -> Findings:
    """Follow the links of the OpenAPI from answer to request, `runs` times; arguments as for `check_operations`."""
    found = Findings()
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {token}"
        description = session.get(f"{url}/openapi.json").json()
        _only_people(description, people)
        schema = schemathesis.openapi.from_dict(description)
        schema.config.update(base_url=url)
        schema.config.generation.update(modes=[GenerationMode.POSITIVE])
        base: Any = schema.as_state_machine()

        class Machine(base):  # type: ignore[misc]
            def get_call_kwargs(self, _case: schemathesis.Case[Any]) -> dict[str, Any]:
                return {"session": session}

            def validate_response(
                self, response: schemathesis.Response, case: schemathesis.Case[Any], **_given: Any
            ) -> None:
                found.look(case, response, response.elapsed)

        Machine.run(
            settings=settings(
                max_examples=runs,
                stateful_step_count=6,
                deadline=None,
                database=None,
                derandomize=is_fixed,
                phases=(Phase.generate,),
                suppress_health_check=list(HealthCheck),
            )
        )
    return found


def _only_people(node: Any, people: Sequence[str]) -> None:
    """Let every person_id of a description be one of some people."""
    if isinstance(node, dict):
        if node.get("name") == "person_id" and "schema" in node:
            node["schema"] = {"type": "string", "enum": list(people)}
        if isinstance(properties := node.get("properties"), dict) and "person_id" in properties:
            properties["person_id"] = {"type": "string", "enum": list(people)}
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _only_people(child, people)


def _sending(
    operation: Any, mode: GenerationMode, found: Findings, *, session: requests.Session, people: Sequence[str]
) -> Callable[[], None]:
    known = st.one_of(st.none(), st.sampled_from(people))

    @given(case=operation.as_strategy(generation_mode=mode), person=known)
    def send(case: schemathesis.Case[Any], person: str | None) -> None:
        if person is not None:
            _name(case, person)
        found.judge(case, session)

    return send


def _name(case: schemathesis.Case[Any], person: str) -> None:
    """Let the request be about somebody known."""
    if case.path_parameters and "person_id" in case.path_parameters:
        case.path_parameters["person_id"] = person
    if isinstance(case.body, dict) and "person_id" in case.body:
        case.body["person_id"] = person


def _words(failure: BaseException) -> str:
    return " ".join(str(failure).split())[:300]
