"""From a chunk's history to dated rows: one flat table of events, whatever the CRM."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import numpy as np
import pyarrow as pa

from simulation import texts
from simulation.draws import BoolArray, FloatArray, IntArray, WordArray, choice, uniform, words
from simulation.history import History
from simulation.law import Matrix
from simulation.mail import Intent, Lane, MailOutcome, mail_outcome, reply_intent
from simulation.people import GOHIGHLEVEL, People
from simulation.settings import DAY, WEEK, WorldSettings


class Kind(IntEnum):
    """What a row of an export tells."""

    REPLY = 1
    FORM = 2
    CALL_IN = 3
    MEETING_BY_PERSON = 4
    TEXT_IN = 5
    PAGE = 6
    REP_MAIL = 7
    REP_CALL = 8
    NOTE = 9
    TASK = 10
    MEETING_BY_REP = 11
    TEXT_OUT = 12
    SENT = 20
    DELIVERED = 21
    OPEN = 22
    CLICK = 23
    BOUNCE = 24
    STATUS_CHANGE = 25
    SPAM_REPORT = 26
    MACHINE_OPEN = 27
    SCANNER_CLICK = 28
    SOFT_BOUNCE = 29


@dataclass(frozen=True)
class Sends:
    """Bulk mails of a chunk with what became of them; `slot` is the record that shows them."""

    who: IntArray
    week: FloatArray
    lane: IntArray
    slot: IntArray
    campaign: IntArray
    at: IntArray
    fate: MailOutcome


def clock(world: WorldSettings, people: People, who: IntArray, week: FloatArray) -> IntArray:
    """Epoch seconds of a moment: each day's acts fall into the person's own hours, in unchanged order."""
    day = np.floor(week * 7 + 1e-9)
    part = np.clip(week * 7 - day, 0.0, 0.9999)
    hours = people.hour_low[who] + part * people.hour_span[who]
    return world.start_epoch + (day * DAY + hours * 3600).astype(np.int64)


def moment(world: WorldSettings, people: People, who: IntArray, epoch: IntArray) -> FloatArray:
    """Inverse of `clock` for a time given in epoch seconds, clipped into the person's hours."""
    since = epoch - world.start_epoch
    day = since // DAY
    hours = (since - day * DAY) / 3600
    part = np.clip((hours - people.hour_low[who]) / people.hour_span[who], 0.0, 0.9999)
    return (day + part) / 7


def before_eleven(epoch: IntArray) -> IntArray:
    """Move the last hour of a day one hour and more ahead, since exports are drawn at 23:00."""
    late = epoch % DAY >= 23 * 3600
    return np.where(late, epoch - 3600 - 60, epoch)


def spots(matrix: Matrix, end: float) -> tuple[IntArray, FloatArray]:
    """Positions and times (weeks) of the entries of a matrix before `end`."""
    week, who = np.nonzero(~np.isnan(matrix))
    times: FloatArray = week.astype(np.float64) + matrix[week, who]
    keep = times < end
    return who[keep].astype(np.int64), times[keep]


class Rows:
    """Collects columns of events."""

    def __init__(self, world: WorldSettings, people: People) -> None:
        self.world = world
        self.people = people
        self.parts: list[dict[str, Any]] = []

    def add(
        self,
        kind: Any,
        who: IntArray,
        at: IntArray,
        week: FloatArray,
        *,
        slot: Any = -1,
        lane: Any = 9,
        intent: Any = -1,
        starts: IntArray | None = None,
        reply_to: WordArray | None = None,
        campaign: Any = -1,
    ) -> WordArray:
        """Append rows; `slot` -1 lets person and week choose the record. Returns the ids of the rows."""
        n = len(who)
        kinds = np.broadcast_to(np.asarray(kind, dtype=np.int64), n)
        lanes = np.broadcast_to(np.asarray(lane, dtype=np.int64), n)
        at = before_eleven(at)
        event = words(self.world.seed, 200, self.people.pid[who], at, kinds, lanes) if n else np.zeros(0, np.uint64)
        self.parts.append(
            {
                "who": who,
                "kind": kinds,
                "at": at,
                "starts": at if starts is None else starts,
                "week": np.floor(week).astype(np.int64),
                "slot": np.broadcast_to(np.asarray(slot, dtype=np.int64), n),
                "lane": lanes,
                "intent": np.broadcast_to(np.asarray(intent, dtype=np.int64), n),
                "event": event,
                "reply_to": np.zeros(n, np.uint64) if reply_to is None else reply_to,
                "campaign": np.broadcast_to(np.asarray(campaign, dtype=np.int64), n),
            }
        )
        return event

    def table(self) -> dict[str, Any]:
        """All rows, one array per column."""
        return {name: np.concatenate([part[name] for part in self.parts]) for name in self.parts[0]}


