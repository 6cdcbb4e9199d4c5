"""Moves of the aliases champion, challenger and previous; each is safe to repeat after a kill."""

from __future__ import annotations

from datetime import date

from contracts.errors import BadInputError
from models.tracking.peek import CHALLENGER, CHAMPION, PREVIOUS
from models.tracking.store import PROMOTED_TAG, REPLACED_TAG, ROLLED_BACK_TAG, Held, Tracking

_NOTHING = "none"  # the first champion replaced nothing


def champion_before(tracking: Tracking, as_of: date) -> Held | None:
    """The champion as it was before this date decided: a date that is run again decides from the same ground."""
    champion = tracking.alias(CHAMPION)
    if champion is None or champion.tags.get(PROMOTED_TAG) != as_of.isoformat():
        return champion
    replaced = champion.tags.get(REPLACED_TAG) or _NOTHING
    return tracking.version(replaced) if replaced != _NOTHING else None


def promote(tracking: Tracking, version: str, *, before: Held | None, as_of: date) -> None:
    """Make a version the champion; the one before becomes `previous`."""
    # The tags come first: after a kill between the calls the date still knows what it started from.
    tracking.tag_version(
        version, {PROMOTED_TAG: as_of.isoformat(), REPLACED_TAG: before.version if before else _NOTHING}
    )
    if before is not None:
        tracking.set_alias(PREVIOUS, before.version)
    tracking.set_alias(CHAMPION, version)
    challenger = tracking.alias(CHALLENGER)
    if challenger is not None and challenger.version == version:
        tracking.set_alias(CHALLENGER, None)


def challenge(tracking: Tracking, version: str) -> None:
    """Name the day's candidate the challenger."""
    tracking.set_alias(CHALLENGER, version)


def rollback(tracking: Tracking, *, as_of: date) -> tuple[Held, Held]:
    """Swap champion and previous; the version taken out of use is not promoted again by itself.

    Returns:
        The champion now, and the one taken out of use.

    Raises:
        BadInputError: there is no previous version.
    """
    champion, previous = tracking.alias(CHAMPION), tracking.alias(PREVIOUS)
    if champion is None or previous is None:
        raise BadInputError(
            "There is no previous model to go back to.",
            where=tracking.uri,
            remedy="A first model has nothing before it; `recovery pause` stops all emission.",
        )
    tracking.tag_version(champion.version, {ROLLED_BACK_TAG: as_of.isoformat()})
    tracking.tag_version(previous.version, {PROMOTED_TAG: as_of.isoformat(), REPLACED_TAG: previous.version})
    tracking.set_alias(CHAMPION, previous.version)
    tracking.set_alias(PREVIOUS, champion.version)
    return previous, champion
