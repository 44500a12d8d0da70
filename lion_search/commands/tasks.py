"""Commands about tasks: tasks, evaluate, benchmark, card, baseline. They parse, call and print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lion_search.commands.arguments import (
    MODES,
    Address,
    AsCsv,
    AsJson,
    OwnFunctions,
    Reference,
    Workers,
    read_choice,
    read_workers,
)

app = typer.Typer()


@app.command()
def tasks(as_json: AsJson = False, as_csv: AsCsv = False) -> None:
    """Lists the proxy tasks and the options of every task."""
    from lion_search.commands.printing.output import is_printed
    from lion_search.commands.printing.tables import Column, print_table
    from lion_search.commands.printing.terminal import make_console, say
    from lion_search.proxy_tasks.tasks import OPTIONS, SCALES, TASKS

    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "steps": task.num_steps,
            "batch_size": task.batch_size,
            "metric": task.reported,
            "about": task.about,
        }
        for name, task in ((name, make(1)) for name, make in TASKS.items())
    ]
    if is_printed(rows, as_json=as_json, as_csv=as_csv):
        return
    console = make_console()
    columns = (
        Column("Name"), Column("Steps", right=True), Column("Batch", right=True), Column("Metric"),
        Column("About", prose=True),
    )  # fmt: skip
    print_table(console, columns, [tuple(map(str, row.values())) for row in rows])
    scales = ", ".join(map(str, SCALES))
    say(console, f"Options, as NAME?option=value,...: scale ({scales}), {', '.join(OPTIONS)}.")
    say(console, "Your own: module:function, see docs/own-task.md.")


@app.command()
def evaluate(
    references: Annotated[
        list[str],
        typer.Argument(
            metavar="REF...", help="Programs, rivals such as adan, or optax:NAME?learning_rate=1e-3."
        ),
    ],
    task: Annotated[list[str], typer.Option(help="A task; repeatable. See lion-search tasks.")],
    seeds: Annotated[int, typer.Option(min=2, max=10_000, help="Trainings of each optimizer.")] = 8,
    part: Annotated[str, typer.Option(help="Where the loss is measured: test or validation.")] = "test",
    mode: Annotated[str, typer.Option(help="auto, interpreted, compiled or batched.")] = "auto",
    workers: Workers = "auto",
    own: OwnFunctions = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Trains optimizers on tasks beside the tuned baselines.

    Ends with status 1 if an optimizer REF crashes, times out or takes too much memory, or none has a loss.
    """
    from lion_search.analysis.measuring import evaluate as run_evaluation
    from lion_search.analysis.measuring import is_scored
    from lion_search.commands.printing.comparison import print_rows, row_json
    from lion_search.commands.printing.display import reporting
    from lion_search.commands.printing.output import is_printed
    from lion_search.commands.printing.terminal import make_console
    from lion_search.proxy_tasks.scores import Part

    with reporting(quiet=as_json or as_csv) as screen:
        rows = run_evaluation(
            references,
            task,
            num_seeds=seeds,
            part=Part(read_choice("part", part, list(Part))),
            mode=read_choice("mode", mode, MODES),
            workers=read_workers(workers),
            report=screen.report,
        )
    if not is_printed([row_json(row) for row in rows], as_json=as_json, as_csv=as_csv):
        print_rows(make_console(), rows, part)
    if not is_scored(rows, references):
        raise typer.Exit(1)


@app.command()
def benchmark(
    references: Annotated[
        list[str],
        typer.Argument(metavar="REF...", help="Programs, families such as lion, or optax:NAME?option=value."),
    ],
    suite: Annotated[
        str, typer.Option(help="small, full, averages, heavy_tail, line_search, or a YAML file.")
    ] = "small",
    minutes: Annotated[
        float | None, typer.Option(min=0, help="It chooses trainings and seeds that fit this time.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder; default benchmarks/SUITE.")] = None,
    workers: Workers = "auto",
    address: Address = None,
    own: OwnFunctions = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Judges optimizers on a suite of tasks, equally tuned.

    Says first what it will cost. The folder gets log.db, benchmark.json, benchmark.md and benchmark.html.
    What was stopped goes on by the same command, and one with more REFs trains these only.
    """
    from lion_search.analysis.benchmarking import run_benchmark
    from lion_search.commands.printing.benchmark import print_benchmark
    from lion_search.commands.printing.display import reporting
    from lion_search.commands.printing.output import check_form, is_printed
    from lion_search.commands.printing.terminal import make_console, say_line
    from lion_search.report.benchmark import write_benchmark

    check_form(as_json=as_json, as_csv=as_csv)
    with reporting(quiet=as_json or as_csv) as screen:
        folder, found = run_benchmark(
            references, suite, minutes=minutes, out=out,
            workers=read_workers(workers), address=address, report=screen.report,
        )  # fmt: skip
    paths = write_benchmark(folder, found)
    if is_printed(found.rows if as_csv else found, as_json=as_json, as_csv=as_csv):
        return
    console = make_console()
    print_benchmark(console, found)
    say_line(console, f"Wrote {', '.join(map(str, paths))}")


@app.command()
def card(
    reference: Reference,
    task: Annotated[
        list[str] | None, typer.Option(help="A task with tuned baselines; repeatable; default: digits_he.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=2, max=1000, help="Trainings of each point of the grid.")] = 4,
    workers: Workers = "auto",
    own: OwnFunctions = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Measures what to know before using a program elsewhere.

    Learning rate and weight decay beside AdamW's, batch sizes, the scale of gradients, memory, failures,
    first steps, states in bfloat16, the bound of sign-type rules. Trainings are kept in cards/: what was
    stopped goes on there.
    """
    from lion_search.analysis.carding import make_cards
    from lion_search.commands.printing.card import print_card
    from lion_search.commands.printing.display import reporting
    from lion_search.commands.printing.output import check_form, is_printed
    from lion_search.commands.printing.terminal import make_console

    check_form(as_json=as_json, as_csv=as_csv)
    with reporting(quiet=as_json or as_csv) as screen:
        cards = make_cards(
            reference,
            task or ["digits_he"],
            num_seeds=seeds,
            workers=read_workers(workers),
            report=screen.report,
        )
    if is_printed([each.to_json() for each in cards], as_json=as_json, as_csv=as_csv):
        return
    for each in cards:
        print_card(make_console(), each)


@app.command()
def baseline(
    task: Annotated[str, typer.Argument(metavar="TASK", help="A task's reference.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File; default: baselines/TASK.json here.")
    ] = None,
    workers: Workers = "auto",
    address: Address = None,
) -> None:
    """Tunes the baselines of a task with equal effort.

    AdamW, Lion, Signum, SGD, NAdamW, AdamS and NAdamS; the file is written for searches on that task. What is
    stopped goes on by the same command.
    """
    from lion_search.analysis.baselines import tune_baselines
    from lion_search.commands.printing.display import reporting
    from lion_search.commands.printing.terminal import make_console, say, say_line
    from lion_search.dsl.shown import with_error

    with reporting() as screen:
        done = tune_baselines(
            task, output, workers=read_workers(workers), address=address, report=screen.report
        )
    console = make_console()
    for name, (found, _, edge) in done.tuned.items():
        shown = ", ".join(f"{k} {v}" for k, v in found.hyperparameters)
        note = f" (at the edge of its range: {', '.join(edge)})" if edge else ""
        loss = with_error(found.validation_loss, found.standard_error)
        say(console, f"tuned {name} ({found.form}): {loss}; {shown}{note}")
    for name, reason in done.failed.items():
        say(console, f"not tuned {name}: {reason}")
    say_line(console, f"Wrote {done.path}")
