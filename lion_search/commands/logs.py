"""Commands that read a log row by row: log, diff, query. They parse, call and print."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

import typer

from lion_search.commands.arguments import AsCsv, AsJson, OwnFunctions, Reference, Run, RunOrLog, read_choice
from lion_search.dsl.errors import LionSearchError

app = typer.Typer()


@app.command()
def log(
    run: RunOrLog,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run ends.")] = False,
    last: Annotated[
        int, typer.Option("--last", "-n", min=0, help="How many of those that are there; 0: all.")
    ] = 20,
    outcome: Annotated[
        list[str] | None, typer.Option(help="Only these, such as evaluated or seen; repeatable.")
    ] = None,
    status: Annotated[
        list[str] | None, typer.Option(help="Only these, such as ok or diverged; repeatable.")
    ] = None,
    events: Annotated[bool, typer.Option("--events", help="What happened to the run instead.")] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Lists individuals as they were recorded, a line each.

    With --json an object a line. Ctrl-C ends the following only.
    """
    from lion_search.analysis.logged import logged_events, logged_rows
    from lion_search.commands.printing.logs import print_events, print_logged
    from lion_search.commands.printing.output import check_form
    from lion_search.proxy_tasks.scores import Status
    from lion_search.results.records import Outcome

    check_form(as_json=as_json, as_csv=as_csv)
    if events:
        if outcome or status:
            raise LionSearchError("--outcome and --status are of individuals; --events lists none")
        print_events(logged_events(run, last=last, follow=follow), as_json=as_json, as_csv=as_csv)
        return
    rows = logged_rows(
        run,
        outcomes=[Outcome(read_choice("outcome", name, list(Outcome))) for name in outcome or ()],
        statuses=[Status(read_choice("status", name, list(Status))) for name in status or ()],
        last=last,
        follow=follow,
    )
    print_logged(rows, as_json=as_json, as_csv=as_csv)


@app.command()
def diff(
    first: Reference,
    second: Reference,
    proves: Annotated[
        bool, typer.Option("--identify", help="Look for known optimizers by proof too; takes seconds.")
    ] = False,
    own: OwnFunctions = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Compares two programs, by statement and by meaning.

    Which known optimizers they are, too, where that is seen at once.
    """
    from lion_search.analysis.difference import difference
    from lion_search.commands.printing.difference import print_difference
    from lion_search.commands.printing.output import is_printed
    from lion_search.runs.references import find_program

    found = difference(find_program(first).program, find_program(second).program, proves=proves)
    if not is_printed(found, as_json=as_json, as_csv=as_csv):
        print_difference(found, first, second)


@app.command()
def query(
    run: Run,
    sql: Annotated[
        str | None, typer.Argument(metavar="SQL", help="A SELECT; without it, the tables and columns.")
    ] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Asks a run's database in SQL, which cannot change it."""
    from lion_search.commands.printing.logs import print_records
    from lion_search.commands.printing.output import check_form, is_printed
    from lion_search.results.sql import query as ask
    from lion_search.results.sql import tables
    from lion_search.runs.references import open_log

    check_form(as_json=as_json, as_csv=as_csv)
    with closing(open_log(run)) as store:
        rows = tables(store) if sql is None else ask(store, sql)
    if not is_printed(rows, as_json=as_json, as_csv=as_csv):
        print_records(rows)
