"""What is known on a day about the model in use, before anything is decided about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from contracts.published import PublishedManifest, published_dates, read_manifest
from contracts.settings import Settings
from models.drift.decision import Evidence
from models.evaluation.resampling import Interval
from models.tracking.peek import champion_version
from models.training.fingerprint import code_version, fingerprint
from models.training.record import bounds

DATASET: Final = "model_evidence"
PLAN: Final = "campaign_plan"


@dataclass(frozen=True)
class Known:
    """Evidence with what is needed to act on it.

    Attributes:
        fingerprint: of all that it was gathered from; empty when nothing was gathered.
        evidence: what the rule reads; whether the gate promotes is not known yet.
        version: registered version that it is about, None without a model.
        fallback: version to go back to, None when there is none.
        calibrator: the calibrator that matured outcomes call for, as plain values, None when they do not.
        figures: numbers behind the evidence, by name.
        told: what was found where nothing is called for, in words.
    """

    fingerprint: str = ""
    evidence: Evidence = field(default_factory=Evidence)
    version: str | None = None
    fallback: str | None = None
    calibrator: dict[str, Any] | None = None
    figures: dict[str, float] = field(default_factory=dict)
    told: str = ""

    def facts(self) -> dict[str, Any]:
        """JSON-ready form."""
        plain = vars(self.evidence) | {"matured_auc": bounds(self.evidence.matured_auc)}
        return {**vars(self), "evidence": plain}

    @staticmethod
    def from_facts(facts: dict[str, Any]) -> Known:
        """Inverse of `facts`."""
        found = dict(facts["evidence"])
        auc = found.pop("matured_auc")
        evidence = Evidence(**found, matured_auc=Interval(*auc) if auc else None)
        plain = {name: value for name, value in facts.items() if name != "version_before"}
        return Known(**(plain | {"evidence": evidence}))


def known_of(settings: Settings, as_of: date) -> Known:
    """What was gathered for a date; nothing when it was not."""
    manifest = read_manifest(settings.published_dir, dataset=DATASET, as_of=as_of)
    return Known.from_facts(manifest.facts) if manifest else Known()


def version_before(settings: Settings, as_of: date) -> str | None:
    """Version in use before this date decided, read without MLflow where its store is a SQLite file.

    The alias `champion` as it stands, unless this date itself has set it: then what was noted when it was gathered.
    """
    alias = champion_version(settings.tracking_uri)
    today = read_manifest(settings.published_dir, dataset="model_state", as_of=as_of)
    noted = read_manifest(settings.published_dir, dataset=DATASET, as_of=as_of)
    decided = today is not None and noted is not None and today.facts.get("champion_alias") == alias
    return noted.facts["version_before"] if decided and noted is not None else alias


def evidence_fingerprint(settings: Settings, *, as_of: date, people: str, version: str | None) -> str:
    """Changes when people, model, matured outcomes, campaign, thresholds or code change."""
    matured = read_manifest(settings.published_dir, dataset="matured_backtest", as_of=as_of)
    return fingerprint(
        people=people,
        version=version,
        matured=matured.facts.get("fingerprint") if matured else None,
        campaign=campaign_version(settings, before=as_of),
        retrain_on_campaign_change=settings.retrain_on_campaign_change,
        thresholds=(settings.drift_warn_share, settings.drift_hold_share),
        code=code_version(),
    )


def campaign_version(settings: Settings, *, before: date) -> str | None:
    """Version of playbooks, policy and rules of the newest plan earlier than a date, or None."""
    days = [day for day in published_dates(settings.published_dir, PLAN) if day < before]
    manifest = read_manifest(settings.published_dir, dataset=PLAN, as_of=days[-1]) if days else None
    return _version_of(manifest)


def campaign_changed(settings: Settings, *, trained: date, as_of: date) -> bool:
    """Whether another campaign runs than when the model in use was trained; False where either is not known."""
    if not settings.retrain_on_campaign_change:
        return False
    first = read_manifest(settings.published_dir, dataset=PLAN, as_of=trained)
    then = _version_of(first) or campaign_version(settings, before=trained)
    now = campaign_version(settings, before=as_of)
    return then is not None and now is not None and then != now


def _version_of(manifest: PublishedManifest | None) -> str | None:
    found = manifest.facts.get("policy_version") if manifest else None
    return None if found is None else str(found)
