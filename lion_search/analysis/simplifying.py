"""Simplification and recognition of a referenced program: ``lion-search simplify`` and ``identify``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from lion_search.dsl.clock import awake_seconds
from lion_search.dsl.equivalence.canonical import canonicalise
from lion_search.dsl.program import Program
from lion_search.dsl.shown import duration, plural
from lion_search.dsl.text import format_program
from lion_search.dsl.variation.scaling import scale_update
from lion_search.proxy_tasks.jobs import Subject
from lion_search.proxy_tasks.scores import Part
from lion_search.proxy_tasks.workers.pool import Pool
from lion_search.results.records import Stage
from lion_search.runs.audience import Report
from lion_search.runs.folder import check_new, make_folder, write_file
from lion_search.runs.preflight import check_tasks, set_environment
from lion_search.runs.references import find_program, open_run, split_individual
from lion_search.runs.simplify_record import SimplifyRecord, make_record, path_beside, path_of, save
from lion_search.runs.workers import make_pool
from lion_search.selection.comparison import Measurement, compare
from lion_search.simplify.experiments.trainer import Trainer
from lion_search.simplify.experiments.trials import TrialSettings
from lion_search.simplify.simplifier import Simplified, limits_within, simplify

TEST_SEEDS = 32


@dataclass(frozen=True, slots=True)
class Experimental:
    """How experiments are made.

    Attributes:
        tasks: references of tasks; none for the run's own, or for proofs only if the program is of no run.
        only_proofs: no experiments at all.
        minutes: how long proofs and experiments may take together, workers being started.
        settings: how sure experiments must be.
        workers: as for a run.
    """

    tasks: tuple[str, ...]
    only_proofs: bool
    minutes: float
    settings: TrialSettings
    workers: int | str


def simplify_reference(
    reference: str, how: Experimental, output: Path | None, report: Report
) -> tuple[SimplifyRecord, tuple[Path, ...]]:
    """Simplifies a referenced program and saves the record.

    Args:
        reference: the program.
        how: how experiments are made.
        output: file for the result; the record of a program of the library is kept beside it.
        report: is told, in a line, what happens.

    Returns:
        The record, and the files written.

    Raises:
        LionSearchError: something cannot be used, or the file exists or cannot be written.
    """
    if output is not None:
        check_new(output)
        make_folder(output.parent)
    program = find_program(reference).program
    tasks = () if how.only_proofs else how.tasks or _tasks_of_run(reference)
    rows: tuple[Measurement, ...] = ()
    if tasks:
        found, rows = _with_experiments(program, tasks, how, report)
    else:
        if not how.only_proofs:
            report("Only what is proved: experiments need a task to train on (--task)")
        found = simplify(program, limits=limits_within(how.minutes), report=report)
    record = make_record(reference, found, tasks, how.settings, rows)
    return record, _write(record, reference, found.after, output)


def _tasks_of_run(reference: str) -> tuple[str, ...]:
    """The tasks of the run a program is of."""
    in_run = split_individual(reference)
    if in_run is None:
        return ()
    with closing(open_run(in_run[0])) as store:
        return tuple(task["name"] for task in store.run_facts()["config"]["tasks"])


def _with_experiments(
    program: Program, tasks: Sequence[str], how: Experimental, report: Report
) -> tuple[Simplified, tuple[Measurement, ...]]:
    set_environment(how.workers)
    from lion_search.proxy_tasks.training.recording import recorder  # it imports JAX

    problems = check_tasks(tasks, None)
    names = list(problems)
    pool = make_pool(names, workers=how.workers, report=report)
    try:
        report(f"Proofs and experiments, for at most {duration(60 * how.minutes)}")
        deadline = awake_seconds() + 60 * how.minutes
        record = recorder([*problems.values()])
        trainer = Trainer(pool, tuple(names), lambda: awake_seconds() > deadline, record=record)
        limits = limits_within(how.minutes)
        found = simplify(program, trainer, settings=how.settings, limits=limits, report=report)
        if not found.tried:
            report("No test: no experiment was made, and what is proved needs none")
            return found, ()
        report(f"Test: original and result on {plural(TEST_SEEDS, 'other seed')}, test part")
        return found, measure(pool, found, names, TEST_SEEDS)
    finally:
        pool.close()


def measure(pool: Pool, found: Simplified, tasks: Sequence[str], num_seeds: int) -> tuple[Measurement, ...]:
    """Original and result on the test part of each task, on the same seeds, scaled as in the experiments.

    What has the same canonical form is trained once.
    """
    suffix = "" if found.scale == 1 else f", update x {found.scale:g}"
    programs = {"original": found.before, "by proof": found.proved, "simplified": found.after}
    forms = {
        name + suffix: canonicalise(scale_update(program, found.scale)) for name, program in programs.items()
    }
    subjects: Mapping[str, Subject] = {form.hash: form.program() for form in forms.values()}
    seeds = Stage.TEST.seeds(num_seeds)
    return tuple(
        replace(rows[form.hash], name=name)
        for task in tasks
        for rows in [{row.name: row for row in compare(pool, subjects, task, Part.TEST, seeds)}]
        for name, form in forms.items()
    )


def _write(record: SimplifyRecord, reference: str, program: Program, output: Path | None) -> tuple[Path, ...]:
    written = []
    if output is not None:
        title = f"# {reference}, simplified by lion-search; how and why: {path_beside(output).name}\n"
        write_file(output, title + format_program(program))
        save(record, path_beside(output))
        written += [output, path_beside(output)]
    place = path_of(reference)
    if place is not None:
        save(record, place)
        written.append(place)
    return tuple(written)
