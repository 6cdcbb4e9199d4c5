"""Pictures of calibration and lift as PNG bytes, drawn without a display."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, Final

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

_SIZE: Final = (4.6, 3.4)
_INK, _BLUE, _GREY = "#1b1f24", "#1f5fbf", "#9aa4af"


def calibration_png(table: Sequence[Mapping[str, float]]) -> bytes:
    """Expected against observed share of returns, ten groups of equal size."""
    figure, axes = _axes("Promised and observed", "expected chance, %", "observed share, %")
    expected = [100 * row["p"] for row in table]
    observed = [100 * row["observed"] for row in table]
    top = max([*expected, *observed, 1e-6]) * 1.05
    axes.plot([0, top], [0, top], color=_GREY, linewidth=1, linestyle="--")
    axes.plot(expected, observed, color=_BLUE, marker="o", markersize=4, linewidth=1.2)
    return _png(figure)


def lift_png(curve: Sequence[Sequence[float]]) -> bytes:
    """Share of returns found among the share of people ranked highest."""
    figure, axes = _axes("Returns found by rank", "people taken from the top, %", "returns found, %")
    axes.plot([0, 100], [0, 100], color=_GREY, linewidth=1, linestyle="--")
    axes.plot([0, *(100 * x for x, _ in curve)], [0, *(100 * y for _, y in curve)], color=_BLUE, linewidth=1.6)
    return _png(figure)


def bars_png(values: Mapping[str, float], *, title: str, threshold: float | None = None) -> bytes:
    """Horizontal bars by falling value, at most fifteen."""
    top = sorted(values.items(), key=lambda pair: (-pair[1], pair[0]))[:15][::-1]
    figure, axes = _axes(title, "", "")
    axes.barh([name.replace("_", " ") for name, _ in top], [value for _, value in top], color=_BLUE)
    if threshold is not None:
        axes.axvline(threshold, color=_INK, linewidth=1, linestyle="--")
    axes.tick_params(axis="y", labelsize=7)
    return _png(figure)


def _axes(title: str, x: str, y: str) -> tuple[Figure, Any]:
    figure = Figure(figsize=_SIZE, dpi=90, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(title, color=_INK, fontsize=10)
    axes.set_xlabel(x, fontsize=8)
    axes.set_ylabel(y, fontsize=8)
    axes.tick_params(labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def _png(figure: Figure) -> bytes:
    target = io.BytesIO()
    # A fixed metadata block keeps the bytes equal from run to run.
    figure.savefig(target, format="png", metadata={"Software": "lead-recovery-engine"})
    return target.getvalue()
