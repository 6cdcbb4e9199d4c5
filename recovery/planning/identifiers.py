"""Identifiers and draws that are the same on every run and every machine."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import date
from hashlib import blake2b
from typing import Final

import numpy as np
import numpy.typing as npt

_TOUCHES: Final = uuid.UUID("7b0f3c2e-5a57-5d0c-9b5e-6d7c1f0b9a41")


def touch_id(person_id: str, playbook: str, step: int, cycle: int) -> str:
    """Identifier of one touch: the same person, playbook, step and dormancy spell always give the same one."""
    return str(uuid.uuid5(_TOUCHES, f"{person_id}|{playbook}|{step}|{cycle}"))


def draws(units: Sequence[str], salt: str) -> npt.NDArray[np.float64]:
    """A number in [0, 1) for each unit, fixed by unit and salt (BLAKE2b, 53 bits)."""
    prefix = f"{salt}|".encode()
    bits = (int.from_bytes(blake2b(prefix + unit.encode(), digest_size=8).digest(), "big") >> 11 for unit in units)
    return np.fromiter(bits, dtype=np.float64, count=len(units)) / float(1 << 53)


def half_year(day: date) -> str:
    """Name of the half-year, such as 2026H1."""
    return f"{day.year}H{1 if day.month <= 6 else 2}"


def quarter(day: date) -> str:
    """Name of the quarter, such as 2026Q2."""
    return f"{day.year}Q{(day.month - 1) // 3 + 1}"
