"""The command line. Errors a person can mend end with status 2 and one message."""

from __future__ import annotations

import errno
import gc
import shutil
import sys
from typing import NoReturn

import typer

from lion_search.commands import programs as program_commands
from lion_search.commands import runs as run_commands
from lion_search.commands import simplification as simplify_commands
from lion_search.commands import tasks as task_commands
from lion_search.dsl.errors import LionSearchError
from lion_search.dsl.shown import plural
from lion_search.runs.stopping import RunInterruptedError

app = typer.Typer(
    help="Discovers optimizers by evolving programs from AdamW. A REF is a file of program text, a "
    "library name such as lion, or RUN:ID.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.add_typer(run_commands.app)
app.add_typer(program_commands.app)
app.add_typer(task_commands.app)
app.add_typer(simplify_commands.app)


def main() -> None:
    """Runs the command line; the console command ``lion-search``."""
    # A log is read into many small objects that live to the end: looking for cycles among them is slow.
    gc.set_threshold(100_000)
    try:
        _run_command()
    except LionSearchError as error:
        _fail(f"Error: {error}", status=2)
    except KeyboardInterrupt:
        _fail("Interrupted.", status=130)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        _fail(f"Error: a file's name is too long: {str(error.filename)[:60]} ...", status=2)


def _run_command() -> None:
    try:
        app()
    except RunInterruptedError as stop:
        done = stop.progress
        message = (
            f"Interrupted after {plural(done.num_programs, 'program')}, {done.num_evaluated:,} evaluated; "
            f"all are in the database of {stop.folder}.\nGo on: lion-search resume {stop.folder}\n"
            f"Look at them: lion-search top {stop.folder}"
        )
        _fail(message, status=130)


def _fail(message: str, *, status: int) -> NoReturn:
    if sys.stderr.isatty():
        from lion_search.commands.printing.wrapping import wrapped

        width = shutil.get_terminal_size().columns
        message = "\n".join(wrapped(message, width))
    print(message, file=sys.stderr)  # noqa: T201 -- the one place that reports errors
    sys.exit(status)
