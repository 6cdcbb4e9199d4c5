"""Moves of the aliases champion, challenger and previous; each is safe to repeat after a kill."""

from __future__ import annotations

from datetime import date

from contracts.errors import BadInputError
from models.tracking.peek import CHALLENGER, CHAMPION, PREVIOUS
from models.tracking.store import (
    AS_TRAINED_TAG,
    PROMOTED_TAG,
    REPLACED_TAG,
    ROLLED_BACK_TAG,
    Held,
    Tracking,
)

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
    _bar(tracking, champion, back=previous, as_of=as_of)
    tracking.tag_version(previous.version, {PROMOTED_TAG: as_of.isoformat(), REPLACED_TAG: previous.version})
    tracking.set_alias(CHAMPION, previous.version)
    tracking.set_alias(PREVIOUS, champion.version)
    return previous, champion


def go_back(tracking: Tracking, *, out: Held, back: str, as_of: date) -> Held:
    """Take a version out of use for an earlier one; unlike `rollback`, a rerun of the date starts from `out` again."""
    earlier = tracking.version(back)
    if earlier is None:
        raise BadInputError(f"Version {back} is gone.", where=tracking.uri, remedy="Restore var/mlflow from a copy.")
    _bar(tracking, out, back=earlier, as_of=as_of)
    tracking.tag_version(back, {PROMOTED_TAG: as_of.isoformat(), REPLACED_TAG: out.version})
    tracking.set_alias(CHAMPION, back)
    tracking.set_alias(PREVIOUS, out.version)
    return tracking.version(back) or earlier


def fallback(tracking: Tracking, held: Held) -> Held | None:
    """The newest version before this one that is another model and was not itself taken out of use, or None.

    It follows what each version replaced, so the answer for a version does not depend on where the aliases stand.
    """
    seen = {held.version}
    version = held.tags.get(REPLACED_TAG, _NOTHING)
    while version != _NOTHING and version not in seen:
        seen.add(version)
        found = tracking.version(version)
        if found is None:
            return None
        if found.root != held.root and not is_barred(found):
            return found
        version = found.tags.get(REPLACED_TAG, _NOTHING)
    return None


def is_barred(held: Held) -> bool:
    """Whether a version was taken out of use: it is never promoted again by itself."""
    return ROLLED_BACK_TAG in held.tags


def _bar(tracking: Tracking, out: Held, *, back: Held, as_of: date) -> None:
    tracking.tag_version(out.version, {ROLLED_BACK_TAG: as_of.isoformat()})
    if out.root == back.root:
        # A calibrator was taken off again: another one is put on by a person alone.
        tracking.tag_version(back.version, {AS_TRAINED_TAG: as_of.isoformat()})
        return
    for version in tracking.lineage(out.root):
        tracking.tag_version(version, {ROLLED_BACK_TAG: as_of.isoformat()})
