"""The compiled loops behind `models.feature_batch`: aggregates of each lead's activities, and their arithmetic."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from models.scoring.compiled import compiled

COUNT: Final = 0
ACTIVE_DAYS: Final = 1
FIRST: Final = 2
LAST: Final = 3
OP_COUNT: Final = 0
OP_DAYS: Final = 1
OP_ACCOUNT: Final = 2
OP_SPELL: Final = 3
OP_GIVEN: Final = 4
OP_AT_LEAST: Final = 5
OP_MINUS: Final = 6
OP_RATIO: Final = 7
_DEEPEST: Final = 8  # values that an expression holds at one time
_DAY: Final = 86_400_000_000
_MANY: Final = 64  # activities of a lead from which on sorting beats moving each to its place
_NEVER: Final = np.iinfo(np.int64).min


@compiled
def order_by_time(
    start: Any, occurred: Any, observed: Any, holds: Any, out_occurred: Any, out_observed: Any, out_holds: Any
) -> None:
    """Copy the activities of each lead in the order of time; those of one moment stay as they come."""
    for lead in range(start.size - 1):
        first, end = start[lead], start[lead + 1]
        if end - first > _MANY:
            order = np.argsort(occurred[first:end], kind="mergesort")
            for at in range(end - first):
                one = first + order[at]
                out_occurred[first + at] = occurred[one]
                out_observed[first + at], out_holds[first + at] = observed[one], holds[one]
            continue
        for one in range(first, end):
            place = one
            while place > first and out_occurred[place - 1] > occurred[one]:
                out_occurred[place] = out_occurred[place - 1]
                out_observed[place], out_holds[place] = out_observed[place - 1], out_holds[place - 1]
                place -= 1
            out_occurred[place], out_observed[place], out_holds[place] = occurred[one], observed[one], holds[one]


@compiled
def in_window(at: int, as_of: int, silence: int, length: int, offset: int, is_silence: bool) -> bool:
    """Whether a moment lies in a window (`feature_algebra.Window.holds`); microseconds, length -1 is open."""
    if is_silence:
        if silence == _NEVER:
            return False
        if length < 0:
            return at > silence
        return silence - length < at <= silence
    if offset > 0 and at >= as_of - offset:
        return False
    return length < 0 or at >= as_of - (length + offset)


@compiled
def aggregate(
    start: Any, occurred: Any, observed: Any, holds: Any, as_of: int, gaps: Any,
    what: Any, condition: Any, length: Any, offset: Any, is_silence: Any, out: Any, spell: Any,
) -> None:  # fmt: skip
    """Fill `out` (leads, atoms) and `spell` (leads,) from activities that are grouped by lead and ordered by time.

    Only what occurred and was observed before `as_of` counts. Condition 0 is the person's own act.
    """
    one = np.uint64(1)
    for lead in range(start.size - 1):
        silence, spells = _NEVER, 1
        for i in range(start[lead], start[lead + 1]):
            if occurred[i] < as_of and observed[i] < as_of and holds[i] & one:
                if silence != _NEVER and occurred[i] - silence >= gaps[lead]:
                    spells += 1
                silence = occurred[i]
        spell[lead] = spells
        for atom in range(what.size):
            kind, bit = what[atom], np.uint64(condition[atom])
            found, last_day = np.int64(0), _NEVER
            first, last = _NEVER, _NEVER
            for i in range(start[lead], start[lead + 1]):
                at = occurred[i]
                if at >= as_of or observed[i] >= as_of or not (holds[i] >> bit) & one:
                    continue
                if not in_window(at, as_of, silence, length[atom], offset[atom], is_silence[atom]):
                    continue
                if first == _NEVER:
                    first = at
                last = at
                if kind == ACTIVE_DAYS:
                    day = at // _DAY
                    found += day != last_day
                    last_day = day
                else:
                    found += 1
            if kind == FIRST:
                out[lead, atom] = _NEVER if first == _NEVER else as_of - first
            elif kind == LAST:
                out[lead, atom] = _NEVER if last == _NEVER else as_of - last
            else:
                out[lead, atom] = found


@compiled
def arithmetic(
    code: Any, operand: Any, bound: Any, start: Any, own: Any, others: Any, spell: Any, given: Any, out: Any
) -> None:
    """Fill `out` (features, leads) by postfix programs; NaN is unknown.

    own, others: aggregates of the person and of colleagues (leads, atoms); given: numbers that a lead states.
    """
    stack = np.empty(_DEEPEST)
    for feature in range(start.size - 1):
        for lead in range(out.shape[1]):
            top = 0
            for step in range(start[feature], start[feature + 1]):
                what = code[step]
                if what == OP_COUNT:
                    stack[top] = own[lead, operand[step]]
                elif what == OP_DAYS:
                    micros = own[lead, operand[step]]
                    stack[top] = np.nan if micros == _NEVER else micros / float(_DAY)
                elif what == OP_ACCOUNT:
                    stack[top] = others[lead, operand[step]]
                elif what == OP_SPELL:
                    stack[top] = spell[lead]
                elif what == OP_GIVEN:
                    stack[top] = given[lead, operand[step]]
                elif what == OP_AT_LEAST:
                    top -= 1
                    stack[top] = 1.0 if stack[top] >= bound[step] else 0.0
                else:
                    top -= 2
                    left, right = stack[top], stack[top + 1]
                    if what == OP_MINUS:
                        stack[top] = left - right
                    else:
                        stack[top] = np.nan if right == 0.0 else left / right
                top += 1
            out[feature, lead] = stack[0]
