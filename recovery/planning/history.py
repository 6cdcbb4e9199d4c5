"""Where everybody stands in their playbook: the next step, whether it is due, and the arm that was drawn."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from contracts.words import Arm
from recovery.planning.playbooks import Playbook

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Objects = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Progress:
    """One entry per person.

    Attributes:
        playbook: name; whoever has begun one in this dormancy spell stays in it.
        step: the next step, or the last one when none is left.
        is_finished: no step is left in this dormancy spell.
        is_waiting: the next step's delay has not passed.
        arm: `held_out` or `contacted` as drawn for the first step of the spell, None before it.
    """

    playbook: Objects
    step: Ints
    is_finished: Bools
    is_waiting: Bools
    arm: Objects


def progress_of(
    people: pd.DataFrame,
    earlier: pd.DataFrame,
    *,
    initial: Objects,
    playbooks: tuple[Playbook, ...],
    as_of: date,
    touch_count: int,
) -> Progress:
    """The place of everybody in their playbook.

    Args:
        people: columns person_id (unique) and cycle.
        earlier: assignments before the day: person_id, as_of_date, playbook, step, cycle, arm.
        initial: name of the playbook that fits each person today.
        playbooks: all of them.
        as_of: the day.
        touch_count: most steps in one dormancy spell, whatever the playbooks hold.
    """
    count = len(people)
    begun = _of_this_spell(people, earlier)
    row = begun["row"].to_numpy(dtype=np.int64)
    names = np.asarray([playbook.name for playbook in playbooks], dtype=object)
    code = pd.Index(names).get_indexer(pd.Index(initial, dtype=object)).astype(np.int64)
    known = pd.Index(names).get_indexer(pd.Index(begun["playbook"], dtype=object)).astype(np.int64)
    is_known = known >= 0
    code[row[is_known]] = known[is_known]  # rows are in order of time: the latest one stays
    last = np.zeros(count, dtype=np.int64)
    same = known == code[row]
    np.maximum.at(last, row[same], begun["step"].to_numpy(dtype=np.int64)[same])
    lengths, delays = _shape(playbooks)
    had = np.bincount(row, minlength=count)
    age = np.full(count, np.iinfo(np.int64).max)
    age[row] = (pd.Timestamp(as_of) - begun["as_of_date"]).dt.days.to_numpy(dtype=np.int64)
    finished = (had > 0) & ((last >= np.minimum(lengths[code], touch_count)) | (had >= touch_count))
    step = np.minimum(last + 1, lengths[code])
    return Progress(names[code], step, finished, ~finished & (age < delays[code, step - 1]), _arms(count, row, begun))


def _of_this_spell(people: pd.DataFrame, earlier: pd.DataFrame) -> pd.DataFrame:
    """Assignments of the people's present spell in order of time, with the row number of the person."""
    found = pd.Index(people["person_id"]).get_indexer(pd.Index(earlier["person_id"]))
    cycle = people["cycle"].to_numpy(dtype=np.int64)
    mine = found >= 0
    mine[mine] = cycle[found[mine]] == earlier["cycle"].to_numpy(dtype=np.int64)[mine]
    rows: pd.DataFrame = earlier.loc[mine, ["playbook", "step", "arm"]].assign(
        row=found[mine], as_of_date=pd.to_datetime(earlier.loc[mine, "as_of_date"])
    )
    rows = rows.sort_values(["row", "as_of_date", "step", "playbook"], ignore_index=True)
    return rows


def _shape(playbooks: tuple[Playbook, ...]) -> tuple[Ints, Ints]:
    """Steps per playbook, and the delay of each step in days."""
    lengths = np.asarray([len(playbook.steps) for playbook in playbooks], dtype=np.int64)
    delays = np.zeros((len(playbooks), int(lengths.max())), dtype=np.int64)
    for index, playbook in enumerate(playbooks):
        delays[index, : len(playbook.steps)] = [step.delay_days for step in playbook.steps]
    return lengths, delays


def _arms(count: int, row: Ints, begun: pd.DataFrame) -> Objects:
    arm = np.full(count, None, dtype=object)
    arm[row] = Arm.CONTACTED.value
    arm[row[(begun["arm"] == Arm.HELD_OUT.value).to_numpy(dtype=bool)]] = Arm.HELD_OUT.value
    return arm
