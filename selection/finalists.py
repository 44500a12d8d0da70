"""From a noisy search to one measured winner.

The best of thousands of scores on few seeds are partly the luckiest. So the best dozen are trained again
on fresh seeds, the winner is chosen by those alone, and what is reported of it comes from the test part
with yet other seeds, beside the optimizers it must be compared with on the same seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lion_search.dsl.equivalence.canonical import canonicalise, functional_hash
from lion_search.dsl.program import Program
from lion_search.dsl.text import parse
from lion_search.proxy_tasks.baseline import Baseline
from lion_search.proxy_tasks.jobs import Subject
from lion_search.proxy_tasks.scores import Part, Score, Status, describe_failure, first_failure
from lion_search.proxy_tasks.workers.pool import Pool
from lion_search.results.judge import Judge
from lion_search.results.ranking import Ranked, judge_settings, rank
from lion_search.results.records import BASELINE_SUBJECT, Individual, Stage
from lion_search.results.store import Store
from lion_search.selection.comparison import Measurement
from lion_search.selection.logged import evaluate_logged

MAX_ROUNDS = 50
"""So many times the number of finalists are tried at most."""


@dataclass(frozen=True, slots=True)
class Finalist:
    """One of the best of a search, measured again.

    Attributes:
        individual: the first individual with its hash.
        search_fitness: what the search saw, prices not taken off.
        fitness: on fresh seeds, prices not taken off.
        price: what is taken off when finalists are compared.
    """

    individual: Individual
    search_fitness: float
    fitness: float
    price: float


def choose_winner(
    store: Store,
    pool: Pool,
    *,
    baselines: Mapping[str, Baseline],
    num_finalists: int,
    num_seeds: int,
    report: Callable[[str], None] = lambda line: None,
) -> list[Finalist]:
    """Trains the best of the search again on fresh validation seeds and logs it.

    Scores on one seed may all be luck: programs that diverge on the next. If none of the best trains on all
    fresh seeds, the next best are tried, and so on, ``MAX_ROUNDS`` times.

    Args:
        store: the run's log, open for writing.
        pool: evaluates jobs.
        baselines: tuned AdamW for each task; trained on the same seeds for comparison.
        num_finalists: how many distinct programs.
        num_seeds: fresh seeds for each.
        report: is told of each that fails there, and why.

    Returns:
        Those that trained on all fresh seeds, the winner first; empty if there are none.
    """
    ranked = [row for row in rank(store, Stage.SEARCH) if row.status is Status.OK]
    for start in range(0, MAX_ROUNDS * num_finalists, num_finalists):
        round_ = ranked[start : start + num_finalists]
        if round_ and (finalists := _measure(store, pool, round_, baselines, num_seeds, report)):
            return finalists
    return []


def _measure(
    store: Store,
    pool: Pool,
    ranked: Sequence[Ranked],
    baselines: Mapping[str, Baseline],
    num_seeds: int,
    report: Callable[[str], None],
) -> list[Finalist]:
    """Those of the ranked that train on all fresh seeds, the best first."""
    programs = {row.hash: canonicalise(parse(row.individual.program)).program() for row in ranked}
    subjects: dict[tuple[str, str], Subject] = {(BASELINE_SUBJECT, t): b for t, b in baselines.items()}
    subjects |= {(row.hash, task): programs[row.hash] for row in ranked for task in baselines}
    ids = {row.hash: row.individual.id for row in ranked}
    seeds = Stage.SELECTION.seeds(num_seeds)
    scores = evaluate_logged(store, pool, Stage.SELECTION, subjects, Part.VALIDATION, seeds, ids)
    judge = Judge(_of(scores, BASELINE_SUBJECT, baselines), judge_settings(store))
    finalists: list[tuple[float, float, Finalist]] = []
    for row in ranked:
        own = _of(scores, row.hash, baselines)
        if (failed := first_failure(own)) is not None:
            report(f"{row.individual.id} is no finalist: {describe_failure(failed)}")
        else:
            found = Finalist(row.individual, row.fitness, judge.fitness(own), row.price)
            finalists.append((found.fitness - found.price, judge.below_bounds(own), found))
    return [found for *_, found in sorted(finalists, key=lambda f: (-f[0], -f[1]))]


def measure_on_test(
    store: Store,
    pool: Pool,
    *,
    winner: Finalist,
    programs: Mapping[str, Program],
    others: Mapping[str, Subject],
    task: str,
    num_seeds: int,
) -> list[Measurement]:
    """Scores the winner and others on the test part of a task, all on the same seeds, and logs it.

    Args:
        store: the run's log, open for writing.
        pool: evaluates jobs.
        winner: the winner.
        programs: what was made of it, by name; logged by hash as the winner is.
        others: what it is compared with, by name; logged by that name.
        task: the task.
        num_seeds: how many seeds.

    Returns:
        A row for each optimizer: the winner's first, then the programs and the others in their order.
    """
    hash_ = winner.individual.hash
    own = {"winner": parse(winner.individual.program), **programs}
    named: dict[str, tuple[str, Subject]] = {
        **{name: (functional_hash(p), canonicalise(p).program()) for name, p in own.items()},
        **{name: (f"baseline:{name}", subject) for name, subject in others.items()},
    }
    subjects = {(key, task): subject for key, subject in named.values()}
    seeds = Stage.TEST.seeds(num_seeds)
    ids = {hash_: winner.individual.id}
    scores = evaluate_logged(store, pool, Stage.TEST, subjects, Part.TEST, seeds, ids)
    return [Measurement(name, task, scores[key, task], num_seeds) for name, (key, _) in named.items()]


def _of(
    scores: Mapping[tuple[str, str], tuple[Score, ...]], subject: str, tasks: Mapping[str, object]
) -> Sequence[Score]:
    return [score for task in tasks for score in scores[subject, task]]
