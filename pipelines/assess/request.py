"""What a user asks of an assessment, and how the names given find their columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from rapidfuzz import fuzz, process

from contracts.errors import BadInputError
from pipelines.ingest.reading import ROW_NUMBER

ROLES: Final = ("label", "time", "group", "value", "treatment", "propensity", "weight")


@dataclass(frozen=True)
class Request:
    """Columns by role, as the user names them.

    Attributes:
        label, positive: outcome column, and the value or comparison that means yes.
        time, date_format: order of the rows, and the strptime format of its dates when it must be declared.
        group: column whose rows stay on one side.
        drop: columns that are not to be used.
        value, cost: amount of a positive and cost of one contact.
        treatment, control: arm of a randomised test, and which arm is the control.
        propensity: column of the chance with which a row's own arm was drawn.
        weight: column that says how many rows of the population a row stands for.
        test_filter: SQL expression that is true for held-out rows.
        test_share: share held out by time.
        seed: of every random choice.
    """

    label: str
    positive: str | None = None
    time: str | None = None
    date_format: str | None = None
    group: str | None = None
    drop: tuple[str, ...] = ()
    value: str | None = None
    cost: float | None = None
    treatment: str | None = None
    control: str | None = None
    propensity: str | None = None
    weight: str | None = None
    test_filter: str | None = None
    test_share: float = 0.25
    seed: int = 7

    def resolved(self, columns: Sequence[str], *, where: str) -> Request:
        """The same request with every name as the file spells it.

        Raises:
            BadInputError: a column is absent, one column has two roles, or a figure is out of range.
        """
        if not 0.05 <= self.test_share <= 0.9:
            raise BadInputError(
                f"A test share of {self.test_share:g} leaves too little on one side.",
                where="--test-share",
                remedy="Give a share from 0.05 to 0.9.",
            )
        if self.cost is not None and not 0 <= self.cost < float("inf"):
            raise BadInputError(
                f"A contact cannot cost {self.cost:g}.", where="--cost", remedy="Give 0 or a positive amount."
            )
        found: dict[str, Any] = {
            role: find_column(getattr(self, role), columns, role=role, where=where)
            for role in ROLES
            if getattr(self, role) is not None
        }
        twice = [name for name in found.values() if list(found.values()).count(name) > 1]
        if twice:
            raise BadInputError(
                f"The column '{twice[0]}' is given two roles.", where=where, remedy="Give every role its own column."
            )
        dropped = tuple(find_column(name, columns, role="drop", where=where) for name in self.drop)
        return replace(self, drop=tuple(name for name in dropped if name not in found.values()), **found)

    @property
    def roles(self) -> tuple[str, ...]:
        """Columns that are no features because they have a role."""
        return tuple(name for role in ROLES if (name := getattr(self, role)) is not None)


def find_column(name: str, columns: Sequence[str], *, role: str, where: str) -> str:
    """The column that a name means, whatever its case and blanks.

    Raises:
        BadInputError: there is none; the nearest names are told.
    """
    wanted = name.strip()
    if wanted == ROW_NUMBER and role == "time":
        return ROW_NUMBER
    if wanted in columns:
        return wanted
    alike = [column for column in columns if _plain(column) == _plain(wanted)]
    if len(alike) == 1:
        return alike[0]
    near = [column for column, _, _ in process.extract(wanted, columns, scorer=fuzz.WRatio, limit=3, score_cutoff=60)]
    listed = ", ".join(f"'{column}'" for column in (near or list(columns)[:8]))
    raise BadInputError(
        f"The file has no column '{wanted}' (--{'population-weight' if role == 'weight' else role}).",
        where=where,
        remedy=f"Did you mean {listed}?" if near else f"Its columns begin with {listed}.",
    )


def _plain(name: str) -> str:
    return "".join(sign for sign in name.casefold() if sign.isalnum())
