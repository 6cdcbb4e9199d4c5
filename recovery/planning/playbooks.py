"""Playbooks: versioned sequences of steps, one YAML file each."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from contracts.errors import PermanentError
from contracts.words import Channel, LeadKind

PLAYBOOKS_DIR: Final = Path(__file__).parent / "playbooks"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Step(_Strict):
    """One contact of a sequence; the first channel that is permitted and worth it is used."""

    step: int = Field(ge=1)
    delay_days: int = Field(ge=0)
    channels: tuple[Channel, ...] = Field(min_length=1)
    template: str = Field(pattern=r"^[a-z0-9_]+$")
    tone: Literal["helpful", "gentle"]


class AppliesTo(_Strict):
    """Whom a playbook is for; an empty list means anybody."""

    markets: tuple[str, ...] = ()
    lead_kinds: tuple[LeadKind, ...] = ()

    @property
    def weight(self) -> int:
        """How particular it is: the most particular playbook wins."""
        return bool(self.markets) + bool(self.lead_kinds)


class Playbook(_Strict):
    """A sequence for a kind of lead; `content` tells whether its words concern the recipient's work."""

    name: str = Field(pattern=r"^[a-z0-9_]+$")
    version: int = Field(ge=1)
    applies_to: AppliesTo
    content: Literal["job_related", "personal"]
    steps: tuple[Step, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _steps_are_numbered(self) -> Self:
        if [step.step for step in self.steps] != list(range(1, len(self.steps) + 1)):
            raise ValueError("steps must be numbered 1, 2, 3, ...")
        return self

    def fits(self, market: str | None, lead_kind: str | None) -> bool:
        """Whether a lead of that market and kind may be in this playbook."""
        markets, kinds = self.applies_to.markets, self.applies_to.lead_kinds
        return (not markets or market in markets) and (not kinds or lead_kind in kinds)


def load_playbooks(folder: Path = PLAYBOOKS_DIR) -> tuple[Playbook, ...]:
    """Every playbook of a folder, the most particular first, then by name.

    Raises:
        PermanentError: a file breaks the schema, or no playbook is for everybody.
    """
    found = []
    for path in sorted(folder.glob("*.yml")):
        try:
            found.append(Playbook.model_validate(yaml.safe_load(path.read_text(encoding="utf-8"))))
        except (yaml.YAMLError, ValidationError) as error:
            raise PermanentError(f"A playbook cannot be used: {error}.", where=str(path)) from error
    if not any(playbook.applies_to.weight == 0 for playbook in found):
        raise PermanentError("No playbook applies to everybody.", where=str(folder), remedy="Add one.")
    return tuple(sorted(found, key=lambda playbook: (-playbook.applies_to.weight, playbook.name)))


def choose_playbook(playbooks: tuple[Playbook, ...], market: str | None, lead_kind: str | None) -> Playbook:
    """The most particular playbook that fits."""
    return next(playbook for playbook in playbooks if playbook.fits(market, lead_kind))
