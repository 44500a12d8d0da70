"""The best of a search for each number of state arrays: ``lion-search frontier``.

Memory is what state arrays cost, so the best program with one is worth knowing beside the best of all. On
request each is made shorter by proof and looked up among the known optimizers, which takes seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from lion_search.dsl.equivalence.canonical import canonicalise
from lion_search.dsl.program import Program
from lion_search.dsl.text import parse
from lion_search.proxy_tasks.scores import Part, describe_failure, first_failure
from lion_search.results.digest import frontier_leaders
from lion_search.results.judge import Judge
from lion_search.results.ranking import Ranked
from lion_search.results.records import Stage
from lion_search.runs.audience import Report
from lion_search.runs.references import open_run
from lion_search.simplify.writing.readable import readable

_CANDIDATES = 8
"""So many of the best by the search's own scores are measured on fresh seeds."""


@dataclass(frozen=True, slots=True)
class Place:
    """The best program with so many state arrays.

    Attributes:
        num_states: how many.
        ranked: the program and what the search knew of it.
        simplified: written for people: the simplest equal form that proofs find, or what is live.
        recognized: which known optimizer that is and what differs, or that it is none; ``None`` if not asked.
        fresh_fitness: fitness on fresh seeds, if it was measured.
        num_fresh: how many seeds of each task that was.
    """

    num_states: int
    ranked: Ranked
    simplified: Program
    recognized: str | None
    fresh_fitness: float | None = None
    num_fresh: int = 0


def frontier(
    run: str, *, num_seeds: int, recognizes: bool, workers: int | str, report: Report
) -> list[Place]:
    """The best of a run for each number of state arrays, from the fewest.

    Args:
        run: a run folder, or a name under ``runs/``.
        num_seeds: fresh seeds on which the best few of each are compared; 0 for none.
        recognizes: whether each is simplified by proof and recognized.
        workers: how many.
        report: is told, in a line, what happens next.

    Raises:
        LionSearchError: there is no such run, or its tasks cannot be used.
    """
    with closing(open_run(run)) as store:
        by_states = frontier_leaders(store, _CANDIDATES if num_seeds else 1)
        tasks = list(store.run_facts()["tasks"])
    fresh: dict[str, float] = {}
    if num_seeds:
        rows = [row for best in by_states.values() for row in best]
        fresh = _measure(rows, tasks, num_seeds, workers, report)
    places = []
    for num_states, best in sorted(by_states.items()):
        top = max(best, key=lambda row: fresh[row.hash] - row.price) if fresh else best[0]
        places.append(_place(num_states, top, recognizes=recognizes))
    return [
        replace(p, fresh_fitness=fresh.get(p.ranked.hash), num_fresh=num_seeds) if fresh else p
        for p in places
    ]


def _place(num_states: int, row: Ranked, *, recognizes: bool) -> Place:
    program = parse(row.individual.program)
    if not recognizes:
        return Place(num_states, row, readable(program, factors=False), None)
    from lion_search.simplify.recognition.identify import identify  # takes a second, as proofs do
    from lion_search.simplify.simplifier import HowFar, simplify

    simplified = simplify(program, None, how_far=HowFar.PROOFS).after
    return Place(num_states, row, simplified, identify(simplified).summary())


def _measure(
    rows: Sequence[Ranked], tasks: Sequence[str], num_seeds: int, workers: int | str, report: Report
) -> dict[str, float]:
    """Fitness on fresh validation seeds, by functional hash."""
    from lion_search.proxy_tasks.run_jobs import evaluate_all, evaluate_baselines
    from lion_search.runs.preflight import check_tasks, find_baselines, set_environment
    from lion_search.runs.workers import make_pool

    set_environment(workers)
    problems = check_tasks(tasks, None)
    adamw = {name: record.adamw for name, record in find_baselines(problems, report).items()}
    seeds = Stage.COMPARISON.seeds(num_seeds)
    programs = [canonicalise(parse(row.individual.program)).program() for row in rows]
    pool = make_pool(list(problems), workers=workers, report=report)
    try:
        judge = Judge(evaluate_baselines(pool, adamw, Part.VALIDATION, seeds))
        scores = evaluate_all(pool, programs, list(problems), Part.VALIDATION, seeds)
    finally:
        pool.close()
    for row, own in zip(rows, scores, strict=True):
        if (failed := first_failure(own)) is not None:
            report(f"Note: {row.individual.id} fails on fresh seeds: {describe_failure(failed)}")
    return {row.hash: judge.fitness(own) for row, own in zip(rows, scores, strict=True)}
