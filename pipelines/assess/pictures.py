"""Pictures of an assessment's page that the daily report does not draw: the profit curve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from pipelines.feedback.report.words import count, percent

_WIDTH: Final = 640
_HEIGHT: Final = 260
_LEFT: Final = 84
_BOTTOM: Final = 220
_TOP: Final = 20


def profit_curve(points: Sequence[tuple[float, float]], *, chosen: tuple[float, float] | None) -> Markup:
    """Net profit against the share contacted, best expected profit first; the dot is the chosen policy.

    Args:
        points: (share contacted in 0..1, net profit), ascending in the share.
        chosen: share and net profit of the policy, or None.
    """
    if not points:
        return Markup("")
    heights = [0.0, *(profit for _, profit in points), *([chosen[1]] if chosen else [])]
    low, high = min(heights), max(heights)
    span = (high - low) or 1.0
    width = _WIDTH - _LEFT - 24

    def x(share: float) -> float:
        return _LEFT + share * width

    def y(profit: float) -> float:
        return _BOTTOM - (profit - low) / span * (_BOTTOM - _TOP)

    parts = [
        Markup(
            '<svg class="chart" viewBox="0 0 {0} {1}" style="max-width:{0}px" role="img" '
            'aria-label="Net profit by share contacted">'
        ).format(_WIDTH, _HEIGHT)
    ]
    for profit in sorted({low, 0.0, high}):
        parts.append(
            Markup('<line class="rule" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>').format(
                _LEFT, _LEFT + width, y(profit), y(profit)
            )
        )
        parts.append(_text(_LEFT - 8, y(profit) + 4, count(profit), "end"))
    for share in (0.0, 0.5, 1.0):
        parts.append(_text(x(share), _BOTTOM + 18, percent(share, 0), "middle"))
    trail = " ".join(f"{x(share):.1f},{y(profit):.1f}" for share, profit in [(0.0, 0.0), *points])
    parts.append(Markup('<polyline class="curve" points="{}"/>').format(trail))
    if chosen:
        parts.append(Markup('<circle class="dot" cx="{:.1f}" cy="{:.1f}" r="5"/>').format(x(chosen[0]), y(chosen[1])))
    parts.append(_text(_LEFT + width / 2, _HEIGHT - 6, "share contacted, highest expected profit first", "middle"))
    return Markup("").join([*parts, Markup("</svg>")])


def _text(x: float, y: float, text: str, anchor: str) -> Markup:
    return Markup('<text class="tick" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(x, y, anchor, text)
