"""Programs beside known optimizers on tasks that none was made for, all tuned there with equal effort.

On each task the constants of each program and each baseline are tuned with the same number of trainings, from
what they are in the program, and in the record of baselines of the task or of another one. Then all are
trained on the same fresh seeds, test part. Prints a Markdown table: the mean loss and, in brackets, the mean
over seeds of log(loss / Lion's) and its standard error; positive is worse than Lion; a dash where a record
lacks a family. Trainings are kept in a
database, so that a comparison that was cut short goes on.

    python scripts/compare_tuned.py [REF...] --task TASK [--task TASK] [--trainings 104] [--seeds 64]

Without a REF and with 0 trainings: the baselines of the records beside each other.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from statistics import fmean

from lion_search.dsl.program import Program
from lion_search.dsl.text import format_program
from lion_search.proxy_tasks.baseline import FAMILIES, Baseline, has_baselines, load_baselines
from lion_search.proxy_tasks.scores import Part, Score, Status, gains, standard_error
from lion_search.proxy_tasks.workers.pool import Pool
from lion_search.results.records import Stage
from lion_search.results.store import Store
from lion_search.runs.preflight import check_tasks, set_environment
from lion_search.runs.references import find_program
from lion_search.runs.workers import make_pool
from lion_search.selection.constants import tune_constants
from lion_search.selection.funnel import ADAMW
from lion_search.selection.logged import train_logged
from lion_search.simplify.writing.readable import readable

Tuned = Mapping[str, Program | Baseline]
REFERENCE = "lion"


def tune_all(store: Store, pool: Pool, subjects: Tuned, task: str, trainings: int) -> Tuned:
    """All with constants tuned on a task."""
    adamw = subjects[ADAMW]
    assert isinstance(adamw, Baseline)
    found = {}
    for name, subject in subjects.items():
        better = trainings and tune_constants(store, pool, subject, {task: adamw}, trainings)
        found[name] = better or subject
    return found


def measure(store: Store, pool: Pool, subjects: Tuned, task: str, num_seeds: int) -> dict[str, list[Score]]:
    """Scores on the test part of a task, on seeds that none was tuned on."""
    seeds = Stage.TEST.seeds(num_seeds)
    scores = train_logged(store, pool, Stage.TEST, [*subjects.values()], [task], Part.TEST, seeds)
    return dict(zip(subjects, scores, strict=True))


def cell(own: list[Score], reference: list[Score]) -> str:
    """A mean loss, and by how much it is behind the reference."""
    failed = next((score for score in own if score.status is not Status.OK), None)
    if failed is not None:
        return str(failed.status)
    mean = fmean(score.loss or 0.0 for score in own)
    behind = [-gain for gain in gains(own, reference)]
    return f"{mean:.4f} ({fmean(behind):+.4f} +- {standard_error(behind):.4f})"


def main() -> None:
    """Prints the table, a line as soon as it is known, and then the constants."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("references", nargs="*", metavar="REF")
    parser.add_argument("--task", action="append", required=True)
    parser.add_argument(
        "--constants-of", default="fashion7_he", help="where baselines begin that have no record"
    )
    parser.add_argument("--trainings", type=int, default=104)
    parser.add_argument("--seeds", type=int, default=64)
    parser.add_argument("--workers", default="inline")
    parser.add_argument("--database", type=Path, default=Path("compare_tuned.db"))
    options = parser.parse_args()
    set_environment(options.workers)
    tasks = list(check_tasks(options.task, None))
    programs = {reference: find_program(reference).program for reference in options.references}
    database: Path = options.database
    store = Store.reopen_or_create(database)
    told: list[str] = []
    columns = [*FAMILIES, *programs]
    print(f"| task | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}")
    with closing(store), closing(make_pool(tasks, workers=options.workers)) as pool:
        for task in tasks:
            record = load_baselines(task if has_baselines(task) else options.constants_of)
            tuned = tune_all(store, pool, {**record.baselines, **programs}, task, options.trainings)
            scores = measure(store, pool, tuned, task, options.seeds)
            cells = [cell(scores[name], scores[REFERENCE]) if name in scores else "-" for name in columns]
            print(f"| `{task}` | {' | '.join(cells)} |", flush=True)
            told += [f"{task}, {name}:\n{shown(own)}" for name, own in tuned.items()]
    print("", *told, sep="\n")


def shown(subject: Program | Baseline) -> str:
    """With its constants."""
    if isinstance(subject, Program):
        return format_program(readable(subject))
    return ", ".join(f"{name} {value:g}" for name, value in subject.hyperparameters)


if __name__ == "__main__":
    main()
