"""Small inline SVG pictures. Colours come from the page's classes; every text is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup, escape

from pipelines.feedback.report.words import clean, count, percent

_BIN: Final = 5
_HIGH: Final = 60
_MEDIUM: Final = 40
_LABEL: Final = 36


@dataclass(frozen=True, slots=True)
class Interval:
    """A share (0..1) with its interval, for a row of a forest plot."""

    label: str
    value: float
    low: float
    high: float


def bar(start: float, width: float, kind: str) -> Markup:
    """One bar of a waterfall, over the full width of its cell; `start` and `width` are shares (0..1)."""
    start = min(max(start, 0.0), 1.0)
    width = min(max(width, 0.0), 1.0 - start)
    return Markup(
        '<svg class="bar" width="100%" height="12" role="presentation" aria-hidden="true">'
        '<rect class="track" width="100%" height="12" rx="2"/>'
        '<rect class="fill {}" x="{:.3f}%" width="{:.3f}%" height="12" rx="2"/></svg>'
    ).format(kind, 100 * start, max(100 * width, 0.35 if width > 0 else 0.0))


def tier_of(points: int) -> str:
    """Tier of a five-point bin by its lower edge."""
    return "high" if points >= _HIGH else "medium" if points >= _MEDIUM else "low"


def histogram(bins: Mapping[int, int]) -> Markup:
    """People by points in five-point bins, 0 to 100, coloured by tier; the tier borders are marked."""
    if not bins:
        return Markup("")
    width, height, base = 640, 190, 158
    step = width / (100 / _BIN)
    most = max(bins.values())
    parts = [_svg(width, height, "People by resurrection score")]
    for edge in (_MEDIUM, _HIGH):
        x = edge / 100 * width
        parts.append(Markup('<line class="rule" x1="{0:.1f}" x2="{0:.1f}" y1="14" y2="{1}"/>').format(x, base))
    for edge in range(0, 100, _BIN):
        number = bins.get(edge, 0)
        tall = number / most * (base - 30)
        parts.append(
            Markup(
                '<rect class="fill {}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="2">'
                "<title>{} to {} points: {} people</title></rect>"
            ).format(
                tier_of(edge),
                edge / 100 * width + 1.5,
                base - tall,
                step - 3,
                tall,
                edge,
                edge + _BIN - (0 if edge == 95 else 1),
                count(number),
            )
        )
    parts.append(Markup('<line class="axis" x1="0" x2="{}" y1="{}" y2="{}"/>').format(width, base, base))
    for edge, anchor in ((0, "start"), (40, "middle"), (50, "middle"), (60, "middle"), (100, "end")):
        parts.append(_text(edge / 100 * width, base + 16, str(edge), anchor))
    for label, x in (("low", 128), ("medium", 320), ("high", 512)):
        parts.append(_text(x, base + 30, label, "middle", "quiet"))
    parts.append(Markup("</svg>"))
    return Markup("").join(parts)


def calibration(points: Sequence[tuple[float, float, float]]) -> Markup:
    """Promised against observed shares, one dot per bin; the diagonal is a perfect model.

    Args:
        points: (promised share, observed share, people) per bin, all shares in 0..1.
    """
    if not points:
        return Markup("")
    size, left, bottom = 320, 52, 280
    top = max(0.01, *(max(p, o) for p, o, _ in points)) * 1.08
    span = size - left - 28
    most = max(n for _, _, n in points) or 1

    def place(share: float) -> float:
        return share / top * span

    parts = [_svg(size, size, "Promised and observed reactivation")]
    for tick in (0.0, top / 2, top):
        parts.append(_text(left + place(tick), bottom + 16, percent(tick), "middle"))
        parts.append(_text(left - 6, bottom - place(tick) + 4, percent(tick), "end"))
        parts.append(
            Markup('<line class="rule" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>').format(
                left, left + span, bottom - place(tick), bottom - place(tick)
            )
        )
    parts.append(
        Markup('<line class="diagonal" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(
            left, bottom, left + span, bottom - span
        )
    )
    trail = " ".join(f"{left + place(p):.1f},{bottom - place(o):.1f}" for p, o, _ in points)
    parts.append(Markup('<polyline class="curve" points="{}"/>').format(trail))
    for promised, observed, number in points:
        parts.append(
            Markup('<circle class="dot" cx="{:.1f}" cy="{:.1f}" r="{:.1f}"><title>{}</title></circle>').format(
                left + place(promised),
                bottom - place(observed),
                2.5 + 2.5 * (number / most) ** 0.5,
                f"promised {percent(promised)}, observed {percent(observed)}, {count(number)} rows",
            )
        )
    parts.append(_text(left + span / 2, size - 4, "promised", "middle", "quiet"))
    parts.append(_text(left, 18, "observed", "start", "quiet"))
    parts.append(Markup("</svg>"))
    return Markup("").join(parts)


def gains(curve: Sequence[tuple[float, float]]) -> Markup:
    """Share of all returns found when the list is worked from the top; the diagonal is chance.

    Args:
        curve: (share of the list taken, share of the returns found), both in 0..1, ascending.
    """
    if not curve:
        return Markup("")
    size, left, bottom = 320, 52, 280
    span = size - left - 28
    parts = [_svg(size, size, "Returns found by share of the list")]
    for tick in (0.0, 0.5, 1.0):
        y = bottom - tick * span
        parts.append(
            Markup('<line class="rule" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>').format(left, left + span, y, y)
        )
        parts.append(_text(left - 6, y + 4, percent(tick, 0), "end"))
        parts.append(_text(left + tick * span, bottom + 16, percent(tick, 0), "middle"))
    parts.append(
        Markup('<line class="diagonal" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(
            left, bottom, left + span, bottom - span
        )
    )
    path = [(0.0, 0.0), *curve]
    trail = " ".join(f"{left + taken * span:.1f},{bottom - found * span:.1f}" for taken, found in path)
    parts.append(Markup('<polyline class="curve" points="{}"/>').format(trail))
    parts.append(_text(left + span / 2, size - 4, "best-ranked share of the list", "middle", "quiet"))
    parts.append(_text(left, 18, "returns found", "start", "quiet"))
    parts.append(Markup("</svg>"))
    return Markup("").join(parts)


def pair(labels: tuple[str, str], values: tuple[float, float], shown: tuple[str, str]) -> Markup:
    """Two bars to compare; the second is the one that matters."""
    width, height, left = 300, 84, 112
    most = max(*values, 1e-9)
    parts = [_svg(width, height, f"{labels[0]}: {shown[0]}; {labels[1]}: {shown[1]}")]
    for row, (label, value, text, kind) in enumerate(zip(labels, values, shown, ("limit", "chosen"), strict=True)):
        y = 8 + 38 * row
        long = value / most * (width - left - 62)
        parts.append(_text(left - 8, y + 18, label, "end"))
        parts.append(
            Markup('<rect class="fill {}" x="{}" y="{}" width="{:.1f}" height="26" rx="2"/>').format(
                kind, left, y, max(long, 1.0)
            )
        )
        parts.append(_text(left + long + 8, y + 18, text, "start", "strong"))
    parts.append(Markup("</svg>"))
    return Markup("").join(parts)


def forest(rows: Sequence[Interval]) -> Markup:
    """Shares with their intervals, one row each, on a common axis from 0."""
    if not rows:
        return Markup("")
    width, left, line = 640, 230, 36
    height = 14 + line * len(rows) + 24
    top = max(0.001, *(row.high for row in rows)) * 1.05
    span = width - left - 70

    def place(share: float) -> float:
        return left + min(max(share, 0.0), top) / top * span

    parts = [_svg(width, height, "Reactivated people by group, with intervals")]
    base = 14 + line * len(rows)
    parts.append(Markup('<line class="axis" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(left, left + span, base, base))
    for tick in (0.0, top / 2, top):
        parts.append(_text(place(tick), base + 18, percent(tick), "middle"))
    for index, row in enumerate(rows):
        y = 14 + line * index + line / 2
        parts.append(_text(left - 12, y + 4, clean(row.label, _LABEL), "end"))
        parts.append(
            Markup('<line class="whisker" x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>').format(
                place(row.low), place(row.high), y, y
            )
        )
        parts.append(Markup('<circle class="dot" cx="{:.1f}" cy="{:.1f}" r="5"/>').format(place(row.value), y))
        parts.append(_text(place(row.high) + 8, y + 4, percent(row.value), "start", "strong"))
    parts.append(Markup("</svg>"))
    return Markup("").join(parts)


def _svg(width: int, height: int, title: str) -> Markup:
    return Markup(
        '<svg class="chart" viewBox="0 0 {0} {1}" style="max-width:{0}px" role="img" aria-label="{2}">'
    ).format(width, height, title)


def _text(x: float, y: float, text: str, anchor: str, kind: str = "tick") -> Markup:
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(
        kind, x, y, anchor, escape(text)
    )
