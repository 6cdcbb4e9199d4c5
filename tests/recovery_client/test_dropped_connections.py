from __future__ import annotations

import socket

import pytest

from recovery_client import ApiError, RecoveryClient, Score
from tests.recovery_client.dropping_server import DROPS, Drop, dropping

PEOPLE = ["a", "b", "c", "d"]


@pytest.mark.parametrize("drop", DROPS)
def test_every_score_comes_once_however_the_connection_drops(drop: Drop) -> None:
    waits: list[float] = []
    with dropping(drop, times=2) as server, RecoveryClient(server.url, "k", sleep=waits.append) as client:
        found = [one.person_id for one in client.score_many(PEOPLE) if one is not None]
    assert found == PEOPLE
    come = 0 if drop == "unanswered" else 1
    assert server.asked == [PEOPLE, PEOPLE[come:], PEOPLE[2 * come :]]
    assert len(waits) == 2


@pytest.mark.parametrize("drop", DROPS)
def test_a_stream_that_keeps_dropping_is_an_error_after_the_last_try(drop: Drop) -> None:
    found: list[Score | None] = []
    with (
        dropping(drop, times=9) as server,
        RecoveryClient(server.url, "k", tries=2, sleep=lambda _: None) as client,
        pytest.raises(ApiError) as caught,
    ):
        for one in client.score_many(PEOPLE):
            found.append(one)
    assert (caught.value.status, caught.value.code) == (0, "no_answer")
    assert len(server.asked) == 2
    assert len(found) == (0 if drop == "unanswered" else 2)


def test_nobody_listening_is_an_error_after_the_last_try() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        waits: list[float] = []
        with RecoveryClient(url, "k", sleep=waits.append) as client, pytest.raises(ApiError, match="ConnectError"):
            list(client.score_many(PEOPLE))
    assert len(waits) == 3
