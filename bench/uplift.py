"""The synthetic world's own answer to whom contact helps: how much of an all-knowing policy's value ours has.

A policy contacts some of the dormant people by e-mail. Its value is the sum of their hidden effects; the oracle
contacts whoever gains. Ours contacts whoever `scores/lead_uplift` expects to gain, and everybody where the trial did
not suffice and the model said that all are treated alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np

from bench.rows import Origin, Row, make_row
from bench.world import SECOND_DAY
from contracts.errors import BadInputError
from contracts.published import published_path, read_published
from models.calibration.calibrator import Floats

_DAY: Final = SECOND_DAY
_CHANNEL: Final = "email"
_ALIKE: Final = ("treat_all", "treat_none")
# Hidden effect of an e-mail on everybody who was scored, and the effect that was expected; null where none was learned.
_JOINED: Final = """
with people as (
    select r.person_id, min(i.pid) as pid
    from marts.person_records as r
    join read_parquet($identity) as i on i.crm = r.crm and i.record_id = r.record_id
    group by r.person_id
    having count(distinct i.pid) = 1
),
expected as (
    select person_id, p_contact - p_no_contact as effect, is_harmed
    from read_parquet($expected) where channel = $channel
)
select t.uplift as hidden, e.effect as expected, coalesce(e.is_harmed, false) as is_harmed
from read_parquet($scores) as s
join people using (person_id)
join read_parquet($truth) as t using (pid)
left join expected as e using (person_id)
where t.dormant
order by s.person_id
"""


@dataclass(frozen=True)
class Policy:
    """Hidden effects of the judged people and whom ours contacts; arrays have shape (people,).

    Attributes:
        hidden: change of the chance by one e-mail.
        contacts: whether ours writes.
        learner: what the model chose.
        reason: and why, in words.
    """

    hidden: Floats
    contacts: Any
    learner: str
    reason: str

    @property
    def oracle(self) -> float:
        """Value of contacting exactly those who gain."""
        return float(np.maximum(self.hidden, 0.0).sum())

    @property
    def share(self) -> float:
        """Our value as a share of the oracle's."""
        return float(self.hidden[self.contacts].sum()) / self.oracle

    @property
    def everybody(self) -> float:
        """The same of contacting everybody."""
        return float(self.hidden.sum()) / self.oracle


def policy_of(state: Path, truth: Path) -> Policy:
    """The policy of an installation's day beside the hidden effects.

    Raises:
        BadInputError: no trial was read on the day, or nobody gains.
    """
    published = state / "published"
    told = read_published(published, dataset="uplift_model", as_of=_DAY).to_pylist()
    mine = next((row for row in told if row["channel"] == _CHANNEL), None)
    if mine is None:
        raise BadInputError("No trial of e-mails was read.", where=str(state), remedy="Simulate past campaigns.")
    paths = {
        "identity": truth / "identity.parquet",
        "expected": published_path(published, dataset="lead_uplift", as_of=_DAY),
        "scores": published_path(published, dataset="lead_scores", as_of=_DAY),
        "truth": truth / "p" / f"{_DAY}.parquet",
    }
    given = {name: str(path) for name, path in paths.items()} | {"channel": _CHANNEL}
    with duckdb.connect(str(state / "warehouse" / "recovery.duckdb"), read_only=True) as connection:
        rows = connection.execute(_JOINED, given).to_arrow_table()
    hidden = rows["hidden"].to_numpy()
    if not (hidden > 0).any():
        raise BadInputError("Nobody of the world gains.", where=str(state), remedy="Take a larger world.")
    expected = rows["expected"].to_numpy(zero_copy_only=False).astype(np.float64)
    everybody = np.full(hidden.size, mine["contacted"] >= 0.5)
    learned = np.where(np.isnan(expected), everybody, expected > 0.0)
    contacts = everybody if mine["learner"] in _ALIKE else learned & ~rows["is_harmed"].to_numpy(zero_copy_only=False)
    return Policy(hidden, contacts, mine["learner"], mine["reason"])


def uplift_rows(at: Origin, people: int, *, share: float | None, state: Path, truth: Path) -> list[Row]:
    """Rows of one world.

    Args:
        at: origin of the rows.
        people: of the world.
        share: of the oracle's value that is promised, or None.
        state, truth: of `bench.synthetic.day_of`.
    """
    found = policy_of(state, truth)
    name = f"synthetic world, {people:,} people, e-mail"
    missing = None if share is None else round(1.0 - share, 6)
    return [
        make_row(
            at, f"{name}: missing of the oracle's value ({found.learner})", [1.0 - found.share], "share",
            baseline=[1.0 - found.everybody], target=missing,
        ),
        make_row(at, f"{name}: contacted", [float(np.mean(found.contacts))], "share"),
    ]  # fmt: skip
