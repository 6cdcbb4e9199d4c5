"""`sources.yml`: which exports exist, what they mean and what the operator declares about them."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from zoneinfo import available_timezones

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)

from contracts.errors import BadInputError
from contracts.words import Basis, ColumnType, Crm

_VARIABLE: Final = re.compile(r"\$\{([A-Z_][A-Z0-9_]*)\}")

TimeZoneName = Annotated[str, Field(description="IANA name such as UTC or Europe/Berlin")]


def _known_encoding(value: str) -> str:
    try:
        name = codecs.lookup(value).name
        "x".encode(name)
    except LookupError as error:
        raise ValueError(f"'{value}' is no text encoding; write for example utf-8, latin-1 or cp1252") from error
    return "utf-8" if name == "utf-8-sig" else name


# A codec name as Python normalises it; declared where the bytes alone do not tell code pages apart.
EncodingName = Annotated[str, AfterValidator(_known_encoding)]


class Mode(StrEnum):
    """Whether a file holds every row of its object (absence is deletion) or only what is new."""

    FULL = "full"
    INCREMENTAL = "incremental"


class MappedObject(StrEnum):
    """What rows of an arbitrary file can be mapped to."""

    LEADS = "leads"
    ACTIVITIES = "activities"
    PERMISSIONS = "permissions"
    SUPPRESSIONS = "suppressions"
    OUTCOMES = "outcomes"
    ASSIGNMENTS = "assignments"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class History(_Strict):
    """A declared history load: rows exported up to `until` are observed some hours after they occur."""

    until: date
    assumed_lag_hours: int = Field(24, ge=0, le=24 * 365)


class Declaration(_Strict):
    """What the operator states about the people of a source; kept as evidence.

    `basis` is the ground on which they may be contacted at all (`relationship`: own customers and inquirers,
    neither bought nor harvested); `country` is used only where nothing better is known.
    """

    by: str = Field(min_length=1)
    at: date
    words: str = Field(min_length=1)
    country: str | None = Field(None, pattern="^[A-Z]{2}$")
    basis: Basis | None = None


class Constant(_Strict):
    """A canonical column with the same value in every row."""

    const: str | int | float | bool


class Template(_Strict):
    """A canonical column built from source columns, `{name}` standing for a column."""

    template: str = Field(pattern=r"\{.+\}")


def _kind_of_value(value: Any) -> str:
    if isinstance(value, (Constant, Template)):
        return "const" if isinstance(value, Constant) else "template"
    if isinstance(value, dict):
        return "template" if "template" in value else "const"
    return "column"


ColumnValue = Annotated[
    Annotated[str, Tag("column")] | Annotated[Constant, Tag("const")] | Annotated[Template, Tag("template")],
    Discriminator(_kind_of_value),
]


class ColumnMapping(_Strict):
    """How one file becomes rows of one mapped object.

    `columns` maps a canonical column to a source column, a constant or a template; `date_format` is a DuckDB
    strptime format, for all dates of the file or by canonical column; `encoding` wins over what is detected.
    """

    object: MappedObject
    file: str = Field(min_length=1)
    columns: dict[str, ColumnValue] = Field(min_length=1)
    date_format: str | dict[str, str] | None = None
    encoding: EncodingName | None = None
    mode: Mode | None = None


class Source(_Strict):
    """One system or list that delivers files.

    `path` is a folder glob relative to `sources.yml`; `date_format`, `encoding` and `files` go by object
    (formats also by `object.column`); `exported_at` is that of every file of the source, unless its folder says
    otherwise.
    """

    name: str = Field(pattern=r"^[a-z0-9_]+$")
    crm: Crm
    path: str = Field(min_length=1)
    market: str | None = None
    time_zone: TimeZoneName | None = None
    date_format: dict[str, str] = {}
    encoding: dict[str, EncodingName] = {}
    mode: Mode = Mode.FULL
    history: History | None = None
    column_types: dict[str, dict[str, ColumnType]] = {}
    declaration: Declaration | None = None
    owner_id: str | None = None
    team_id: str | None = None
    sender_id: str | None = None
    files: dict[str, str] = {}
    exported_at: datetime | None = None
    mapping: tuple[ColumnMapping, ...] = ()

    @field_validator("time_zone")
    @classmethod
    def _zone_exists(cls, value: str | None) -> str | None:
        if value is not None and value not in available_timezones():
            raise ValueError(f"'{value}' is not an IANA time zone; write for example UTC or America/New_York")
        return value

    @field_validator("exported_at")
    @classmethod
    def _aware(cls, value: datetime | None) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("needs a UTC offset, for example 2026-06-01T00:00:00Z")
        return value

    @model_validator(mode="after")
    def _mapping_fits_kind(self) -> Self:
        if self.crm is Crm.MAPPED_CSV and not self.mapping:
            raise ValueError("a mapped_csv source needs `mapping`; `recovery map FILE` proposes one")
        if self.crm is not Crm.MAPPED_CSV and self.mapping:
            raise ValueError("only a mapped_csv source has `mapping`")
        return self


class SourcesFile(_Strict):
    """The whole declaration. `root` is the folder that paths refer to; the loader sets it."""

    version: Literal[1]
    sources: tuple[Source, ...] = Field(min_length=1)
    root: Path = Path()

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [source.name for source in self.sources]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"source names must be unique; repeated: {', '.join(repeated)}")
        return self


class ExportFile(_Strict):
    """What a folder says about one of its files; `supersedes` names a file of an earlier export that it corrects."""

    object: str
    mode: Mode | None = None
    date_format: str | dict[str, str] | None = None
    encoding: EncodingName | None = None
    time_zone: TimeZoneName | None = None
    supersedes: str | None = None


class ExportManifest(_Strict):
    """`_export.json` beside exported files; `files` is keyed by file name."""

    exported_at: datetime | None = None
    files: dict[str, ExportFile] = {}
    source: str | None = None
    crm: Crm | None = None

    @field_validator("exported_at")
    @classmethod
    def _aware(cls, value: datetime | None) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("needs a UTC offset, for example 2026-06-01T00:00:00Z")
        return value


def expand_variables(text: str, variables: Mapping[str, str]) -> str:
    """Replace `${NAME}` by its value.

    Raises:
        KeyError: a name has no value.
    """
    return _VARIABLE.sub(lambda match: variables[match.group(1)], text)


def load_sources(path: Path, *, variables: Mapping[str, str] | None = None) -> SourcesFile:
    """Read and check `sources.yml`; `${NAME}` in a path is taken from `variables`.

    Raises:
        BadInputError: the file is missing, is no YAML, or breaks the schema; the text names each field.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BadInputError(
            "The list of sources does not exist.",
            where=str(path),
            remedy="Run `recovery init`, or set RECOVERY_SOURCES_FILE to your sources.yml.",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(f"The list of sources cannot be read: {error}.", where=str(path)) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or "bad syntax"
        raise BadInputError(
            f"The list of sources is not valid YAML: {problem}.",
            where=f"{path}{line}",
            remedy="Mend that line.",
        ) from error
    return _validated(content, path, variables or {})


def _validated(content: Any, path: Path, variables: Mapping[str, str]) -> SourcesFile:
    if not isinstance(content, dict) or "root" in content:
        raise BadInputError(
            "The list of sources must be a mapping with `version` and `sources` only.",
            where=str(path),
            remedy="docs/data_contracts.md describes every field.",
        )
    try:
        loaded = SourcesFile.model_validate({**content, "root": path.resolve().parent})
        sources = tuple(
            source.model_copy(update={"path": expand_variables(source.path, variables)}) for source in loaded.sources
        )
    except ValidationError as error:
        raise BadInputError(
            "The list of sources is not as expected: " + "; ".join(_readable(error, content)) + ".",
            where=str(path),
            remedy="docs/data_contracts.md describes every field.",
        ) from error
    except KeyError as error:
        raise BadInputError(
            f"A path uses the variable {error.args[0]}, which has no value.",
            where=str(path),
            remedy=f"Set {error.args[0]} in the environment or in .env.",
        ) from error
    return loaded.model_copy(update={"sources": sources})


def _readable(error: ValidationError, content: dict[str, Any]) -> list[str]:
    """One phrase per fault: source name, field and what is wrong with it."""
    phrases = []
    for fault in error.errors(include_url=False, include_input=False):
        place = list(fault["loc"])
        if fault["type"] == "too_short" and place == ["sources"] and content.get("sources"):
            continue  # follows from the faults inside the entries
        if len(place) > 1 and place[0] == "sources" and isinstance(place[1], int):
            place[:2] = [f"source {_name_of(content, place[1])}"]
        text = fault["msg"].removeprefix("Value error, ")
        if fault["type"] == "extra_forbidden":
            text = "unknown field"
        phrases.append(f"{' > '.join(str(part) for part in place) or 'file'}: {text}")
    return phrases


def _name_of(content: dict[str, Any], index: int) -> str:
    try:
        return repr(content["sources"][index]["name"])
    except (KeyError, IndexError, TypeError):
        return f"number {index + 1}"
