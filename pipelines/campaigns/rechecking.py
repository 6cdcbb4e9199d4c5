"""The re-check as this installation is set up."""

from __future__ import annotations

import sqlalchemy as sa

from contracts.settings import Settings
from recovery.cadence import parse_caps
from recovery.permission import PermissionPolicy, load_rules
from recovery.permission.recheck import Recheck


def recheck_of(settings: Settings, ledger_engine: sa.Engine) -> Recheck:
    """Permission, hours and frequency from the ledger as it is at the claim.

    Raises:
        SettingError: a frequency cap cannot be read.
    """
    return Recheck(ledger_engine, load_rules(), policy_of(settings), parse_caps(settings.frequency_caps))


def policy_of(settings: Settings) -> PermissionPolicy:
    """The operator's own limits; whether the words concern work is told by each touch."""
    return PermissionPolicy(
        mode=settings.permission_policy,
        max_dormancy_days=settings.max_dormancy_days,
        registrations=settings.registrations,
    )
