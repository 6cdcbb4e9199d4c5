"""Reads randomised contacts from the log, learns what they change, and says what it means for everyone dormant."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Final

import duckdb
import pandas as pd

from contracts.keys import MODELS, installation_key
from contracts.settings import Settings
from models.features import FEATURES, FeatureSpec
from models.training.fingerprint import fingerprint
from pipelines.resources import PROJECT_ROOT, Engine
from pipelines.training.frames import has_panel
from pipelines.training.uplift_shelf import UpliftShelf
from pipelines.warehouse import Warehouse

if TYPE_CHECKING:
    from models.uplift.fitted import UpliftModel
    from models.uplift.report import UpliftReport

DATASET: Final = "uplift_model"
KEEP_DAYS: Final = 7  # outcomes of contacts mature slowly; a week changes little
_PAST: Final = "staging.stg_mapped__assignments"
_OWN: Final = "raw.ledger__assignments"
_CODE: Final = ("models/uplift", "models/training/table.py", "models/training/codes.py")

# Only logged draws count: an arm and its probability. What reps did on their own is no row here.
_DRAWN_PAST: Final = f"""
select
    assignment_id, channel, arm <> 'held_out' as treated,
    case when arm = 'held_out' then 1 - propensity else propensity end as e
from {_PAST}
where arm in ('contacted', 'held_out') and propensity is not null and channel is not null
"""
# Among the chosen of one day and policy only the holdout was drawn; its share is that of the surely chosen, whose
# arm is `contacted`.
_DRAWN_OWN: Final = f"""
select * from (
    select
        assignment_id, channel, arm <> 'held_out' as treated,
        max(propensity) filter (where arm = 'contacted') over (partition by as_of_date, policy_version) as e
    from {_OWN}
    where arm in ('contacted', 'explored', 'held_out') and channel is not null and as_of_date < $as_of
)
where e is not null
"""
_TRIAL: Final = """
with drawn as ({drawn}),
labels as (
    select
        l.*, row_number() over (partition by l.assignment_id, l.person_id order by l.as_of_date desc) as nearest
    from marts.lead_labels as l
    where
        l.assignment_id is not null and l.censored_at is null and l.is_reactivated is not null
        and l.label_observed_until <= $as_of
)
select
    d.channel, d.treated, d.e, l.is_reactivated as y, coalesce(s.account_id, s.person_id) as unit,
    l.assignment_id, {columns}
