"""Commands about programs: library, functions, show, check, export. They parse, call and print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lion_search.commands.arguments import AsJson, Reference

app = typer.Typer()


@app.command()
def library(as_json: AsJson = False) -> None:
    """Lists the known optimizers."""
    from lion_search.commands.printing.terminal import print_json, print_table
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
    if as_json:
        print_json(rows)
        return
    print_table(("Name", "Statements", "States", "Source"), rows)


@app.command()
def functions(as_json: AsJson = False) -> None:
    """Lists the functions of the language."""
    from lion_search.commands.printing.terminal import make_console, print_json, print_table, say
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
    if as_json:
        print_json(rows)
        return
    print_table(
        ("Name", "", "Arguments", "Result", "Commutative", "Cost", "Meaning"),
        [{**row, "commutative": "yes" * row["commutative"], "cost": f"{row['cost']:g}"} for row in rows],
    )
    say(make_console(), "Narrower arguments are cast: scalar < per_array < tree.")


@app.command()
def show(
    reference: Reference,
    latex: Annotated[bool, typer.Option("--latex", help="Print LaTeX.")] = False,
    simplified: Annotated[
        bool, typer.Option("--simplified", help="What lion-search simplify made of it, step by step.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Prints a program as it is, redundant statements marked; or its simplification."""
    if simplified:
        _show_simplified(reference, latex=latex, as_json=as_json)
        return
    from lion_search.dsl.export.latex import to_latex
    from lion_search.dsl.liveness import liveness
    from lion_search.dsl.text import format_program
    from lion_search.runs.references import find_program

    found = find_program(reference)
    program = found.program
    if latex:
        typer.echo(to_latex(program), nl=False)
        return
    alive = liveness(program)
    if as_json:
        from lion_search.commands.printing.terminal import print_json

        print_json(
            {
                "program": format_program(program),
                "live": alive.statements,
                "live_states": alive.states,
                "failure": found.failure or None,
            }
        )
        return
    from lion_search.commands.printing.programs import print_marked

    print_marked(program, alive.statements, f"Failed in its run: {found.failure}" if found.failure else "")


def _show_simplified(reference: str, *, latex: bool, as_json: bool) -> None:
    from lion_search.commands.printing.simplification import print_record
    from lion_search.commands.printing.terminal import make_console
    from lion_search.runs.simplify_record import load

    record = load(reference)
    if latex:
        typer.echo(record.latex, nl=False)
    elif as_json:
        typer.echo(record.to_json())
    else:
        print_record(make_console(), record)


@app.command()
def check(reference: Reference, as_json: AsJson = False) -> None:
    """Checks a program and says what it is: sizes, types, functional hash."""
    from lion_search.analysis.describing import describe
    from lion_search.commands.printing.programs import print_description
    from lion_search.commands.printing.terminal import print_json
    from lion_search.runs.references import find_program

    found = describe(find_program(reference).program)
    if as_json:
        print_json(found)
        return
    print_description(found)


@app.command()
def export(
    reference: Reference,
    to: Annotated[str, typer.Option(help="Target library: optax.")] = "optax",
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File; default: print.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the optimizer in the code.")] = None,
) -> None:
    """Writes a program as code that needs nothing of lion-search."""
    from lion_search.analysis.describing import export_code
    from lion_search.runs.folder import write_new
    from lion_search.runs.references import find_program

    code = export_code(find_program(reference), to, name)
    if output is None:
        typer.echo(code, nl=False)
        return
    write_new(output, code)
    typer.echo(f"Wrote {output}")
