"""Which files a source delivers, what each holds and when it was exported."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from contracts.errors import BadInputError
from contracts.sources import ColumnMapping, ExportFile, ExportManifest, Mode, Source, SourcesFile
from contracts.words import Crm
from pipelines.ingest.aliases import alias_table, match_object

MANIFEST_NAME: Final = "_export.json"
_ISO_DAY: Final = re.compile(r"(?<!\d)(20\d\d)[-_]?(0[1-9]|1[0-2])[-_]?(0[1-9]|[12]\d|3[01])(?!\d)")
_IGNORED: Final = (".*", "_*", "*.md", "*.txt", "*.yml", "*.yaml", "*.json", "*.tmp")
_END_OF_DAY: Final = time(23, 59, 59)


@dataclass(frozen=True)
class Delivery:
    """One file of one export, before it is read.

    Args:
        declared_dates: DuckDB strptime formats by canonical column; key `*` is for every date of the file.
        time_zone: zone of naive timestamps, from the file's own declaration or the source.
        mapping: canonical column -> {"column"|"const"|"template": value}; None where the alias table decides.
        supersedes: file name in the same export that this one corrects.
        encoding: declared codec of the text; None where it is to be detected.
    """

    source: str
    crm: Crm
    object: str
    path: Path
    exported_at: datetime
    mode: Mode
    declared_dates: Mapping[str, str] = field(default_factory=dict)
    time_zone: str | None = None
    mapping: Mapping[str, Mapping[str, Any]] | None = None
    supersedes: str | None = None
    encoding: str | None = None


@dataclass(frozen=True)
class FileProblem:
    """A file or source that could not be used: what, where, remedy; the others go on."""

    source: str
    object: str
    what: str
    where: str
    remedy: str

    @classmethod
    def of(cls, source: str, object_name: str, error: BadInputError) -> FileProblem:
        """From an error."""
        return cls(source, object_name, error.what, error.where, error.remedy)


@dataclass
class Found:
    """Deliveries in order, problems, and files that belong to no object."""

    deliveries: list[Delivery] = field(default_factory=list)
    problems: list[FileProblem] = field(default_factory=list)
    unmatched: list[str] = field(default_factory=list)


def find_deliveries(sources: SourcesFile, crms: Iterable[Crm]) -> Found:
    """All files of the sources of some kinds, ordered by source, time of export, object and name.

    A missing folder, a listed file that is absent and an unreadable `_export.json` become problems.
    """
    found = Found()
    wanted = set(crms)
    for source in sources.sources:
        if source.crm in wanted:
            _find_in_source(sources.root, source, found)
    found.deliveries.sort(key=lambda item: (item.source, item.exported_at, item.object, item.path.name))
    return found


def undeclarable(source: Source) -> list[str]:
    """Objects and columns that a source's declaration names and that do not exist, as `field: name`."""
    known = alias_table(source.crm).objects
    keyed = {"date_format": [key.partition(".")[0] for key in source.date_format]}
    keyed |= {"encoding": list(source.encoding), "column_types": list(source.column_types), "files": list(source.files)}
    wrong = [f"{field}: {name}" for field, names in keyed.items() for name in names if name not in known]
    for name, columns in source.column_types.items():
        if name in known:
            wrong += [f"column_types: {name}.{column}" for column in columns if column not in known[name].columns]
    return wrong


def _find_in_source(root: Path, source: Source, found: Found) -> None:
    if wrong := undeclarable(source):
        known = ", ".join(alias_table(source.crm).objects)
        found.problems.append(
            FileProblem(
                source.name,
                "",
                f"The declaration names what does not exist: {'; '.join(wrong)}.",
                f"sources.yml, source '{source.name}'",
                f"Objects of {source.crm.value} are {known}; pipelines/ingest/aliases lists their columns.",
            )
        )
    folders = _folders(root, source.path)
    count = 0
    for folder in folders:
        try:
            manifest = _read_manifest(folder)
        except BadInputError as error:
            found.problems.append(FileProblem.of(source.name, "", error))
            continue
        before = len(found.deliveries)
        if source.crm is Crm.MAPPED_CSV:
            _mapped_files(source, folder, manifest, found)
        else:
            _aliased_files(source, folder, manifest, found)
        count += len(found.deliveries) - before
    if source.crm is Crm.MAPPED_CSV:
        _unfound_mappings(source, found, str(root / source.path))
    elif not count and not any(problem.source == source.name for problem in found.problems):
        found.problems.append(
            FileProblem(
                source.name,
                "",
                "The source has no export." if not folders else "No file of the source is known by its name.",
                str(root / source.path),
                "Put the exports there, or mend `path` or `files` of the source in sources.yml.",
            )
        )


def _folders(root: Path, pattern: str) -> list[Path]:
    path = Path(pattern)
    base, relative = (Path(path.anchor), str(path.relative_to(path.anchor))) if path.is_absolute() else (root, pattern)
    if not any(sign in relative for sign in "*?["):
        return [base / relative] if (base / relative).is_dir() else []
    return sorted(folder for folder in base.glob(relative) if folder.is_dir())


