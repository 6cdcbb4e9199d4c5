"""What the ledger quotes: messages of a person go, mentions in messages of others are blotted out, and none is left."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

import sqlalchemy as sa

from recovery.ledger import schema as tables
from recovery.rights.matching import ERASED, Identifiers, cased, digits_of, is_same_number

# Words of an erasure that is not through yet; see `recovery.rights.unfinished`.
ERASURE: Final = "erasure"
_QUOTING: Final = ("address", "subject", "text", "html", "extra")
_BATCH: Final = 500
# So many words in one statement; each is looked for in several columns.
_WORDS: Final = 40


def delete_messages(connection: sa.Connection, people: Identifiers) -> int:
    """Remove contents of these people: by person, by touch, and by the mailbox or number they came from."""
    content, taken = tables.contents, 0
    for column, values in (
        (content.c.person_id, people.person_ids),
        (content.c.ref_id, people.touch_ids),
        (sa.func.lower(content.c.address), people.emails | people.numbers),
    ):
        for chunk in chunks(values):
            taken += connection.execute(sa.delete(content).where(column.in_(chunk))).rowcount
    return taken + _delete_by_number(connection, people)


def _delete_by_number(connection: sa.Connection, people: Identifiers) -> int:
    """Numbers in any spelling; two last digits narrow the look."""
    content, ends = tables.contents, {phone[-2:] for phone in people.phones}
    if not ends:
        return 0
    query = sa.select(content.c.kind, content.c.ref_id, content.c.address).where(
        content.c.address != "", content.c.address.not_like("%@%"),
        sa.or_(*(content.c.address.endswith(end) for end in sorted(ends))),
    )  # fmt: skip
    taken = 0
    for row in connection.execute(query).all():
        if any(is_same_number(digits_of(row.address), phone) for phone in people.phones):
            taken += connection.execute(sa.delete(content).where(*_is_row(row))).rowcount
    return taken


def blot_mentions(connection: sa.Connection, people: Identifiers) -> int:
    """Replace these people's words in messages of others by `[erased]`; returns the messages."""
    content, changed = tables.contents, 0
    for words in _groups(people.words):
        pattern = re.compile("|".join(map(re.escape, words)), re.IGNORECASE)
        query = sa.select(content).where(content.c.kind != ERASURE, _mentions(content, _QUOTING, words))
        for row in connection.execute(query).all():
            values = {name: pattern.sub(ERASED, getattr(row, name)) for name in _QUOTING}
            changed += connection.execute(sa.update(content).where(*_is_row(row)).values(values)).rowcount
    return changed


def texts_that_name(connection: sa.Connection, words: Iterable[str]) -> list[str]:
    """Text columns of the ledger, `table.column`, that still hold one of the words; hashes are left out.

    The answer to "is anything left?" on a database server, whose files nobody here can search.
    """
    found = []
    for table in tables.metadata.sorted_tables:
        for column in table.c:
            if not isinstance(column.type, sa.Text) or "sha256" in column.name or "hash" in column.name:
                continue
            kept = [table.c.kind != ERASURE] if table is tables.contents else []
            for group in _groups(words):
                query = sa.select(sa.literal(1)).where(*kept, _mentions(table, (column.name,), group)).limit(1)
                if connection.execute(query).first() is not None:
                    found.append(f"{table.name}.{column.name}")
                    break
    return found


def chunks(values: Iterable[str]) -> Iterator[list[str]]:
    """Sorted values in groups that one statement takes."""
    ordered = sorted(values)
    return (ordered[start : start + _BATCH] for start in range(0, len(ordered), _BATCH))


def _groups(words: Iterable[str]) -> Iterator[list[str]]:
    ordered = list(words)
    return (ordered[start : start + _WORDS] for start in range(0, len(ordered), _WORDS))


def _mentions(table: sa.Table, columns: Iterable[str], words: Iterable[str]) -> sa.ColumnElement[bool]:
    forms = cased(words)
    return sa.or_(*(table.c[name].icontains(form, autoescape=True) for name in columns for form in forms))


def _is_row(row: Any) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return tables.contents.c.kind == row.kind, tables.contents.c.ref_id == row.ref_id