from labels as l
inner join drawn as d on l.assignment_id = d.assignment_id
inner join marts.lead_snapshots as s on s.as_of_date = l.as_of_date and s.person_id = l.person_id
where l.nearest = 1
order by d.channel, l.assignment_id, s.person_id
"""


@dataclass(frozen=True)
class Channel:
    """What is known of one channel: its report, and a model where the log suffices."""

    report: UpliftReport
    model: UpliftModel | None


@dataclass(frozen=True)
class UpliftDay:
    """The channels of a date, by name, and the fingerprint of data and code that made them."""

    name: str
    channels: dict[str, Channel]
    reason: str


def read_trial(
    warehouse: Warehouse,
    connection: duckdb.DuckDBPyConnection,
    *,
    as_of: date,
    features: tuple[FeatureSpec, ...] = FEATURES,
) -> pd.DataFrame:
    """Mature randomised contacts, each with the last snapshot before it; empty where nothing was drawn.

    Columns: channel, treated, e (probability of contact), y, unit (account, else person), assignment_id, features.
    """
    drawn = [sql for table, sql in ((_PAST, _DRAWN_PAST), (_OWN, _DRAWN_OWN)) if warehouse.exists(connection, table)]
    columns = [spec.name for spec in features]
    if not drawn or not has_panel(warehouse, connection):
        return pd.DataFrame({name: [] for name in ("channel", "treated", "e", "y", "unit", "assignment_id", *columns)})
    sql = _TRIAL.format(drawn=" union all ".join(drawn), columns=", ".join(f"s.{name}" for name in columns))
    values = {"as_of": as_of}
    return connection.execute(sql, values).df()


def make_uplift(engine: Engine, *, as_of: date, features: tuple[FeatureSpec, ...] = FEATURES) -> UpliftDay:
    """Learn what each channel changes, or find what the same rows and code gave before.

    A day within a week of the last learning keeps it, so that the daily run does not pay for it.
    """
    settings = engine.settings
    key = installation_key(settings.secrets_dir, MODELS)
    shelf = UpliftShelf(settings.var_dir / "models" / "uplift", key)
    kept = shelf.of_day(as_of) or shelf.recent(as_of, days=KEEP_DAYS)
    if kept is None:
        with engine.warehouse.open() as connection:
            frame = read_trial(engine.warehouse, connection, as_of=as_of, features=features)
        rows = pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes()
        name = fingerprint(rows=hashlib.sha256(rows).hexdigest(), code=code_digest(), seed=settings.seed)
        kept = shelf.read(name) or _learn(frame, settings, features, shelf, name, as_of)
    shelf.save_day(as_of, kept["name"])
    return _day(kept)


def _learn(
    frame: pd.DataFrame,
    settings: Settings,
    features: tuple[FeatureSpec, ...],
    shelf: UpliftShelf,
    name: str,
    as_of: date,
) -> dict[str, Any]:
    from contracts.errors import BadInputError
    from models.training.matrix import usable_features
    from models.uplift.fitted import fit_uplift
    from models.uplift.trial import make_arms

    channels: dict[str, Any] = {}
    reasons = []
    for channel, rows in frame.groupby("channel", sort=True) if len(frame) else ():
        used, _ = usable_features(rows, features)
        arm = rows["treated"].map({True: str(channel), False: "control"})
        own = rows["e"].where(rows["treated"], 1.0 - rows["e"]).to_numpy(dtype="float64")
        try:
            arms = make_arms(
                rows, rows["y"].to_numpy(dtype=bool), arm, used, control="control", propensity=own,
                groups=rows["unit"].to_numpy(),
            )  # fmt: skip
        except BadInputError as error:
            reasons.append(f"{channel}: {error.what}")
            continue
        reasons += [f"{channel}: {why}" for why in arms.refused.values()]
        for trial in arms.trials.values():
            model, report = fit_uplift(str(channel), trial, cost=0.0, seed=settings.seed)
            channels[str(channel)] = {
                "model": None if model is None else model.to_dict(),
                "report": report_to_dict(report),
            }
    if not len(frame):
        reasons.append("no contact was drawn at random yet, or none has a mature outcome")
    found = {"name": name, "learned_as_of": as_of.isoformat(), "channels": channels, "reason": "; ".join(reasons)}
    shelf.save(found)
    return found


def _day(found: dict[str, Any]) -> UpliftDay:
    from models.uplift.fitted import UpliftModel

    channels = {
        name: Channel(
            report_from_dict(one["report"]), None if one["model"] is None else UpliftModel.from_dict(one["model"])
        )
        for name, one in found["channels"].items()
    }
    return UpliftDay(found["name"], channels, found["reason"])


def report_to_dict(report: UpliftReport) -> dict[str, Any]:
    """JSON-ready form of a report."""
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in vars(report).items()}
    return plain | {"harmed": [vars(group) for group in report.harmed]}


def report_from_dict(data: dict[str, Any]) -> UpliftReport:
    """Inverse of `report_to_dict`."""
    from models.evaluation.resampling import Interval
    from models.uplift.harm import Group
    from models.uplift.learners import LearnerName
    from models.uplift.report import UpliftReport

    intervals = ("average", "qini", "uplift_at_30", "policy_value", "treat_all", "gain_over_all")
    harmed = tuple(Group(one["below"], one["people"], Interval(*one["effect"])) for one in data["harmed"])
    return UpliftReport(
        **data
        | {name: Interval(*data[name]) for name in intervals}
        | {"learner": LearnerName(data["learner"]), "harmed": harmed, "notes": tuple(data["notes"])}
    )


def code_digest() -> str:
    """Hash of the sources that learn uplift."""
    digest = hashlib.sha256()
    for name in _CODE:
        place = PROJECT_ROOT / name
        for path in sorted(place.glob("*.py")) if place.is_dir() else [place]:
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
