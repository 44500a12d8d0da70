"""Commands about runs and what is in them. They parse, call and print."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lion_search.commands.arguments import (
    Address,
    AsCsv,
    AsJson,
    OptionalWorkers,
    Run,
    RunOrLog,
    Workers,
    read_choice,
    read_workers,
)
from lion_search.dsl.errors import LionSearchError

if TYPE_CHECKING:
    from lion_search.runs.audience import Audience
    from lion_search.runs.result import RunResult

app = typer.Typer()

Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY.PATH=VALUE", help="Overrides one value; repeatable."),
]
RunOrStudy = Annotated[
    str,
    typer.Argument(metavar="RUN", help="A run folder, a name under runs/, or a URL of a study."),
]
WholeStudy = Annotated[bool, typer.Option("--study", help="All islands of the run's study.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print the result only.")]


def _overrides(
    settings: list[str] | None, workers: str | None, address: str | None, **given: object
) -> list[str]:
    """The settings that options stand for, after those of ``--set``."""
    given |= {"workers": None if workers is None else read_workers(workers), "ray_address": address}
    return [*(settings or []), *(f"{name}={value}" for name, value in given.items() if value is not None)]


@app.command()
def run(
    config: Annotated[str, typer.Option(help="A YAML file, or the name of a shipped configuration.")],
    out: Annotated[Path | None, typer.Option(help="Run folder; default runs/NAME.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the search; overrides the file's.")] = None,
    workers: OptionalWorkers = None,
    address: Address = None,
    island: Annotated[
        int | None, typer.Option(min=1, help="Which island of the study this driver searches on.")
    ] = None,
    warm_start: Annotated[
        str | None, typer.Option(metavar="REF", help="Begin with this program instead of the file's initial.")
    ] = None,
    settings: Settings = None,
    quiet: Quiet = False,
) -> None:
    """Searches for an optimizer, tests it, and exports it as code.

    Where a task has no tuned baselines, they are tuned first, as by lion-search baseline.
    """
    from lion_search.analysis import baselines
    from lion_search.config import load_config

    own = {"seed": seed, "warm_start": warm_start, "islands.island": island}
    overrides = _overrides(settings, workers, address, **own)
    loaded = load_config(config, overrides)
    name = Path(config).stem
    _show_run(quiet, lambda audience: baselines.run(loaded, name, out, audience))


@app.command()
def resume(
    run: Run,
    workers: OptionalWorkers = None,
    address: Address = None,
    settings: Settings = None,
    quiet: Quiet = False,
) -> None:
    """Goes on with a run that was killed or stopped.

    Or with one that ended and is to get a larger budget: --set budget.minutes=60.
    """
    from lion_search.runs import pipeline

    overrides = _overrides(settings, workers, address)
    _show_run(quiet, lambda audience: pipeline.resume(run, overrides, audience))


@app.command()
def select(
    run: Run,
    workers: OptionalWorkers = None,
    address: Address = None,
    settings: Settings = None,
    quiet: Quiet = False,
) -> None:
    """Ends a run's search and sends its best through the funnel.

    The search ends where it is. Rungs are in the run's config, or given: --set 'funnel=[{tasks:
    ["fashion7_he?scale=10"]}]'. What an earlier try has trained is not trained again.
    """
    from lion_search.runs import pipeline

    overrides = _overrides(settings, workers, address)
    _show_run(quiet, lambda audience: pipeline.resume(run, overrides, audience, ends_search=True))


@app.command()
def config(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A YAML file, or the name of a shipped configuration.")
    ] = "quickstart",
    settings: Settings = None,
) -> None:
    """Prints every key of a configuration with its meaning."""
    from lion_search.commands.printing.terminal import make_console, print_file
    from lion_search.config import commented_yaml, load_config

    console, loaded = make_console(), load_config(name, settings or [])
    fitting = (min(console.width, 110),) if console.is_terminal else ()
    print_file(commented_yaml(loaded, *fitting))


def _show_run(quiet: bool, drive: Callable[[Audience], RunResult]) -> None:
    from lion_search.commands.printing.display import audience_of, make_screen
    from lion_search.commands.printing.terminal import make_console

    console = make_console()
    with make_screen(console, quiet=quiet) as screen:
        result = drive(audience_of(screen))
    from lion_search.commands.printing.result import print_result
    from lion_search.commands.printing.summary import write_summary
    from lion_search.report.page import write_report

    report: Path | LionSearchError
    try:
        write_summary(result)
        report = write_report(result.folder)
    except LionSearchError as error:  # the run itself is well
        report = error
    print_result(console, result, report)


@app.command()
def watch(run: RunOrLog, as_json: AsJson = False) -> None:
    """Shows a run from another terminal until it ends.

    Ctrl-C ends the watching only.
    """
    from lion_search.commands.printing.terminal import make_console
    from lion_search.commands.printing.watching import watch as watch_run

    watch_run(run, make_console(), as_json=as_json)


@app.command()
def report(
    run: RunOrStudy,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The file; default report.html in the run's folder.")
    ] = None,
    study: WholeStudy = False,
) -> None:
    """Writes a run as one HTML page: figures, programs, lineage.

    The file needs nothing else and no network. A run that goes on or was killed is shown as far as it is.
    Of a study all islands are shown, in STUDY.html.
    """
    from lion_search.commands.printing.terminal import make_console, say_line
    from lion_search.report.page import write_report
    from lion_search.report.study import write_study_report
    from lion_search.runs.references import find_run, is_url, study_logs

    if study or is_url(run):
        written = write_study_report(study_logs(run), output)
    else:
        written = write_report(find_run(run), output)
    say_line(make_console(), f"Wrote {written}")


@app.command()
def serve(
    run: Run,
    port: Annotated[int, typer.Option(min=0, max=65535, help="On this machine; 0 for any free one.")] = 8000,
) -> None:
    """Shows the report in a browser, live while a run goes on.

    It can be reached from this machine only, and nothing is written. Ctrl-C ends it.
    """
    from lion_search.commands.printing.terminal import make_console, say_line
    from lion_search.report.server import ADDRESS, LiveReport, make_server
    from lion_search.runs.references import find_run

    with contextlib.suppress(KeyboardInterrupt), make_server(LiveReport(find_run(run)), port) as server:
        say_line(make_console(), f"http://{ADDRESS}:{server.server_port}/ shows {run}; Ctrl-C ends it")
        server.serve_forever()


@app.command()
def runs(
    database: Annotated[
        str | None, typer.Argument(metavar="[DATABASE]", help="The URL of a database that holds studies.")
    ] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Lists the runs under runs/, or the studies in a database."""
    from lion_search.analysis.watching import list_runs, list_studies
    from lion_search.commands.printing.output import is_printed
    from lion_search.commands.printing.terminal import make_console
    from lion_search.commands.printing.watching import print_runs

    rows = list_runs() if database is None else list_studies(database)
    if not is_printed(rows, as_json=as_json, as_csv=as_csv):
        print_runs(make_console(), rows)


