"""Commands about runs: run, resume, watch, runs, top, stats, compare-runs. They parse, call and print."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from lion_search.commands.arguments import (
    AsJson,
    Run,
    Workers,
    make_console,
    print_json,
    read_choice,
    read_workers,
)

app = typer.Typer()

Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY.PATH=VALUE", help="Overrides one value; repeatable."),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print the result only.")]


@app.command()
def run(
    config: Annotated[str, typer.Option(help="A YAML file, or the name of a shipped configuration.")],
    out: Annotated[Path | None, typer.Option(help="Run folder; default runs/NAME.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the search; overrides the file's.")] = None,
    workers: Annotated[int | None, typer.Option(help="Number of Ray workers; overrides the file's.")] = None,
    warm_start: Annotated[
        str | None, typer.Option(metavar="REF", help="Begin with this program instead of the file's initial.")
    ] = None,
    settings: Settings = None,
    quiet: Quiet = False,
) -> None:
    """Evolves optimizers, selects the best, measures it on test data, and exports it."""
    from lion_search.config import load_config
    from lion_search.runs import pipeline

    given = {"seed": seed, "workers": workers, "warm_start": warm_start}
    overrides = [*(settings or []), *(f"{k}={v}" for k, v in given.items() if v is not None)]
    loaded = load_config(config, overrides)
    name = Path(config).stem
    _show_run(name, quiet, lambda display, report: pipeline.run(loaded, name, out, display, report))


@app.command()
def resume(
    run: Run,
    workers: Annotated[int | None, typer.Option(help="Number of Ray workers; overrides the run's.")] = None,
    settings: Settings = None,
    quiet: Quiet = False,
) -> None:
    """Goes on with a run that was killed, stopped, or is to get a larger budget (--set budget.minutes=60)."""
    from lion_search.runs import pipeline

    overrides = [*(settings or []), *([f"workers={workers}"] if workers is not None else [])]
    _show_run(run, quiet, lambda display, report: pipeline.resume(run, overrides, display, report))


def _show_run(name: str, quiet: bool, drive: Callable[[Any, Any], Any]) -> None:
    from lion_search.commands.printing import print_result
    from lion_search.runs.display import make_display

    console = make_console()

    def report(line: str) -> None:
        if not quiet:
            console.print(line, markup=False, highlight=False)

    print_result(console, drive(lambda: make_display(console, f"lion-search: {name}", quiet=quiet), report))


@app.command()
def watch(run: Run, as_json: AsJson = False) -> None:
    """Shows a run from another terminal until it ends; Ctrl-C ends the watching only."""
    from lion_search.analysis.watching import watch as watch_run

    watch_run(run, make_console(), as_json=as_json)


@app.command()
def runs(as_json: AsJson = False) -> None:
    """Lists the runs under runs/."""
    from lion_search.analysis.watching import list_runs, print_runs

    print_runs(make_console(), list_runs(), as_json=as_json)


@app.command()
def top(
    run: Run,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Lists the fittest programs of a run."""
    from lion_search.results.ranking import judge_settings, rank
    from lion_search.results.records import Stage
    from lion_search.runs.references import open_run

    store = open_run(run)
    ranked = rank(store, Stage.SEARCH)[:count]
    has_prices = judge_settings(store).has_prices
    store.close()
    rows: list[dict[str, Any]] = [
        {
            "id": row.individual.id,
            "fitness": row.fitness,
            "seeds": row.num_seeds,
            "judged": row.judged,
            **({"price": row.price} if has_prices else {}),
            "status": row.status,
            "statements": row.individual.num_statements,
            "live_statements": row.individual.num_live_statements,
            "hash": row.hash,
        }
        for row in ranked
    ]
    if as_json:
        print_json(rows)
        return
    table = Table(*(name.replace("_", " ").capitalize() if name != "id" else "ID" for name in _columns(rows)))
    for row in rows:
        table.add_row(*(_cell(name, row[name]) for name in _columns(rows)))
    make_console().print(table)
    make_console().print(
        "Ranked by Judged: fitness with caution for few seeds"
        + (" and less the price of states and statements." if has_prices else "."),
        highlight=False,
    )


def _columns(rows: list[dict[str, Any]]) -> list[str]:
    return list(rows[0]) if rows else ["id", "fitness"]


def _cell(name: str, value: Any) -> str:
    if name in ("fitness", "judged"):
        return f"{value:+.4f}"
    return f"{value:.4f}" if name == "price" else value[:12] if name == "hash" else str(value)


@app.command()
def stats(run: Run, as_json: AsJson = False) -> None:
    """Says what a search did: hits by cause, novel programs an hour, failures, what hurdles saved."""
    from lion_search.commands.printing import print_statistics
    from lion_search.results.statistics import statistics
    from lion_search.runs.references import open_run

    store = open_run(run)
    try:
        found = statistics(store)
    finally:
        store.close()
    if as_json:
        print_json(found)
        return
    print_statistics(make_console(), found)


@app.command("compare-runs")
def compare_runs(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="RUN, or LABEL=RUN,RUN,... for seeds.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The figure; its numbers go into a .json beside it.")
    ] = Path("learning_curves.html"),
    points: Annotated[int, typer.Option(min=1, max=1000, help="Checkpoints along each curve.")] = 10,
    seeds: Annotated[int, typer.Option(min=2, max=10_000, help="Fresh seeds for each program.")] = 32,
    part: Annotated[str, typer.Option(help="Where the loss is measured: test or validation.")] = "test",
    workers: Workers = "auto",
    as_json: AsJson = False,
) -> None:
    """Draws learning curves of searches at equal compute: fitness of the best on fresh seeds."""
    from lion_search.analysis.comparing import compare_runs as compare
    from lion_search.commands.printing import print_comparison
    from lion_search.proxy_tasks.scores import Part

    found = compare(
        runs,
        points=points,
        seeds=seeds,
        part=Part(read_choice("part", part, list(Part))),
        workers=read_workers(workers),
        output=output,
        report=(lambda line: None) if as_json else typer.echo,
    )
    if as_json:
        print_json(found)
        return
    print_comparison(make_console(), found)
