"""The synthetic world's own answer to whom contact helps: how much of the best policy's value ours has.

A policy contacts some of the dormant people by e-mail. Its value is the sum of their hidden effects, less what the
contacts cost. Ours contacts whoever `scores/lead_uplift` expects to gain more than that, and treats all alike where the
trial did not suffice and the model said so. The best that the exports allow knows the law of the world, but of a person
only what the exports tell; the oracle knows the hidden traits too.
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
# Hidden effect of an e-mail on everybody who was scored, the best guess that the exports allow, and the effect that was
# expected; null where none was learned.
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
select t.uplift as hidden, t.uplift_observable as best, e.effect as expected, coalesce(e.is_harmed, false) as is_harmed
from read_parquet($scores) as s
join people using (person_id)
join read_parquet($truth) as t using (pid)
left join expected as e using (person_id)
order by s.person_id
"""


@dataclass(frozen=True)
class Policy:
    """Effects of one e-mail on the judged people; arrays have shape (people,).

    Attributes:
        hidden: change of the chance.
        best: the best guess of it that the exports allow.
        expected: what ours expects.
        harmed: whom ours leaves alone whatever it expects.
        learner: what the model chose.
    """

    hidden: Floats
    best: Floats
    expected: Floats
    harmed: Any
    learner: str

    def contacts(self, cost: float) -> Any:
        """Whom ours contacts where a contact costs so much of a return."""
        return (self.expected > cost) & ~self.harmed

    def value(self, contacts: Any, cost: float) -> float:
        """Returns gained by a policy, less its cost."""
        return float((self.hidden[contacts] - cost).sum())

    def share(self, cost: float, *, of: Floats) -> float:
        """Our value as a share of that of a policy that knows the effects `of`."""
        return self.value(self.contacts(cost), cost) / self.value(of > cost, cost)

    @property
    def mean(self) -> float:
        """Mean hidden effect."""
        return float(self.hidden.mean())


def policy_of(state: Path, truth: Path) -> Policy:
    """The policy of an installation's day beside the hidden effects.

    Args:
        state, truth: of `bench.synthetic.day_of`, the optima of the world measured.

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
        "truth": truth / "optimum" / "people.parquet",
    }
    given = {name: str(path) for name, path in paths.items()} | {"channel": _CHANNEL}
    with duckdb.connect(str(state / "warehouse" / "recovery.duckdb"), read_only=True) as connection:
        found = connection.execute(_JOINED, given).fetchnumpy()
    hidden, best = (np.asarray(found[name], dtype=np.float64) for name in ("hidden", "best"))
    if not (hidden > 0).any():
        raise BadInputError("Nobody of the world gains.", where=str(state), remedy="Take a larger world.")
    expected = np.ma.filled(np.ma.masked_array(found["expected"]).astype(np.float64), np.nan)
    alike = np.inf if mine["contacted"] >= 0.5 else -np.inf
    everybody = np.full(hidden.size, alike)
    learned = everybody if mine["learner"] in _ALIKE else np.where(np.isnan(expected), everybody, expected)
    return Policy(hidden, best, learned, np.asarray(found["is_harmed"], dtype=bool), mine["learner"])


def uplift_rows(at: Origin, people: int, *, share: float | None, state: Path, truth: Path) -> list[Row]:
    """Rows of one world: contacts that cost nothing, and contacts at the cost of their mean effect.

    Args:
        at: origin of the rows.
        people: of the world.
        share: of the oracle's value that is promised, or None.
        state, truth: as for `policy_of`.
    """
    found = policy_of(state, truth)
    name = f"synthetic world, {people:,} people, e-mail ({found.learner})"
    missing = None if share is None else round(1.0 - share, 6)
    free, costly = 0.0, max(found.mean, 0.0)
    everybody = found.value(np.ones(found.hidden.size, dtype=bool), free)
    return [
        make_row(
            at, f"{name}, free: missing of the best by the exports", [1.0 - found.share(free, of=found.best)], "share",
            baseline=[1.0 - everybody / found.value(found.best > free, free)],
        ),
        make_row(
            at, f"{name}, free: missing of the oracle's value", [1.0 - found.share(free, of=found.hidden)], "share",
            baseline=[1.0 - everybody / found.value(found.hidden > free, free)], target=missing,
        ),
        make_row(
            at, f"{name}, at the mean effect's cost: missing of the best by the exports",
            [1.0 - found.share(costly, of=found.best)], "share",
        ),
        make_row(
            at, f"{name}, at the mean effect's cost: missing of the oracle's value",
            [1.0 - found.share(costly, of=found.hidden)], "share",
        ),
        make_row(at, f"{name}, free: contacted", [float(np.mean(found.contacts(free)))], "share"),
    ]  # fmt: skip
