"""Small SQL expressions that write times as each CRM writes them."""

from __future__ import annotations


def hubspot_time(column: str) -> str:
    """`YYYY-MM-DD HH:MM`, UTC."""
    return f"strftime({column}, '%Y-%m-%d %H:%M')"


def salesforce_time(column: str) -> str:
    """ISO 8601 with milliseconds and +0000."""
    return f"strftime({column}, '%Y-%m-%dT%H:%M:%S.000+0000')"


def gohighlevel_time(column: str) -> str:
    """ISO 8601 with Z."""
    return f"strftime({column}, '%Y-%m-%dT%H:%M:%S.000Z')"


def moment(column: str) -> str:
    """Epoch seconds as a timestamp; null where the time never comes or is unknown."""
    return f"make_timestamp(nullif({column}, 0) * 1000000)"


def known(column: str) -> str:
    """Epoch seconds as a timestamp when it lies before the cut, else null."""
    return f"make_timestamp(case when {column} < $cut then {column} end * 1000000)"
