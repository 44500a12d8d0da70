"""Commands about what a program is: simplify and identify. They parse, call and print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lion_search.commands.arguments import AsCsv, AsJson, OwnFunctions, Reference, Workers, read_workers

app = typer.Typer()


@app.command()
def simplify(
    reference: Reference,
    task: Annotated[
        list[str] | None,
        typer.Option(help="A task for experiments; repeatable. Default: those of the program's run."),
    ] = None,
    minutes: Annotated[
        float,
        typer.Option(
            min=0.0,
            help="How long proofs and experiments may take; starting workers and the test come on top.",
        ),
    ] = 5.0,
    margin: Annotated[
        float,
        typer.Option(min=1e-4, max=1.0, help="Loss of fitness that is excluded; 0.03 is 3 % of the loss."),
    ] = 0.03,
    only_proofs: Annotated[bool, typer.Option("--only-proofs", help="No experiments.")] = False,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File for the result.")] = None,
    workers: Workers = "auto",
    own: OwnFunctions = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Simplifies a program by proof and by experiment.

    With --csv a row for each step. Why each step is right is recorded: lion-search show REF --simplified.
    """
    from lion_search.analysis.simplifying import Experimental, simplify_reference
    from lion_search.commands.printing.display import reporting
    from lion_search.commands.printing.output import check_form, is_printed
    from lion_search.commands.printing.simplification import print_record
    from lion_search.commands.printing.terminal import make_console, say_line
    from lion_search.simplify.experiments.trials import TrialSettings

    check_form(as_json=as_json, as_csv=as_csv)
    how = Experimental(
        tuple(task or ()), only_proofs, minutes, TrialSettings(margin=margin), read_workers(workers)
    )
    with reporting(quiet=as_json or as_csv) as screen:
        record, files = simplify_reference(reference, how, output, report=screen.report)
    if as_json:
        typer.echo(record.to_json())
        return
    if is_printed(record.rows(), as_json=False, as_csv=as_csv):
        return
    console = make_console()
    print_record(console, record)
    for path in files:
        say_line(console, f"Wrote {path}")


@app.command()
def identify(
    reference: Reference, own: OwnFunctions = None, as_json: AsJson = False, as_csv: AsCsv = False
) -> None:
    """Says which known optimizer a program is, and what differs."""
    from lion_search.commands.printing.output import is_printed
    from lion_search.commands.printing.terminal import make_console, say
    from lion_search.runs.references import find_program
    from lion_search.simplify.recognition.identify import identify as recognize

    found = recognize(find_program(reference).program)
    if is_printed(found.as_dict(), as_json=as_json, as_csv=as_csv):
        return
    say(make_console(), found.summary())
