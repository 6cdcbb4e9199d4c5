from __future__ import annotations

from bench.daily import DOOR_SECONDS, SCALE_PEOPLE, TARGETS
from bench.history import HISTORY


def test_the_page_states_the_promises_that_the_suite_judges() -> None:
    text = HISTORY.read_text(encoding="utf-8")
    small, large = TARGETS[10_000], TARGETS[SCALE_PEOPLE]
    assert f"| first day | - | {large.first_seconds:.0f} s |" in text
    assert f"| first day / bare | - | {large.ratio} |" in text
    assert f"| next day, a Monday | {small.warm_seconds:.0f} s | {large.warm_seconds:.0f} s |" in text
    assert f"| the day after, a Tuesday | {small.ordinary_seconds:.0f} s | - |" in text
    assert f"| nothing changed | {small.unchanged_seconds:.0f} s | - |" in text
    assert f"| peak memory | {small.gib:.0f} GiB | {large.gib:.0f} GiB |" in text
    assert f"| a million contacts at the door | {DOOR_SECONDS:.0f} s | {DOOR_SECONDS:.0f} s |" in text
    assert f"| simulate | {small.simulate_seconds:.0f} s | {large.simulate_seconds:.0f} s, 2 GiB |" in text
