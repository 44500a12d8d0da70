"""Commands about programs. They parse, call and print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lion_search.commands.arguments import AsCsv, AsJson, OwnFunctions, Reference

app = typer.Typer()


@app.command()
def library(as_json: AsJson = False, as_csv: AsCsv = False) -> None:
    """Lists the known optimizers."""
    from lion_search.commands.printing.output import is_printed
    from lion_search.commands.printing.tables import Column, print_table
    from lion_search.commands.printing.terminal import make_console
    from lion_search.dsl.library import LIBRARY, library_program

    rows: list[dict[str, Any]] = [
        {
            "name": entry.name,
            "statements": len(library_program(entry.name).statements),
            "states": len(library_program(entry.name).states),
            "source": entry.source,
        }
        for entry in LIBRARY.values()
    ]
    if is_printed(rows, as_json=as_json, as_csv=as_csv):
        return
    columns = (
        Column("Name"), Column("Statements", right=True), Column("States", right=True),
        Column("Source", prose=True),
    )  # fmt: skip
    print_table(make_console(), columns, [tuple(map(str, row.values())) for row in rows])


@app.command()
def functions(own: OwnFunctions = None, as_json: AsJson = False, as_csv: AsCsv = False) -> None:
    """Lists the functions of the language."""
    from lion_search.commands.printing.output import is_printed
    from lion_search.commands.printing.tables import Column, print_table
    from lion_search.commands.printing.terminal import make_console, say
    from lion_search.dsl.functions import FUNCTIONS

    rows: list[dict[str, Any]] = [
        {
            "name": row.name,
            "symbol": row.symbol or "",
            "arguments": ", ".join(type_.name.lower() for type_ in row.parameters),
            "result": "widest argument" if row.result is None else row.result.name.lower(),
            "commutative": row.commutative,
            "cost": row.cost,
            "about": row.about,
        }
        for row in FUNCTIONS.values()
    ]
    if is_printed(rows, as_json=as_json, as_csv=as_csv):
        return
    columns = (
        Column("Name"), Column(""), Column("Arguments"), Column("Result", drop=2),
        Column("Commutative", drop=3), Column("Cost", right=True, drop=1), Column("Meaning", prose=True),
    )  # fmt: skip
    cells = [{**row, "commutative": "yes" * row["commutative"], "cost": f"{row['cost']:g}"} for row in rows]
    print_table(make_console(), columns, [tuple(row.values()) for row in cells])
    say(make_console(), "Narrower arguments are cast: scalar < per_array < tree.")


@app.command()
def show(
    reference: Reference,
    latex: Annotated[bool, typer.Option("--latex", help="Print LaTeX.")] = False,
    simplified: Annotated[
        bool, typer.Option("--simplified", help="What lion-search simplify made of it, step by step.")
    ] = False,
    own: OwnFunctions = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Prints a program, redundant statements marked.

    With --csv a row for each statement, or for each step of its simplification.
    """
    from lion_search.commands.printing.output import check_form, is_printed

    check_form(as_json=as_json, as_csv=as_csv)
    if simplified:
        _show_simplified(reference, latex=latex, as_json=as_json, as_csv=as_csv)
        return
    from lion_search.dsl.export.latex import to_latex
    from lion_search.dsl.liveness import liveness
    from lion_search.dsl.text import format_program, format_statement
    from lion_search.runs.references import find_program

    found = find_program(reference)
    program = found.program
    if latex:
        from lion_search.commands.printing.terminal import print_file

        print_file(to_latex(program))
        return
    alive = liveness(program)
    whole = {
        "program": format_program(program),
        "live": alive.statements,
        "live_states": alive.states,
        "failure": found.failure or None,
    }
    lines = zip(program.statements, alive.statements, strict=True)
    rows = [{"statement": format_statement(one), "live": is_live} for one, is_live in lines]
    if is_printed(rows if as_csv else whole, as_json=as_json, as_csv=as_csv):
        return
    from lion_search.commands.printing.programs import print_marked
    from lion_search.commands.printing.terminal import make_console

    note = f"Failed in its run: {found.failure}" if found.failure else ""
    print_marked(make_console(), program, alive.statements, note)


def _show_simplified(reference: str, *, latex: bool, as_json: bool, as_csv: bool) -> None:
    from lion_search.commands.printing.output import is_printed
    from lion_search.commands.printing.simplification import print_record
    from lion_search.commands.printing.terminal import make_console, print_file
    from lion_search.runs.simplify_record import load

    record = load(reference)
    if latex:
        print_file(record.latex)
    elif as_json:
        typer.echo(record.to_json())
    elif not is_printed(record.rows(), as_json=False, as_csv=as_csv):
        print_record(make_console(), record)


@app.command()
def check(
    reference: Reference, own: OwnFunctions = None, as_json: AsJson = False, as_csv: AsCsv = False
) -> None:
    """Checks a program: sizes, types, functional hash."""
    from lion_search.analysis.describing import describe
    from lion_search.commands.printing.output import is_printed
    from lion_search.commands.printing.programs import print_description
    from lion_search.commands.printing.terminal import make_console
    from lion_search.runs.references import find_program

    found = describe(find_program(reference).program)
    if is_printed(found, as_json=as_json, as_csv=as_csv):
        return
    print_description(make_console(), found)


@app.command()
def export(
    reference: Reference,
    to: Annotated[
        str, typer.Option(help="Target: optax, torch, keras, numpy, latex, sympy or text.")
    ] = "optax",
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File; default: print.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the optimizer in the code.")] = None,
    own: OwnFunctions = None,
) -> None:
    """Writes a program as code that needs nothing of lion-search."""
    from lion_search.analysis.describing import export_code, own_name
    from lion_search.runs.folder import write_new
    from lion_search.runs.origin import notes_on
    from lion_search.runs.references import find_program

    found = find_program(reference)
    code = export_code(found, to, name, notes_on(reference, found))
    if output is None:
        from lion_search.commands.printing.terminal import print_file

        print_file(code)
        return
    write_new(output, code)
    typer.echo(f"Wrote {output}")
    if name is None and own_name(found.name) != found.name:
        typer.echo(f"The optimizer in it is called {own_name(found.name)}; --name gives another name")