def _acts(rows: Rows, past: History, end: float) -> None:
    """Acts of level 2 or more; a reply answers the last mail of a rep where there was one shortly before."""
    world, people = rows.world, rows.people
    who, week = spots(past.react, end)
    pid, whole = people.pid[who], np.floor(week).astype(np.int64)
    first = np.floor(people.created[who]) == whole
    kind = np.array([Kind.REPLY, Kind.FORM, Kind.CALL_IN, Kind.MEETING_BY_PERSON, Kind.TEXT_IN])[
        np.where(
            first,
            choice(world.seed, 71, (0.1, 0.6, 0.2, 0.1), pid, whole),
            np.where(
                people.crm[who] == GOHIGHLEVEL,
                choice(world.seed, 72, (0.3, 0.15, 0.15, 0.12, 0.28), pid, whole),
                choice(world.seed, 73, (0.5, 0.2, 0.15, 0.15), pid, whole),
            ),
        )
    ]
    caused = past.caused[whole, who]
    kind = np.where(caused & (uniform(world.seed, 74, pid, whole) < 0.7), Kind.REPLY, kind)
    at = clock(world, people, who, week)
    lead = ((2 + 8 * uniform(world.seed, 75, pid, whole)).astype(np.int64)) * DAY
    starts = np.where(kind == Kind.MEETING_BY_PERSON, at + lead, at)
    intent = np.where(np.isin(kind, (Kind.REPLY, Kind.TEXT_IN)), reply_intent(world, pid, whole), -1)
    rows.add(kind, who, at, week, intent=intent, starts=starts, reply_to=_answered(rows, past, who, week))


def _answered(rows: Rows, past: History, who: IntArray, week: FloatArray) -> WordArray:
    """Id of the rep's mail of this or the last week that came before the act, else 0."""
    world, people = rows.world, rows.people
    whole = np.floor(week).astype(np.int64)
    found = np.zeros(len(who), np.uint64)
    for back in (1, 0):
        source = np.maximum(whole - back, 0)
        sent = source + past.rep[source, who].astype(np.float64)
        is_mail = uniform(world.seed, 76, people.pid[who], source) < 0.6
        fits = (sent < week) & is_mail & (people.created[who] <= sent)
        at = before_eleven(clock(world, people, who, np.where(fits, sent, 0.0)))
        event = words(world.seed, 200, people.pid[who], at, np.full(len(who), Kind.REP_MAIL), np.full(len(who), 9))
        found = np.where(fits, event, found)
    return found


def _pages(rows: Rows, past: History, end: float) -> None:
    week, who = np.nonzero(past.pages)
    count = past.pages[week, who]
    for number in range(3):
        more = count > number
        at_week = week[more] + uniform(rows.world.seed, 80 + number, rows.people.pid[who[more]], week[more])
        keep = (at_week < end) & (at_week > rows.people.created[who[more]])
        chosen, at_week = who[more][keep].astype(np.int64), at_week[keep]
        rows.add(Kind.PAGE, chosen, clock(rows.world, rows.people, chosen, at_week), at_week, slot=0)


