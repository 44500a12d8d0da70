"""From a noisy search to one measured winner.

The best of thousands of scores on few seeds are partly the luckiest. So the best dozen are trained again
on fresh seeds. The first few of them are entered once more with constants tuned on other seeds. The winner is
chosen by the fresh seeds alone, and what is reported of it comes from the test part with yet other seeds,
beside the optimizers it must be compared with on the same seeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from lion_search.dsl.equivalence.canonical import canonicalise, functional_hash
from lion_search.dsl.program import Program
from lion_search.dsl.text import parse
from lion_search.proxy_tasks.baseline import Baseline
from lion_search.proxy_tasks.jobs import Subject
from lion_search.proxy_tasks.scores import Part, describe_failure
from lion_search.proxy_tasks.workers.pool import Pool
from lion_search.results.ranking import Ranked
from lion_search.results.records import Individual, Stage
from lion_search.results.store import Store
from lion_search.selection.comparison import Measurement
from lion_search.selection.constants import tune_constants
from lion_search.selection.logged import evaluate_logged, fitness_logged, log_name

MAX_ROUNDS = 50
"""So many times the number of finalists are tried at most."""


@dataclass(frozen=True, slots=True)
class Finalist:
    """One of the best of a search, measured again.

    Attributes:
        individual: the first individual with its hash.
        program: its genome; or, if it is tuned, the canonical form with other constants.
        is_tuned: whether its constants were tuned after the search.
        search_fitness: what the search saw of the individual, prices not taken off.
        fitness: on fresh seeds, prices not taken off.
        price: what is taken off when finalists are compared.
    """

    individual: Individual
    program: Program
    is_tuned: bool
    search_fitness: float
    fitness: float
    price: float


def choose_winner(
    store: Store,
    pool: Pool,
    *,
    candidates: Sequence[Ranked],
    baselines: Mapping[str, Baseline],
    num_finalists: int,
    num_seeds: int,
    num_tuned: int = 0,
    report: Callable[[str], None] = lambda line: None,
) -> list[Finalist]:
    """Trains the best of the search again on fresh validation seeds and logs it.

    Scores on one seed may all be luck: programs that diverge on the next. If none of the best trains on all
    fresh seeds, the next best are tried, and so on, ``MAX_ROUNDS`` times. Then the constants of the first few
    are tuned on other seeds, and those that train join them.

    Args:
        store: the run's log, open for writing.
        pool: evaluates jobs.
        candidates: programs of the search that trained, the best first.
        baselines: tuned AdamW for each task; trained on the same seeds for comparison.
        num_finalists: how many distinct programs.
        num_seeds: fresh seeds for each.
        num_tuned: how many of them are tuned.
        report: is told of each that fails there, and why.

    Returns:
        Those that trained on all fresh seeds, the winner first; empty if there are none.
    """
    finalists: list[Finalist] = []
    for start in range(0, MAX_ROUNDS * num_finalists, num_finalists):
        chosen = [_untuned(row) for row in candidates[start : start + num_finalists]]
        if not chosen or (finalists := _measured(store, pool, chosen, baselines, num_seeds, report)):
            break
    tuned = [
        replace(finalist, program=program, is_tuned=True)
        for finalist in finalists[:num_tuned]
        if (program := tune_constants(store, pool, finalist.program, list(baselines))) is not None
    ]
    return _by_fitness([*finalists, *_measured(store, pool, tuned, baselines, num_seeds, report)])


def _untuned(row: Ranked) -> Finalist:
    return Finalist(row.individual, parse(row.individual.program), False, row.fitness, math.nan, row.price)


def _measured(
    store: Store,
    pool: Pool,
    chosen: Sequence[Finalist],
    baselines: Mapping[str, Baseline],
    num_seeds: int,
    report: Callable[[str], None],
) -> list[Finalist]:
    """Those that train on all fresh seeds, the best first."""
    if not chosen:
        return []
    forms = [canonicalise(finalist.program) for finalist in chosen]
    programs = {form.hash: form.program() for form in forms}
    ids = {f.individual.hash: f.individual.id for f in chosen}
    seeds = Stage.SELECTION.seeds(num_seeds)
    found = fitness_logged(store, pool, Stage.SELECTION, programs, baselines, seeds, ids)
    finalists = []
    for finalist, form in zip(chosen, forms, strict=True):
        fitness, failed = found[form.hash]
        if failed is None:
            finalists.append(replace(finalist, fitness=fitness))
        else:
            report(f"{finalist.individual.id} is no finalist: {describe_failure(failed)}")
    return _by_fitness(finalists)


def _by_fitness(finalists: Iterable[Finalist]) -> list[Finalist]:
    return sorted(finalists, key=lambda f: f.price - f.fitness)


def measure_on_test(
    store: Store,
    pool: Pool,
    *,
    programs: Mapping[str, Program],
    others: Mapping[str, Subject],
    task: str,
    num_seeds: int,
    individual_ids: Mapping[str, int],
    by_name: bool = True,
) -> list[Measurement]:
    """Scores programs and others on the test part of a task, all on the same seeds, and logs it.

    Args:
        store: the run's log, open for writing.
        pool: evaluates jobs.
        programs: the winners and what was made of them, by name; logged by functional hash.
        others: what they are compared with, by name.
        task: the task.
        num_seeds: how many seeds.
        individual_ids: by functional hash, the individual that a program is.
        by_name: whether the others are logged by their names; else with their constants, which may be others
            the next time.

    Returns:
        A row for each optimizer: the programs, then the others, in their order.
    """
    named: dict[str, tuple[str, Subject]] = {
        **{name: (functional_hash(p), canonicalise(p).program()) for name, p in programs.items()},
        **{name: (f"baseline:{name}" if by_name else log_name(s), s) for name, s in others.items()},
    }
    subjects = {(key, task): subject for key, subject in named.values()}
    seeds = Stage.TEST.seeds(num_seeds)
    scores = evaluate_logged(store, pool, Stage.TEST, subjects, Part.TEST, seeds, individual_ids)
    return [Measurement(name, task, scores[key, task], num_seeds, key) for name, (key, _) in named.items()]
