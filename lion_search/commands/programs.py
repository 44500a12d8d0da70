"""Commands about programs and tasks: show, check, export, evaluate and lists. They parse, call and print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from lion_search.commands.arguments import AsJson, Reference, Workers, make_console, print_json
from lion_search.dsl.errors import LionSearchError, did_you_mean

app = typer.Typer()


@app.command()
def library(as_json: AsJson = False) -> None:
    """Lists the known optimizers."""
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
    table = Table("Name", "Statements", "States", "Source")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    make_console().print(table)


@app.command()
def functions(as_json: AsJson = False) -> None:
    """Lists the functions of the language."""
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
    table = Table("Name", "", "Arguments", "Result", "Commutative", "Cost", "Meaning")
    for row in rows:
        shown = {**row, "commutative": "yes" if row["commutative"] else "", "cost": f"{row['cost']:g}"}
        table.add_row(*map(str, shown.values()))
    make_console().print(table)
    make_console().print("Narrower arguments are cast: scalar < per_array < tree.", highlight=False)


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
    from lion_search.dsl.text import format_header, format_program, format_return, format_statement
    from lion_search.runs.references import find_program

    program = find_program(reference).program
    if latex:
        typer.echo(to_latex(program), nl=False)
        return
    alive = liveness(program)
    if as_json:
        print_json(
            {"program": format_program(program), "live": alive.statements, "live_states": alive.states}
        )
        return
    console = make_console()
    lines = [format_statement(s) for s in program.statements]
    width = max((len(line) for line in lines), default=0)
    console.print(Text(format_header(program)))
    for line, live in zip(lines, alive.statements, strict=True):
        text = f"    {line}" if live else f"    {line:<{width}}  # redundant"
        console.print(Text(text, style="" if live else "dim"))
    console.print(Text(f"    {format_return(program)}"))


def _show_simplified(reference: str, *, latex: bool, as_json: bool) -> None:
    from lion_search.commands.printing import print_record
    from lion_search.runs.simplify_record import load

    record = load(reference)
    if latex:
        typer.echo(record.latex, nl=False)
    elif as_json:
        print_json(record.model_dump())
    else:
        print_record(make_console(), record)


@app.command()
def check(reference: Reference, as_json: AsJson = False) -> None:
    """Checks a program and says what it is: sizes, types, functional hash."""
    from lion_search.dsl.equivalence.canonical import canonicalise
    from lion_search.dsl.equivalence.fingerprint import fingerprint
    from lion_search.dsl.types import check as check_types
    from lion_search.runs.references import find_program

    program = find_program(reference).program
    types = [type_.name.lower() for type_ in check_types(program)]
    canonical = canonicalise(program)
    facts = {
        "types": dict(zip(("update", *program.states), types, strict=True)),
        "statements": len(program.statements),
        "live_statements": canonical.liveness.num_live_statements,
        "states": len(program.states),
        "live_states": sum(canonical.liveness.states),
        "canonical_statements": len(canonical.applications),
        "hash": canonical.hash,
        "fingerprint": fingerprint(canonical.program()),
        "state_bytes_per_weight": 4 * canonical.num_states,
    }
    if as_json:
        print_json(facts)
        return
    table = Table.grid(padding=(0, 2))
    for key, value in facts.items():
        shown = ", ".join(f"{k}: {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
        table.add_row(key.replace("_", " "), shown)
    make_console().print(table)


@app.command()
def export(
    reference: Reference,
    to: Annotated[str, typer.Option(help="Target library: optax.")] = "optax",
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File; default: print.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the optimizer in the code.")] = None,
) -> None:
    """Writes a program as code that needs nothing of lion-search."""
    from lion_search.dsl.export.exports import EXPORTS
    from lion_search.runs.references import find_program

    if to not in EXPORTS:
        raise LionSearchError(
            f"cannot export to '{to}'{did_you_mean(to, EXPORTS)}; targets: {', '.join(EXPORTS)}"
        )
    found = find_program(reference)
    fallback = "".join(c if c.isalnum() else "_" for c in found.name)
    chosen = name or (fallback if fallback.isidentifier() else f"optimizer_{fallback}")
    text = EXPORTS[to].write(found.program, chosen, f"{found.name}, exported by lion-search")
    if output is None:
        typer.echo(text, nl=False)
        return
    if output.exists():
        raise LionSearchError(f"'{output}' exists; nothing was overwritten")
    try:
        output.write_text(text)
    except OSError as error:
        raise LionSearchError(f"cannot write '{output}': {error.strerror}") from error
    typer.echo(f"Wrote {output}")


@app.command()
def tasks(as_json: AsJson = False) -> None:
    """Lists the proxy tasks and the options of every task."""
    from lion_search.proxy_tasks.tasks import OPTIONS, SCALES, TASKS

    rows: list[dict[str, Any]] = [
        {"name": name, "steps": task.num_steps, "batch_size": task.batch_size, "about": task.about}
        for name, task in ((name, make(1)) for name, make in TASKS.items())
    ]
    if as_json:
        print_json(rows)
        return
    table = Table("Name", "Steps", "Batch", "About")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    console = make_console()
    console.print(table)
    scales = ", ".join(map(str, SCALES))
    console.print(
        f"Options, as NAME?option=value,...: scale ({scales}), {', '.join(OPTIONS)}.", highlight=False
    )
    console.print("Your own: module:function, see the README.", highlight=False)


@app.command()
def evaluate(
    references: Annotated[
        list[str], typer.Argument(metavar="REF...", help="Programs, or optax:NAME?learning_rate=1e-3.")
    ],
    task: Annotated[list[str], typer.Option(help="A task; repeatable. See lion-search tasks.")],
    seeds: Annotated[int, typer.Option(min=2, max=10_000, help="Trainings of each optimizer.")] = 8,
    part: Annotated[str, typer.Option(help="Where the loss is measured: test or validation.")] = "test",
    mode: Annotated[str, typer.Option(help="auto, interpreted, compiled or batched.")] = "auto",
    workers: Workers = "auto",
    as_json: AsJson = False,
) -> None:
    """Trains optimizers on tasks and prints their losses beside the tuned baselines."""
    from lion_search.analysis.assess import evaluate as run_evaluation
    from lion_search.analysis.assess import read_workers
    from lion_search.commands.printing import print_rows, row_json

    rows = run_evaluation(
        references,
        task,
        num_seeds=seeds,
        part=part,
        mode=mode,
        workers=read_workers(workers),
        report=(lambda line: None) if as_json else typer.echo,
    )
    if as_json:
        print_json([row_json(row) for row in rows])
        return
    print_rows(make_console(), rows, part)


@app.command()
def baseline(
    task: Annotated[str, typer.Argument(metavar="TASK", help="A task's reference.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File; default: baselines/TASK.json here.")
    ] = None,
    workers: Workers = "auto",
) -> None:
    """Tunes AdamW, Lion, Signum and SGD on a task with equal effort and writes the baselines' file."""
    from lion_search.analysis.assess import read_workers, tune_baselines
    from lion_search.proxy_tasks.tuning import at_the_edge

    path, best = tune_baselines(task, output, workers=read_workers(workers), report=typer.echo)
    for name, found in best.items():
        shown = ", ".join(f"{k} {v}" for k, v in found.hyperparameters)
        edge = at_the_edge(found)
        note = f" (at the edge of its range: {', '.join(edge)})" if edge else ""
        loss = f"{found.validation_loss:.4f} +- {found.standard_error:.4f}"
        typer.echo(f"tuned {name} ({found.form}): {loss}; {shown}{note}")
    typer.echo(f"Wrote {path}")
