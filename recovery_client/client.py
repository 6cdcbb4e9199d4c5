"""The client: one method per question, retries with jitter for what may pass, and the same key for the same try."""

from __future__ import annotations

import json
import random
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import httpx

from recovery_client.types import Event, Lead, Score, Told

_PASSING: Final = frozenset({408, 409, 429, 502, 503, 504})
_LONGEST_WAIT: Final = 30.0


class ApiError(Exception):
    """The API refused, or did not answer.

    Attributes:
        status: HTTP status, 0 without an answer.
        code: kind of the problem, such as `unknown_person`.
        detail: one sentence.
    """

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.status, self.code, self.detail = status, code, detail


class RecoveryClient:
    """A connection to the scoring API; close it or use it in a `with` block.

    Args:
        base_url: of the service, such as http://127.0.0.1:8000.
        key: API key or web token.
        tries: of a request, the first one included.
        timeout: seconds of one try.
        transport: for tests.
        sleep: waits between tries.
    """

    def __init__(
        self,
        base_url: str,
        key: str,
        *,
        tries: int = 4,
        timeout: float = 10.0,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        self._http = httpx.Client(base_url=base_url, headers=headers, timeout=timeout, transport=transport)
        self._tries, self._sleep = tries, sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def score_person(self, person_id: str) -> Score:
        """The newest published score of a known person.

        Raises:
            ApiError: `unknown_person`, or anything else that the service refuses.
        """
        return Score.from_json(self._call("GET", _about(person_id, "score")).json())

    def score_lead(self, lead: Lead, *, as_of_date: date | None = None) -> Score:
        """The score of a described lead, by the model in use."""
        body = {"lead": lead.to_json(), "as_of_date": as_of_date.isoformat() if as_of_date else None}
        return Score.from_json(self._call("POST", "/v1/score", body).json())

    def score_many(
        self, person_ids: Sequence[str] = (), leads: Sequence[Lead] = (), *, as_of_date: date | None = None
    ) -> Iterator[Score | None]:
        """Scores in the order of people and then leads, None for nobody known; streamed, up to 10,000 in all.

        A stream that breaks or ends early is asked again for what has not come yet.

        Raises:
            ApiError: what the service refuses, or `no_answer` when the tries are used up.
        """
        body: dict[str, Any] = {
            "person_ids": list(person_ids),
            "leads": [lead.to_json() for lead in leads],
            "as_of_date": as_of_date.isoformat() if as_of_date else None,
        }
        if not person_ids and not leads:
            return
        done = 0
        for left in self._tries_left():
            people, described = body["person_ids"][done:], body["leads"][max(0, done - len(body["person_ids"])) :]
            try:
                with self._http.stream(
                    "POST", "/v1/score/bulk", json=body | {"person_ids": people, "leads": described}
                ) as answer:
                    if answer.status_code >= 400:
                        answer.read()
                        self._wait_or_raise(answer, left)
                        continue
                    for line in answer.iter_lines():
                        found = _whole(line)
                        done += 1
                        yield None if "error" in found else Score.from_json(found)
                    if done < len(person_ids) + len(leads):
                        raise httpx.RemoteProtocolError("the stream ended early")
                    return
            except httpx.TransportError as error:  # what came is not asked for again
                if done == len(person_ids) + len(leads):
                    return
                self._wait_or_give_up(error, left)

    def insights(self, person_id: str) -> dict[str, Any]:
        """Score, trend, timing and plan of a known person."""
        return dict(self._call("GET", _about(person_id, "insights")).json())

    def tell(self, person_id: str, events: Sequence[Event]) -> Told:
        """Tell new activities of a person; the new score comes back. A repeated try tells nothing twice."""
        body = {"person_id": person_id, "activities": [one.to_json() for one in events]}
        return Told.from_json(self._call("POST", "/v1/events", body).json())

    def model(self) -> dict[str, Any]:
        """Which model answers."""
        return dict(self._call("GET", "/v1/model").json())

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        headers = {"Idempotency-Key": str(uuid.uuid4())} if method == "POST" else {}
        for left in self._tries_left():
            try:
                answer = self._http.request(method, path, json=body, headers=headers)
            except httpx.TransportError as error:
                self._wait_or_give_up(error, left)
            else:
                if answer.status_code < 400:
                    return answer
                self._wait_or_raise(answer, left)
        raise AssertionError("every last try returns or raises")

    def _tries_left(self) -> Iterator[int]:
        yield from reversed(range(self._tries))

    def _wait_or_give_up(self, error: httpx.TransportError, left: int) -> None:
        if not left:
            raise ApiError(0, "no_answer", f"the service did not answer: {type(error).__name__}") from error
        self._wait(None, left)

    def _wait_or_raise(self, answer: httpx.Response, left: int) -> None:
        if answer.status_code not in _PASSING or not left:
            raise _error(answer)
        told = answer.headers.get("Retry-After", "")
        self._wait(float(told) if told.isdigit() else None, left)

    def _wait(self, told: float | None, left: int) -> None:
        wait = 0.1 * 2 ** (self._tries - 1 - left) if told is None else told
        self._sleep(min(_LONGEST_WAIT, wait) * random.uniform(0.8, 1.2))


def _about(person_id: str, what: str) -> str:
    return f"/v1/people/{quote(person_id, safe='')}/{what}"


def _whole(line: str) -> dict[str, Any]:
    try:
        return dict(json.loads(line))
    except ValueError as error:  # a body that ends with its connection may end within a line
        raise httpx.RemoteProtocolError("the stream broke within a line") from error


def _error(answer: httpx.Response) -> ApiError:
    try:
        found = answer.json()
        code = str(found["type"]).rpartition(":")[2]
        return ApiError(answer.status_code, code, str(found["detail"]))
    except (ValueError, KeyError, TypeError):
        return ApiError(answer.status_code, "failed", f"the service answered {answer.status_code}")
