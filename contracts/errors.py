"""Errors that a person can act on: what happened, where, and the remedy."""

from __future__ import annotations


class RecoveryError(Exception):
    """An expected failure, told in one readable paragraph.

    Args:
        what: what went wrong, one sentence.
        where: file, table, setting or address concerned; empty if none.
        remedy: what the reader does next.
    """

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        self.what = what
        self.where = where
        self.remedy = remedy
        place = f" [{where}]" if where else ""
        cure = f" {remedy}" if remedy else ""
        super().__init__(f"{what}{place}{cure}")


class PermanentError(RecoveryError):
    """Trying again changes nothing: input, setting or rule must change first."""


class PassingError(RecoveryError):
    """A later try may succeed: a lock is held, a disk is full, a host does not answer."""


class BadInputError(PermanentError):
    """A file, row or request that cannot be used as it is."""


class SettingError(PermanentError):
    """A setting is missing or contradicts another one."""


class BusyError(PassingError):
    """Somebody else holds the resource."""