@app.command()
def top(
    run: RunOrStudy,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many.")] = 10,
    study: WholeStudy = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Lists the fittest programs of a run or a study."""
    from lion_search.analysis.study import best_of_study
    from lion_search.commands.printing.failures import failure_json
    from lion_search.commands.printing.output import is_printed
    from lion_search.commands.printing.searches import print_ranking
    from lion_search.commands.printing.terminal import make_console
    from lion_search.results.digest import leaders
    from lion_search.results.ranking import judge_settings
    from lion_search.runs.references import is_url, open_log, study_logs

    if study or (is_url(run) and len(study_logs(run)) > 1):
        found, has_prices = best_of_study(study_logs(run), count)
    else:
        with closing(open_log(run)) as store:
            found = [("", row) for row in leaders(store, count)]
            has_prices = judge_settings(store).has_prices
    rows: list[dict[str, Any]] = [
        {
            **({"island": island} if island else {}),
            "id": row.individual.id,
            "fitness": row.fitness,
            "seeds": row.num_seeds,
            "judged": row.judged,
            **({"price": row.price} if has_prices else {}),
            "status": row.status,
            "failure": failure_json(row.failure),
            "statements": row.individual.num_statements,
            "live_statements": row.individual.num_live_statements,
            "hash": row.hash,
        }
        for island, row in found
    ]
    if is_printed(rows, as_json=as_json, as_csv=as_csv):
        return
    print_ranking(make_console(), rows, has_prices=has_prices)


@app.command()
def frontier(
    run: Run,
    seeds: Annotated[int, typer.Option(min=0, max=10_000, help="Fresh seeds; 0: the search's scores.")] = 0,
    recognize: Annotated[
        bool, typer.Option("--identify", help="Simplify each by proof and say what it is; takes seconds.")
    ] = False,
    workers: Workers = "auto",
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Shows the best program for each number of state arrays."""
    from lion_search.analysis.frontier import frontier as find_frontier
    from lion_search.commands.printing.display import reporting
    from lion_search.commands.printing.output import is_printed
    from lion_search.commands.printing.searches import frontier_json, print_frontier
    from lion_search.commands.printing.terminal import make_console

    with reporting(quiet=as_json or as_csv) as screen:
        places = find_frontier(
            run, num_seeds=seeds, recognizes=recognize, workers=read_workers(workers), report=screen.report
        )
    if is_printed([frontier_json(place) for place in places], as_json=as_json, as_csv=as_csv):
        return
    print_frontier(make_console(), places, run)


@app.command()
def lineage(
    reference: Annotated[str, typer.Argument(metavar="RUN:ID", help="A program of a search.")],
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Shows how a search came to a program.

    Every ancestor, from the start, that computes something else than the one before, with the mutations that
    led to it, its fitness and the statements that changed.
    """
    from lion_search.analysis.lineage import lineage as find_lineage
    from lion_search.commands.printing.output import is_printed
    from lion_search.commands.printing.searches import lineage_json, print_lineage
    from lion_search.commands.printing.terminal import make_console

    path = find_lineage(reference)
    if is_printed([lineage_json(one) for one in path], as_json=as_json, as_csv=as_csv):
        return
    print_lineage(make_console(), path)


@app.command()
def stats(run: Run, as_json: AsJson = False, as_csv: AsCsv = False) -> None:
    """Says what a search did.

    Hits by cause, novel programs an hour, workers, what hurdles saved; what each kind of mutation gave, the
    functions of the best, failures.
    """
    from lion_search.analysis.function_use import function_use
    from lion_search.commands.printing.output import is_printed
    from lion_search.commands.printing.searches import print_statistics
    from lion_search.commands.printing.terminal import make_console
    from lion_search.results.digest import read_digest
    from lion_search.results.statistics import statistics
    from lion_search.results.strict_json import json_value
    from lion_search.runs.references import open_log

    with closing(open_log(run)) as store, store.moment():
        digest = read_digest(store)
        found, functions = statistics(store, digest), function_use(run, store, digest)
    if is_printed({**json_value(found), "functions": functions}, as_json=as_json, as_csv=as_csv):
        return
    print_statistics(make_console(), found, functions)


@app.command("compare-runs")
def compare_runs(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="RUN, or LABEL=RUN,RUN,... for seeds.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The figure; its numbers go into a .json beside it.")
    ] = Path("learning_curves.html"),
    tasks: Annotated[
        list[str] | None, typer.Option("--task", help="Other tasks than the runs', such as larger ones.")
    ] = None,
    points: Annotated[int, typer.Option(min=1, max=1000, help="Checkpoints along each curve.")] = 10,
    seeds: Annotated[int, typer.Option(min=2, max=10_000, help="Fresh seeds for each program.")] = 32,
    part: Annotated[str, typer.Option(help="Where the loss is measured: test or validation.")] = "test",
    workers: Workers = "auto",
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Draws learning curves of searches at equal compute.

    They are of the fitness of the best so far, on fresh seeds; with --task on larger tasks, where a search
    that fits its own too closely falls behind.
    """
    from lion_search.analysis.comparing import compare_runs as compare
    from lion_search.commands.printing.display import reporting
    from lion_search.commands.printing.output import is_printed
    from lion_search.commands.printing.searches import print_comparison
    from lion_search.commands.printing.terminal import make_console
    from lion_search.proxy_tasks.scores import Part

    with reporting(quiet=as_json or as_csv) as screen:
        found = compare(
            runs,
            tasks=tasks or (),
            points=points,
            seeds=seeds,
            part=Part(read_choice("part", part, list(Part))),
            workers=read_workers(workers),
            output=output,
            report=screen.report,
        )
    if is_printed(found, as_json=as_json, as_csv=as_csv):
        return
    print_comparison(make_console(), found)
