"""The command line. Errors a person can mend end with status 2 and one message."""

from __future__ import annotations

import contextlib
import errno
import gc
import io
import os
import shutil
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

import typer

from lion_search.commands import logs as log_commands
from lion_search.commands import programs as program_commands
from lion_search.commands import runs as run_commands
from lion_search.commands import simplification as simplify_commands
from lion_search.commands import tasks as task_commands
from lion_search.dsl.errors import LionSearchError
from lion_search.dsl.shown import plural
from lion_search.runs.stopping import RunInterruptedError, WorkInterruptedError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

app = typer.Typer(
    help="Discovers optimizers by evolving programs from AdamW. A REF is a file of program text, a "
    "library name such as lion, or RUN:ID.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.add_typer(run_commands.app)
app.add_typer(log_commands.app)
app.add_typer(program_commands.app)
app.add_typer(task_commands.app)
app.add_typer(simplify_commands.app)


def main() -> None:
    """Runs the command line; the console command ``lion-search``."""
    # A log is read into many small objects that live to the end: looking for cycles among them is slow.
    gc.set_threshold(100_000)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a scheduler's Ctrl-C
    _prepare_streams()
    if os.path.expanduser("~") == "~":  # noqa: PTH111 -- Path raises; no HOME, and the user has no entry
        os.environ["HOME"] = os.devnull  # so that libraries find one, in which nothing can be kept
    try:
        _run_command()
    except LionSearchError as error:
        _fail(f"Error: {error}", status=2)
    except KeyboardInterrupt:
        _fail("Interrupted.", status=130)
    except _OutputError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python writes at its end
        _fail(f"Error: cannot write the output: {error}", status=1)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        _fail(f"Error: a file's name is too long: {str(error.filename)[:60]} ...", status=2)


class _OutputError(Exception):
    """Standard output cannot be written: its disk is full, say."""


class _Output(io.FileIO):
    """Standard output that tells its own errors from those of files. A reader that goes away is none."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise _OutputError(error.strerror) from error


def _prepare_streams() -> None:
    """What a terminal cannot show becomes a question mark; a stream that is closed, one that is empty."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):  # each gets its own number again
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 -- for good
    stream = sys.stdout
    if isinstance(stream, io.TextIOWrapper) and stream is sys.__stdout__:  # and not what a test has put there
        sys.stdout = io.TextIOWrapper(
            io.BufferedWriter(_Output(stream.fileno(), "w", closefd=False)),
            stream.encoding,
            errors="replace",
            line_buffering=stream.line_buffering or stream.write_through,
        )


def _run_command() -> None:
    try:
        try:
            app()
        finally:
            sys.stdout.flush()  # what cannot be written is known now, and not when Python ends
    except WorkInterruptedError as stop:
        _fail(str(stop), status=130)
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
    with contextlib.suppress(OSError):  # the status still says it
        print(message, file=sys.stderr)  # noqa: T201 -- the one place that reports errors
    sys.exit(status)
