"""From everyone dormant to the messages that leave: which reason keeps how many, and what would free them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pipelines.feedback.report.facts import Block, Plan
from pipelines.feedback.report.words import SKIPS, BlockKind, ReasonWords, plain

_UNKNOWN: Final = ReasonWords("", "", BlockKind.LIMIT)
# Reasons of these kinds mean that a person may not or cannot be reached; the others are the plan's own choice.
_NOT_REACHABLE: Final = frozenset({BlockKind.WISH, BlockKind.DATA, BlockKind.LAW})


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of the waterfall. `start` and `width` are shares (0..1) of everyone dormant.

    `kind` is total, a value of `BlockKind`, or chosen.
    """

    label: str
    people: int
    start: float
    width: float
    kind: str
    unlock: str = ""


def kind_of(reason: str) -> BlockKind:
    """Kind of a skip reason; an unknown one counts as the plan's own limit."""
    return SKIPS.get(reason, _UNKNOWN).kind


def read_blocks(skipped: Mapping[str, int], waterfall: Iterable[Mapping[str, Any]]) -> tuple[Block, ...]:
    """Blocks with words, largest first within reachability; counts are the plan's, words the plan's where it has any.

    Args:
        skipped: people by reason; this is what adds up.
        waterfall: the plan's own rows {reason, people, words, unlock}.
    """
    told = {str(row.get("reason")): row for row in waterfall}
    blocks = []
    for reason, number in skipped.items():
        own = SKIPS.get(reason, _UNKNOWN)
        row = told.get(reason, {})
        blocks.append(
            Block(
                reason=reason,
                people=number,
                words=str(row.get("words") or own.words or plain(reason)),
                unlock=str(row.get("unlock") or own.unlock),
            )
        )
    return tuple(sorted((b for b in blocks if b.people), key=_order))


def _order(block: Block) -> tuple[bool, int, str]:
    return (kind_of(block.reason) not in _NOT_REACHABLE, -block.people, block.reason)


def bars(plan: Plan, dormant: int) -> tuple[Bar, ...]:
    """Bars from dormant through every block to the comparison group and the messages; widths add up."""
    if dormant <= 0:
        return ()
    left = dormant
    found = [Bar("dormant leads", dormant, 0.0, 1.0, "total")]
    has_subtotal = False
    for block in plan.blocks:
        kind = kind_of(block.reason)
        if not has_subtotal and kind not in _NOT_REACHABLE and len(found) > 1:
            found.append(_total("can be reached lawfully", left, dormant))
            has_subtotal = True
        left -= block.people
        share = block.people / dormant
        found.append(Bar(block.words, block.people, left / dormant, share, kind.value, block.unlock))
    if plan.held_out:
        left -= plan.held_out
        found.append(Bar("held out to compare", plan.held_out, left / dormant, plan.held_out / dormant, "held_out"))
    found.append(Bar("messages in today's batch", plan.planned, 0.0, plan.planned / dormant, "chosen"))
    return tuple(found)


def _total(label: str, number: int, dormant: int) -> Bar:
    return Bar(label, number, 0.0, number / dormant, "total")