def _read_manifest(folder: Path) -> ExportManifest:
    path = folder / MANIFEST_NAME
    if not path.exists():
        return ExportManifest()
    try:
        return ExportManifest.model_validate_json(path.read_bytes())
    except (ValidationError, OSError) as error:
        reason = error.errors(include_url=False)[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise BadInputError(
            f"The description of an export cannot be used: {reason}.", where=str(path), remedy="Mend or remove it."
        ) from error


def _data_files(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.iterdir() if path.is_file() or path.is_symlink())
    return [path for path in files if not any(fnmatch(path.name.lower(), pattern) for pattern in _IGNORED)]


def _aliased_files(source: Source, folder: Path, manifest: ExportManifest, found: Found) -> None:
    known = alias_table(source.crm).objects
    present = {path.name: path for path in _data_files(folder)}
    for name in sorted(set(manifest.files) - set(present)):
        found.problems.append(
            FileProblem(
                source.name,
                manifest.files[name].object,
                "The export lists a file that is not there.",
                str(folder / name),
                "Copy the export again.",
            )
        )
    for name, path in present.items():
        entry = manifest.files.get(name)
        try:
            object_name = entry.object if entry else match_object(source.crm, name, source.files)
        except BadInputError as error:
            found.problems.append(FileProblem.of(source.name, "", error))
            continue
        if object_name is None:
            found.unmatched.append(str(path))
        elif object_name not in known:
            found.problems.append(
                FileProblem(
                    source.name,
                    object_name,
                    f"'{object_name}' is no object of {source.crm.value}; known are {', '.join(known)}.",
                    str(path),
                    f"Mend {MANIFEST_NAME} or `files` in sources.yml.",
                )
            )
        else:
            found.deliveries.append(
                Delivery(
                    source=source.name,
                    crm=source.crm,
                    object=object_name,
                    path=path,
                    exported_at=exported_at(source, manifest, path),
                    mode=(entry.mode if entry and entry.mode else source.mode),
                    declared_dates=_declared_dates(source, object_name, entry),
                    time_zone=(entry.time_zone if entry and entry.time_zone else source.time_zone),
                    supersedes=entry.supersedes if entry else None,
                    encoding=_declared_encoding(source, object_name, entry),
                )
            )


def _declared_encoding(source: Source, object_name: str, entry: ExportFile | None) -> str | None:
    return entry.encoding if entry and entry.encoding else source.encoding.get(object_name)


def _declared_dates(source: Source, object_name: str, entry: ExportFile | None) -> dict[str, str]:
    declared: dict[str, str] = {}
    for key, pattern in source.date_format.items():
        name, _, column = key.partition(".")
        if name == object_name:
            declared[column or "*"] = pattern
    if entry and entry.date_format:
        declared |= {"*": entry.date_format} if isinstance(entry.date_format, str) else entry.date_format
    return declared


def _mapped_files(source: Source, folder: Path, manifest: ExportManifest, found: Found) -> None:
    files = _data_files(folder)
    for mapping in source.mapping:
        for path in files:
            if not fnmatch(path.name, mapping.file):
                continue
            entry = manifest.files.get(path.name)
            found.deliveries.append(
                Delivery(
                    source=source.name,
                    crm=source.crm,
                    object=mapping.object.value,
                    path=path,
                    exported_at=exported_at(source, manifest, path),
                    mode=mapping.mode or (entry.mode if entry and entry.mode else source.mode),
                    declared_dates=_mapped_dates(source, mapping, entry),
                    time_zone=(entry.time_zone if entry and entry.time_zone else source.time_zone),
                    mapping=mapping_as_json(mapping),
                    supersedes=entry.supersedes if entry else None,
                    encoding=mapping.encoding or _declared_encoding(source, mapping.object.value, entry),
                )
            )


def _mapped_dates(source: Source, mapping: ColumnMapping, entry: ExportFile | None) -> dict[str, str]:
    declared = _declared_dates(source, mapping.object.value, entry)
    if mapping.date_format:
        declared |= {"*": mapping.date_format} if isinstance(mapping.date_format, str) else mapping.date_format
    return declared


def mapping_as_json(mapping: ColumnMapping) -> dict[str, dict[str, Any]]:
    """Canonical column -> {"column": header}, {"const": value} or {"template": text}."""
    return {
        name: {"column": value} if isinstance(value, str) else value.model_dump()
        for name, value in mapping.columns.items()
    }


def _unfound_mappings(source: Source, found: Found, where: str) -> None:
    for mapping in source.mapping:
        if not any(
            item.source == source.name and item.object == mapping.object.value and fnmatch(item.path.name, mapping.file)
            for item in found.deliveries
        ):
            found.problems.append(
                FileProblem(
                    source.name,
                    mapping.object.value,
                    "No file matches the mapping.",
                    f"{where}/{mapping.file}",
                    "Put the file there, or mend `path` or `file` in sources.yml.",
                )
            )


def exported_at(source: Source, manifest: ExportManifest, path: Path) -> datetime:
    """When a file was exported, naive UTC: its description, the source's declaration, a date in its name or folder
    (then the end of that day, so that nothing is known too early), else the time of the file.
    """
    declared = manifest.exported_at or source.exported_at
    if declared is not None:
        return declared.astimezone(UTC).replace(tzinfo=None)
    for text in (path.name, path.parent.name, path.parent.parent.name):
        if match := _ISO_DAY.search(text):
            try:
                return datetime.combine(date(*(int(part) for part in match.groups())), _END_OF_DAY)
            except ValueError:
                continue
    modified = datetime.fromtimestamp(path.stat().st_mtime, UTC).replace(tzinfo=None)
    return modified.replace(microsecond=0) + timedelta(seconds=1)
