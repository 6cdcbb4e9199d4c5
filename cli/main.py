"""The `recovery` command: composes the rooms and holds no logic of its own."""

from __future__ import annotations

import sys

import typer

from cli import (
    commands_api,
    commands_assess,
    commands_control,
    commands_deliver,
    commands_demo,
    commands_explain,
    commands_inspect,
    commands_person,
    commands_plan,
    commands_run,
    commands_serve,
    commands_setup,
)
from cli.console import err, show_error
from contracts.errors import RecoveryError
from contracts.offline import silence

app = typer.Typer(
    name="recovery",
    help="Lead Recovery Engine: wins dormant leads back, permitted, once, and measured against a holdout.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    add_completion=False,
)
_MODULES = (
    commands_setup, commands_run, commands_plan, commands_deliver, commands_inspect, commands_explain,
    commands_assess, commands_serve, commands_api, commands_person, commands_control, commands_demo,
)  # fmt: skip
for module in _MODULES:
    module.register(app)


def main() -> None:
    """Entry point: expected errors end as one readable paragraph and exit code 1."""
    silence()
    try:
        app()
    except RecoveryError as error:
        show_error(error)
        sys.exit(1)
    except KeyboardInterrupt:
        err.print("Stopped. Nothing is half-written; run the same command again to go on.")
        sys.exit(130)
    except OSError as error:
        show_error(_told(error))
        sys.exit(1)


def _told(error: OSError) -> RecoveryError:
    remedies = {28: "Free some disk space and run the same command again; it starts where it stopped."}
    remedy = remedies.get(error.errno or 0, "Mend the cause and run the same command again; `recovery doctor` helps.")
    return RecoveryError(error.strerror or str(error), where=str(error.filename or ""), remedy=remedy)


if __name__ == "__main__":
    main()