def _reps(rows: Rows, past: History, end: float) -> None:
    """Mails, calls, notes, tasks and meetings of reps."""
    world, people = rows.world, rows.people
    who, week = spots(past.rep, end)
    keep = week > people.created[who]
    who, week = who[keep], week[keep]
    pid, whole = people.pid[who], np.floor(week).astype(np.int64)
    at = clock(world, people, who, week)
    is_mail = uniform(world.seed, 76, pid, whole) < 0.6
    connected = np.where(is_mail, -1, (uniform(world.seed, 77, pid, whole) < 0.45).astype(np.int64))
    rows.add(np.where(is_mail, Kind.REP_MAIL, Kind.REP_CALL), who, at, week, intent=connected)
    for kind, stream, share, days in (
        (Kind.NOTE, 85, 0.45, 0),
        (Kind.TASK, 86, 0.25, 9),
        (Kind.MEETING_BY_REP, 87, 0.06, 7),
    ):
        extra = uniform(world.seed, stream, pid, whole) < share
        ahead = (uniform(world.seed, stream + 10, pid[extra], whole[extra]) * days * DAY).astype(np.int64)
        noted = at[extra] + 600 + 60 * (kind == Kind.TASK)
        rows.add(kind, who[extra], noted, week[extra], starts=noted + ahead)


def bulk_sends(world: WorldSettings, past: History, end: float, engine: Sends | None = None) -> tuple[Sends, ...]:
    """Every bulk mail before `end` with its fate; the engine's own mails come ready."""
    found = []
    for matrix, lane in ((past.news, Lane.NEWSLETTER), (past.campaign, Lane.CAMPAIGN)):
        who, week = spots(matrix, end)
        fate = mail_outcome(world, past.people, who, week, lane)
        at = clock(world, past.people, who, week)
        same = np.full(len(who), int(lane))
        number = np.floor(week).astype(np.int64) + 1000 * (1 + int(lane))
        found.append(Sends(who, week, same, np.zeros_like(who), number, at, fate))
    return (*found, engine) if engine is not None else tuple(found)


def _mails(rows: Rows, sends: Sends, end: float) -> None:
    """The trail of each mail: sent, delivered, opened by machine and person, clicked, answered."""
    seed, people, fate = rows.world.seed, rows.people, sends.fate

    def trail(kind: Kind, which: BoolArray, delay: IntArray | int, intent: Any = -1) -> None:
        late = delay[which] if isinstance(delay, np.ndarray) else delay
        rows.add(
            kind, sends.who[which], sends.at[which] + late, sends.week[which], slot=sends.slot[which],
            lane=sends.lane[which], campaign=sends.campaign[which],
            intent=intent[which] if isinstance(intent, np.ndarray) else intent,
        )  # fmt: skip

    pid = people.pid[sends.who]
    opened = (300 + 5 * 3600 * uniform(seed, 90, pid, sends.at, sends.lane)).astype(np.int64)
    shown = np.where(fate.click | fate.scanner_click, 2, np.where(fate.human_open | fate.machine_open, 1, 0))
    settled = sends.at + 6 * 3600 < rows.world.start_epoch + int(end * WEEK)
    shown = np.where(settled, shown, 0)
    shown = np.where(fate.hard_bounce, 3, np.where(fate.soft_bounce, 4, shown))
    trail(Kind.SENT, np.ones(len(pid), dtype=bool), 0, shown)
    trail(Kind.DELIVERED, fate.delivered, 20)
    trail(Kind.BOUNCE, fate.hard_bounce, 25)
    trail(Kind.SOFT_BOUNCE, fate.soft_bounce, 25)
    trail(Kind.MACHINE_OPEN, fate.machine_open, 45)
    trail(Kind.SCANNER_CLICK, fate.scanner_click, 60)
    trail(Kind.OPEN, fate.human_open, opened)
    trail(Kind.CLICK, fate.click, opened + 40)
    trail(Kind.STATUS_CHANGE, fate.opt_out & ~fate.by_text, opened + 90)
    trail(Kind.SPAM_REPORT, fate.complaint, opened + 120)
    answer = np.where(fate.reply == Intent.OUT_OF_OFFICE, 30, opened + 240)
    trail(Kind.REPLY, fate.reply >= 0, answer, fate.reply)


