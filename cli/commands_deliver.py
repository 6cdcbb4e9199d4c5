"""`recovery deliver`, `recovery batches`: send what is approved, and keep a hand on every batch."""

from __future__ import annotations

import getpass
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Lock
from typing import Annotated, Any

import typer
from rich.table import Table

from cli.console import err, out, progress_bar, show_error
from cli.workspace import Workspace, find_workspace
from contracts.errors import BadInputError

SourcesOption = Annotated[Path | None, typer.Option("--sources", help="sources.yml; default: the configured one.")]
ReasonOption = Annotated[str, typer.Option("--why", help="Reason, kept in the audit.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("deliver")(deliver)
    app.command("batches")(batches)


def deliver(
    send: Annotated[bool, typer.Option("--send", help="Really send; without it nothing leaves.")] = False,
    batch: Annotated[str | None, typer.Option("--batch", help="This batch only.")] = None,
    wait: Annotated[float, typer.Option("--wait", min=0, help="Minutes to wait for touches not due yet.")] = 0.0,
    unknown: Annotated[bool, typer.Option("--unknown", help="List touches nobody knows to have arrived.")] = False,
    dead_letters: Annotated[bool, typer.Option("--dead-letters", help="List failed touches that can be replayed.")] = (
        False
    ),
    adopt: Annotated[str, typer.Option("--adopt", help="Who lets a restored or copied ledger send, and why.")] = "",
    sources: SourcesOption = None,
) -> None:
    """Send approved batches through their sinks; a dry run unless --send is given."""
    workspace = find_workspace(sources)
    if unknown:
        _list_unknown(workspace)
    elif dead_letters:
        _list_dead_letters(workspace)
    elif send:
        _send(workspace, batch, timedelta(minutes=wait), adopt)
    else:
        _show(workspace)
        _foresee(workspace, batch)


def _foresee(workspace: Workspace, batch: str | None) -> None:
    """What `--send` would do now."""
    from pipelines.campaigns.sending import naive_now
    from recovery.delivery.counts import count_batch, count_waiting

    now = naive_now(workspace.engine)
    with _ledger(workspace) as ledger:
        if batch is not None:
            count_batch(ledger.engine, batch)  # told when there is none
        waiting = count_waiting(ledger.engine, now=now, batch_id=batch)
    for row in waiting:
        later = f", {row.later:,} from {row.opens:%Y-%m-%d %H:%M} UTC on" if row.opens else ""
        out.print(f"Through {row.sink}, {row.channel}: {row.due:,} due now{later}.")
    out.print(
        "Dry run: nothing was sent. "
        + ("`recovery deliver --send` sends what is due." if waiting else "Nothing is approved that could be sent.")
    )


def _send(workspace: Workspace, batch: str | None, patience: timedelta, adopt: str) -> None:
    from pipelines.campaigns.sending import Sending
    from recovery.delivery.deliver import Order

    told: Counter[str] = Counter()
    lock = Lock()
    with Sending(workspace.engine, batch) as sending, progress_bar("Delivering", sending.open_touches) as (bar, task):

        def advance(settlements: Sequence[Any]) -> None:  # from many threads
            with lock:
                told.update("put off" if s.state.value == "approved" else s.state.value for s in settlements)
            bar.advance(task, sum(s.state.value != "approved" for s in settlements))

        sending.delivery.progress = advance
        with _drained_by_signals(sending.delivery.drain):
            report = sending.run(Order(batch_id=batch, patience=patience, adopt=adopt))
    for name, trouble in report.troubles.items():
        show_error(trouble, title=f"Not done: {name}")
    _show(workspace)
    out.print(f"This run: {', '.join(f'{n:,} {name}' for name, n in sorted(told.items())) or 'nothing was due'}.")
    if report.next_due is not None:
        out.print(f"The next touch is due at {report.next_due:%Y-%m-%d %H:%M} UTC.")
    if report.troubles:
        raise typer.Exit(1)


@contextmanager
def _drained_by_signals(drain: Callable[[], None]) -> Iterator[None]:
    """SIGTERM and the first Ctrl-C end the run in good order; a second Ctrl-C ends it at once."""

    def stop(number: int, _frame: object) -> None:
        err.print("Stopping: what is in hand is finished or given back.")
        drain()
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    previous = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _ledger(workspace: Workspace) -> Any:
    from pipelines.campaigns.inputs import open_day_ledger

    return open_day_ledger(workspace.engine.settings)


def _show(workspace: Workspace) -> None:
    from pipelines.campaigns.sending import FINAL_ORDER, complaint_warnings, standing_batches
    from recovery.ledger import BatchState

    table = Table(title="Batches")
    for name in ("batch", "state", "target", "sent", "skipped", "failed", "unknown", "open", "why"):
        is_name = name in ("batch", "state", "why")
        table.add_column(name, justify="left" if is_name else "right", no_wrap=name != "why")
    with _ledger(workspace) as ledger:
        standing = standing_batches(ledger)[:20]
        warnings = complaint_warnings(workspace.engine, ledger)
        for batch in standing:
            counts = batch.counts
            numbers = [counts.target, *(counts.total(state) for state in FINAL_ORDER), counts.open]
            state = batch.record.state.value
            table.add_row(batch.record.batch_id, state, *(f"{n:,}" for n in numbers), batch.record.state_reason)
    if not standing:
        out.print("There is no batch yet; `recovery plan` makes one.")
        return
    out.print(table)
    for words in warnings:
        out.print(f"[yellow]Warning[/yellow] {words}", soft_wrap=True)
    for batch in standing:
        if batch.record.state is BatchState.RECORDED:
            out.print(f"{batch.record.batch_id} waits for approval. Look at it, then:", soft_wrap=True)
            out.print(f"  recovery approve {batch.record.batch_id} --sha256 {batch.record.sha256}", soft_wrap=True)


def _list_unknown(workspace: Workspace) -> None:
    from recovery.delivery.reconcile import list_unknown

    table = Table(title="Unknown: may have arrived, never sent again by themselves")
    for name in ("touch", "person", "batch", "sink", "why", "since"):
        table.add_column(name, overflow="fold")
    with _ledger(workspace) as ledger:
        for touch in list_unknown(ledger.engine):
            since = f"{touch.since:%Y-%m-%d %H:%M}"
            table.add_row(touch.touch_id, touch.person_id, touch.batch_id, touch.sink, touch.reason, since)
    out.print(table)
    out.print("Ask the far end, then: recovery batches --resolve TOUCH --as sent|not-sent")


def _list_dead_letters(workspace: Workspace) -> None:
    from recovery.delivery.reconcile import list_dead_letters

    table = Table(title="Dead letters: never reached the far end")
    for name in ("touch", "batch", "sink", "why", "code", "tries"):
        table.add_column(name, overflow="fold")
    with _ledger(workspace) as ledger:
        for letter in list_dead_letters(ledger.engine):
            table.add_row(
                letter.touch_id, letter.batch_id, letter.sink, letter.reason, letter.code, str(letter.attempts)
            )
    out.print(table)
    out.print("Mend the cause, then: recovery batches --replay BATCH")


def batches(
    pause: Annotated[str | None, typer.Option("--pause", help="Hold this batch.")] = None,
    resume: Annotated[str | None, typer.Option("--resume", help="Let a paused or stopped batch go on.")] = None,
    cancel: Annotated[str | None, typer.Option("--cancel", help="End this batch; what has not left is skipped.")] = (
        None
    ),
    replay: Annotated[str | None, typer.Option("--replay", help="Try the dead letters of this batch again.")] = None,
    resolve: Annotated[str | None, typer.Option("--resolve", help="An unknown touch whose fate is known now.")] = None,
    outcome: Annotated[str, typer.Option("--as", help="sent or not-sent, with --resolve.")] = "",
    why: ReasonOption = "by hand",
    sources: SourcesOption = None,
) -> None:
    """Show every batch; pause, resume or cancel one, replay its dead letters, resolve an unknown touch."""
    from pipelines.campaigns.sending import naive_now
    from recovery.delivery.control import cancel_batch, pause_batch, resume_batch
    from recovery.delivery.reconcile import replay as replay_batch

    workspace = find_workspace(sources)
    now, who = naive_now(workspace.engine), f"{why} ({getpass.getuser()})"
    with _ledger(workspace) as ledger:
        if pause:
            pause_batch(ledger.engine, pause, reason=who, now=now)
        if resume:
            resume_batch(ledger.engine, resume, reason=who, now=now)
        if cancel:
            out.print(f"{cancel_batch(ledger.engine, cancel, reason=who, now=now):,} touches are skipped.")
        if replay:
            out.print(f"{replay_batch(ledger.engine, replay, by=who, now=now):,} touches will be tried again.")
        if resolve:
            _resolve(ledger, resolve, outcome, who, now)
    _show(workspace)


def _resolve(ledger: Any, touch_id: str, outcome: str, who: str, now: Any) -> None:
    from recovery.delivery.reconcile import resolve
    from recovery.sinks.protocol import ReceiptStatus

    words = {"sent": ReceiptStatus.SENT, "not-sent": ReceiptStatus.PASSING}
    if outcome not in words:
        raise BadInputError(
            "An unknown touch is resolved as sent or not-sent.", where=touch_id, remedy="Add --as sent."
        )
    resolve(ledger.engine, touch_id, words[outcome], by=who, now=now)
