"""Entry points of the synthetic world: write the exports of a date, answer a batch, measure the optima."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from contracts.errors import BadInputError, SettingError
from simulation.campaigns import HEADER, CampaignFile
from simulation.chunks import build_chunk
from simulation.exports import Exporter, write_sources
from simulation.settings import WorldSettings
from simulation.treatments import claim_truth, load_contacts
from simulation.truth import TruthWriter

if TYPE_CHECKING:
    from simulation.optimum import Optima

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class ExportReport:
    """What was written: `files` maps `source/file` to data rows; `dormant` and `people` are true counts."""

    folder: Path
    files: dict[str, int]
    people: int
    dormant: int
    reactivation_share: float


def write_exports(
    settings: WorldSettings,
    *,
    out: Path,
    truth: Path,
    as_of: date,
    since: date | None = None,
    progress: Progress | None = None,
) -> ExportReport:
    """Write `<out>/exports/<as_of>/<source>/*.csv` with everything observed before as_of 00:00 UTC.

    Args:
        settings: the world.
        out: folder of the exports; nothing true is ever written below it.
        truth: folder of the ground truth and of the stored treatments.
        as_of: date of the export.
        since: date of the last export; activity-like files then hold only what arrived since.
        progress: called with stage, done and total chunks.

    Raises:
        SettingError: `truth` lies below `out`.
        BadInputError: the date lies before the world.
    """
    if truth.resolve().is_relative_to(out.resolve()):
        raise SettingError(
            "The truth must not lie below the exports.", where=str(truth), remedy="Choose a folder beside them."
        )
    if as_of <= settings.start:
        raise BadInputError(
            f"The world starts on {settings.start}.", where=str(as_of), remedy="Choose a later as-of date."
        )
    cut = settings.epoch(as_of)
    exporter = Exporter(settings, out=out, as_of=as_of, since=since)
    campaigns = CampaignFile(settings, out=out, as_of=as_of)
    writer = TruthWriter(settings, truth=truth, as_of=as_of)
    claim_truth(settings, truth)
    contacts = load_contacts(settings, truth=truth, before=cut)
    for number in range(settings.chunks):
        chunk = build_chunk(settings, number, cut=cut, engine=contacts.chunk(number))
        exporter.write(chunk)
        campaigns.write(chunk, exporter)
        writer.write(chunk, exporter)
        if progress:
            progress("exports", number + 1, settings.chunks)
    files = exporter.close() | campaigns.close()
    write_sources(out, columns=HEADER)
    facts = writer.close()
    return ExportReport(exporter.root, dict(sorted(files.items())), facts.people, facts.dormant, facts.rate)


def optima(
    settings: WorldSettings, *, truth: Path, fresh_people: int = 1_000_000, progress: Progress | None = None
) -> Optima:
    """The oracle and the observable optimum of the world's law; cached below `truth` by the law's fingerprint."""
    from simulation.optimum import measure_optima

    return measure_optima(settings, truth=truth, fresh_people=fresh_people, progress=progress)