def _engine_contacts(
    rows: Rows, who: IntArray, week: FloatArray, at: IntArray, slot: IntArray, channel: IntArray
) -> None:
    """Texts and calls that a batch asked for; some texts are answered with STOP."""
    is_text = channel == 1
    kind = np.where(is_text, Kind.TEXT_OUT, Kind.REP_CALL)
    pid = rows.people.pid[who]
    connected = np.where(is_text, -1, (uniform(rows.world.seed, 97, pid, at) < 0.4).astype(np.int64))
    rows.add(kind, who, at, week, slot=slot, lane=Lane.ENGINE, intent=connected)
    stops = is_text & (uniform(rows.world.seed, 98, pid, at) < rows.world.optout_per_mail)
    rows.add(Kind.TEXT_IN, who[stops], at[stops] + 900, week[stops], slot=slot[stops], intent=Intent.UNSUBSCRIBE)


def event_table(
    world: WorldSettings, past: History, *, end: float, sends: tuple[Sends, ...], calls: Any = None
) -> dict[str, Any]:
    """All events of a chunk that happen before `end` (weeks from the start), unsorted."""
    rows = Rows(world, past.people)
    _acts(rows, past, end)
    _pages(rows, past, end)
    _reps(rows, past, end)
    for part in sends:
        _mails(rows, part, end)
    if calls is not None:
        _engine_contacts(rows, *calls)
    return rows.table()


_PHRASES: Final = tuple(text for group in texts.REPLIES for text in group) + texts.NOTES + texts.INJECTIONS
_REPLY_START: Final = np.cumsum([0] + [len(group) for group in texts.REPLIES])
_NOTE_START: Final = int(_REPLY_START[-1])
_INJECTION_START: Final = _NOTE_START + len(texts.NOTES)
_TOPICS: Final = (*texts.FORMS, *texts.SUBJECTS, *texts.NEWS_SUBJECTS)


def _phrases(world: WorldSettings, events: dict[str, Any]) -> tuple[pa.Array, BoolArray]:
    """Text of each reply and note; a few carry an injection instead."""
    kind, word = events["kind"], (events["event"] >> np.uint64(20)).astype(np.int64)
    is_reply = np.isin(kind, (Kind.REPLY, Kind.TEXT_IN))
    is_note = kind == Kind.NOTE
    intent = np.where(is_reply, events["intent"], 0)
    size = np.diff(_REPLY_START)[intent]
    code = np.where(is_reply, _REPLY_START[intent] + word % size, _NOTE_START + word % len(texts.NOTES))
    spoiled = (is_reply | is_note) & (uniform(world.seed, 99, events["event"]) < world.injection)
    code = np.where(spoiled, _INJECTION_START + word % len(texts.INJECTIONS), code)
    return pa.array(_PHRASES).take(pa.array(code, mask=~(is_reply | is_note))), spoiled


def to_arrow(world: WorldSettings, events: dict[str, Any], subjects: dict[tuple[int, int], str]) -> pa.Table:
    """Events as an Arrow table for DuckDB, with their texts; `at` is named `stamp` there.

    `subjects` holds the engine's own subjects by person (position in the chunk) and whole week.
    """
    phrases, spoiled = _phrases(world, events)
    kind = events["kind"]
    pick = (events["event"] >> np.uint64(40)).astype(np.int64) % 4
    group = np.where(kind == Kind.FORM, 0, np.where(kind >= Kind.SENT, 8 + events["campaign"] % 4 - pick, 4))
    columns = {"stamp" if name == "at" else name: pa.array(np.ascontiguousarray(v)) for name, v in events.items()}
    topics = pa.array(_TOPICS).take(pa.array(group + pick))
    own = np.flatnonzero((events["lane"] == Lane.ENGINE) & (kind >= Kind.SENT))
    if len(own):
        words_of = topics.to_numpy(zero_copy_only=False).copy()
        places = zip(events["who"][own].tolist(), events["week"][own].tolist(), strict=True)
        words_of[own] = [subjects.get(place, "") for place in places]
        topics = pa.array(words_of, pa.string())
    return pa.table({**columns, "phrase": phrases, "topic": topics, "has_injection": spoiled})
