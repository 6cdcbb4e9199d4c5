"""`recovery serve`: what answers requests from outside, and `recovery inbound`, which reads what came by mail."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.console import err, out
from cli.workspace import find_workspace

SourcesOption = Annotated[Path | None, typer.Option("--sources", help="sources.yml; default: the configured one.")]
serve_app = typer.Typer(help="Serve the feedback routes or the scoring API.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.add_typer(serve_app, name="serve")
    app.command("inbound")(inbound)


@serve_app.callback()
def serve() -> None:
    """Serve what answers requests; loopback unless told otherwise."""


@serve_app.command("feedback")
def feedback(
    host: Annotated[str, typer.Option(help="Address to listen on; anything but loopback needs a TLS proxy.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; default RECOVERY_FEEDBACK_PORT.")] = -1,
    sources: SourcesOption = None,
) -> None:
    """Unsubscribe page, event webhook and health routes, until Ctrl-C."""
    from serving.run import is_loopback, serve_feedback

    settings = find_workspace(sources).engine.settings
    port = settings.feedback_port if port < 0 else port
    if not is_loopback(host):
        err.print("[yellow]Not on loopback:[/yellow] put a proxy in front that ends TLS; one-click links are HTTPS.")
    out.print(f"Feedback  http://{host}:{port}  (/u/<token>, /webhooks/events, /healthz, /readyz, /metrics)")
    serve_feedback(settings, host=host, port=port)


@serve_app.command("api")
def api(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; default RECOVERY_API_PORT.")] = -1,
    host: Annotated[str, typer.Option(help="Address to listen on; anything but loopback needs a TLS proxy.")] = (
        "127.0.0.1"
    ),
    workers: Annotated[int, typer.Option(min=0, max=64, help="Processes; default RECOVERY_API_WORKERS.")] = 0,
    sources: SourcesOption = None,
) -> None:
    """Scoring API, until Ctrl-C; requests at work are finished first. /docs describes it."""
    from cli.servers import environment
    from serving.run import is_loopback

    workspace = find_workspace(sources)
    settings = workspace.engine.settings
    port = settings.api_port if port < 0 else port
    if not is_loopback(host):
        err.print("[yellow]Not on loopback:[/yellow] put a proxy in front that ends TLS; keys travel in headers.")
    out.print(f"API  http://{host}:{port}/docs  (keys: recovery apikey issue)")
    command = [sys.executable, "-m", "serving.api", "--host", host, "--port", str(port)]
    command += ["--workers", str(workers or settings.api_workers)]
    surroundings = environment(workspace) | {"RECOVERY_VAR_DIR": str(settings.var_dir)}
    os.execve(sys.executable, command, surroundings)  # noqa: S606 - in place of this process, which loaded Dagster


def inbound(
    file: Annotated[Path, typer.Argument(help="One .eml file, an mbox, or a maildir.")],
    sources: SourcesOption = None,
) -> None:
    """Read replies and bounces into the ledger; a message that was read before changes nothing."""
    from recovery.addresses import load_address_key
    from recovery.inbound.mailbox import read_messages
    from recovery.inbound.messages import events_of
    from recovery.inbound.record import record_events
    from recovery.ledger import open_ledger
    from recovery.ledger.engine import make_engine

    workspace = find_workspace(sources)
    settings = workspace.engine.settings
    url = settings.ledger_sqlalchemy_url
    open_ledger(url).close()
    engine = make_engine(url)
    now = workspace.engine.now().replace(tzinfo=None)
    hash_address = load_address_key(settings.secrets_dir).hash
    counts: dict[str, int] = {}
    try:
        for message in read_messages(file):
            events = events_of(message, now=now)
            recorded = record_events(engine, events, now=now, hash_address=hash_address, sender_id=settings.sender_id)
            for event, landing in zip(events, recorded.landings, strict=True):
                key = f"{event.kind.value} {landing.value}"
                counts[key] = counts.get(key, 0) + 1
            if not events:
                counts["not understood"] = counts.get("not understood", 0) + 1
    finally:
        engine.dispose()
    for name, number in sorted(counts.items()):
        out.print(f"{number:>7,}  {name}")
    if not counts:
        out.print("No message was found there.")
