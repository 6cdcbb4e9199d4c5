"""Described leads of requests that arrive at the same moment, scored together: many cost little more than one."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from serving.api.described import score_leads
from serving.api.lane import Plain, columns_of
from serving.api.leads import Leads
from serving.api.live import Live

_MOST: Final = 32  # leads in one go; others wait for them
Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A request and where its answer goes."""

    asked: Plain
    as_of: date
    answer: asyncio.Future[Answer | None]


class Together:
    """Gathers the leads of one turn of the event loop; nobody waits for a request that is not there yet.

    Args:
        live: the published state of the moment.
        now: the clock, aware UTC.
        score: see `serving.api.described.score_leads`.
    """

    def __init__(
        self,
        live: Callable[[], Live],
        now: Callable[[], datetime],
        *,
        score: Callable[[Leads, date, Live], list[Answer]] = score_leads,
    ) -> None:
        self._live, self._now, self._score = live, now, score
        self._waiting: list[_Waiting] = []

    async def score(self, asked: Plain, as_of: date) -> Answer | None:
        """Answer for a lead (`schemas.ScoreOut`); None when it is not plain."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._turn)  # runs after the requests that have arrived
        answer: asyncio.Future[Answer | None] = loop.create_future()
        self._waiting.append(_Waiting(asked, as_of, answer))
        return await answer

    def _turn(self) -> None:
        waiting, self._waiting = self._waiting, []
        by_date: defaultdict[date, list[_Waiting]] = defaultdict(list)
        for one in waiting:
            by_date[one.as_of].append(one)
        for as_of, group in by_date.items():
            for at in range(0, len(group), _MOST):
                self._answer(group[at : at + _MOST], as_of)

    def _answer(self, group: Sequence[_Waiting], as_of: date) -> None:
        answers: Sequence[Answer | None] | None = None
        try:
            leads = columns_of([one.asked for one in group], self._now())
            answers = None if leads is None else self._score(leads, as_of, self._live())
        except Exception as error:  # noqa: BLE001 - whoever waits for it answers for it
            if len(group) == 1:
                _tell(group[0], error)
                return
        if answers is None and len(group) > 1:  # one that is not plain, or fails, is no matter of the others
            for one in group:
                self._answer([one], as_of)
            return
        for one, answer in zip(group, answers or [None], strict=True):
            _tell(one, answer)


def _tell(one: _Waiting, told: Answer | Exception | None) -> None:
    if one.answer.done():  # whoever asked has gone
        return
    if isinstance(told, Exception):
        one.answer.set_exception(told)
    else:
        one.answer.set_result(told)
